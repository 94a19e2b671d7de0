//! The memory of JSON answers, from before they are made until they are sent.

use bytes::Bytes;

use super::answer::PIECE_BYTES;
use super::peer::Owner;
use super::pool::{Permit, Pool};
use crate::error::ApiError;

/// The memory that JSON answers may take together until they are sent, the smallest apart.
pub(crate) struct AnswerMemory {
    kib: Pool,
    share_kib: u32,
    /// Places for answers beyond a share.
    beyond: Pool,
}

/// Memory for one answer.
pub(crate) struct Room {
    _kib: Permit,
    _beyond: Option<Permit>,
}

impl AnswerMemory {
    /// So many KiB, and of these so many for one owner. An answer beyond that counts as that;
    /// two of them are under way at once.
    pub(crate) fn new(kib: u32, share_kib: u32) -> Self {
        Self { kib: Pool::new(kib, share_kib), share_kib, beyond: Pool::new(2, 1) }
    }

    /// Takes memory for so many bytes; a small answer needs none.
    pub(crate) async fn take(&self, owner: Owner, bytes: u64) -> Result<Option<Room>, ApiError> {
        if bytes <= PIECE_BYTES as u64 {
            return Ok(None);
        }
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let beyond =
            if kib > self.share_kib { Some(self.beyond.take(owner, 1).await?) } else { None };
        Ok(Some(Room { _kib: self.kib.take(owner, kib).await?, _beyond: beyond }))
    }

    /// The same for what is made out of rows, which are there beside it meanwhile.
    pub(crate) async fn take_twice(
        &self,
        owner: Owner,
        bytes: u64,
    ) -> Result<Option<Room>, ApiError> {
        if bytes <= PIECE_BYTES as u64 { Ok(None) } else { self.take(owner, 2 * bytes).await }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes and the room for them. Slices that hyper has not sent yet keep both.
pub(crate) struct Held {
    bytes: Bytes,
    _room: Room,
}

impl Held {
    /// Both together.
    pub(crate) const fn new(bytes: Bytes, room: Room) -> Self {
        Self { bytes, _room: room }
    }
}
