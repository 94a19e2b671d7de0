//! Request bodies, read within bounds of length, memory and time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use keybackup_protocol::B64;
use keybackup_protocol::routes::H_JSON_HASH;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::pace::Pace;
use super::peer::Owner;
use super::pool::{Permit, Pool};
use crate::error::ApiError;

/// So many bytes are read into memory without asking for it.
const FREE_BYTES: u64 = 16 * 1024;
/// Bytes that memory is asked for at once, as they come: what is only announced takes none.
const STEP_BYTES: u64 = 64 * 1024;
/// What is held to so many bytes comes out of memory of its own.
const SMALL_BYTES: u64 = 256 * 1024;
/// So much of a body that its handler did not want is read, so that the connection can go on.
const UNWANTED_BYTES: u64 = 64 * 1024;
/// How long that may take; most often it has come with the head.
const UNWANTED_WAIT: Duration = Duration::from_millis(200);
/// The slowest body that is borne, in bytes a second on average.
const SLOWEST_BYTES_PER_S: u64 = 1024;
/// The same for what is held in memory meanwhile.
const SLOWEST_HELD_BYTES_PER_S: u64 = 16 * 1024;

/// The memory that the bodies of all requests together may take. Small ones have their own, so
/// that they are taken however many large ones come slowly.
pub(crate) struct Memory {
    small: Pool,
    large: Pool,
}

impl Memory {
    /// So many KiB for small bodies and for large ones; a third of either for one owner.
    pub(crate) fn new(small_kib: u32, large_kib: u32) -> Self {
        let pool = |kib| Pool::new(kib, kib / 3);
        Self { small: pool(small_kib), large: pool(large_kib) }
    }

    /// Takes memory for one more step of something that is `whole` bytes long.
    async fn step(&self, owner: Owner, whole: u64) -> Result<Permit, ApiError> {
        let pool = if whole <= SMALL_BYTES { &self.small } else { &self.large };
        // What is parsed out of it takes about as much again.
        pool.take(owner, KIB_PER_STEP).await
    }
}

#[expect(clippy::cast_possible_truncation, reason = "128")]
const KIB_PER_STEP: u32 = (2 * STEP_BYTES / 1024) as u32;

/// A request's body.
pub(crate) struct RequestBody {
    incoming: Incoming,
    length: u64,
    taken: u64,
    /// Received and not taken.
    pending: Bytes,
    idle: Duration,
    pace: Pace,
    owner: Owner,
    memory: Arc<Memory>,
    /// Held until the request is over, since what was read lives as long.
    permits: Vec<Permit>,
    /// The hash that the head announces for the JSON.
    json_hash: Option<HeaderValue>,
}

impl RequestBody {
    /// A body of `length` bytes, as the head announced it. `idle` is the longest pause in it.
    pub(crate) fn new(
        incoming: Incoming,
        length: u64,
        idle: Duration,
        owner: Owner,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            incoming,
            length,
            taken: 0,
            pending: Bytes::new(),
            idle,
            pace: Pace::new(SLOWEST_BYTES_PER_S, idle),
            owner,
            memory,
            permits: Vec::new(),
            json_hash: None,
        }
    }

    /// Has the JSON held to the hash that the request's head announces, if it does.
    pub(crate) fn hashed(mut self, headers: &HeaderMap) -> Self {
        self.json_hash = headers.get(H_JSON_HASH).cloned();
        self
    }

    /// Checks JSON of this body, and what stands behind it in the hash.
    pub(crate) fn check_json(&self, json: &[u8], behind: &str) -> Result<(), ApiError> {
        let Some(announced) = &self.json_hash else { return Ok(()) };
        let hash = blake3::Hasher::new().update(json).update(behind.as_bytes()).finalize();
        let is_it = announced.to_str().ok().and_then(B64::from_text);
        if is_it.is_some_and(|announced| announced.0 == hash.as_bytes()) {
            Ok(())
        } else {
            Err(ApiError::BadRequest("the JSON was changed on the way: it has another hash"))
        }
    }

    /// From here on it takes from somebody else's share: an account has been shown.
    pub(crate) const fn owned_by(&mut self, owner: Owner) {
        self.owner = owner;
    }

    /// Its length in bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes not taken yet.
    pub(crate) const fn left(&self) -> u64 {
        self.length - self.taken
    }

    /// The next bytes as they come, at most what is left; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        if self.pending.is_empty() && !self.receive(None).await? {
            return Ok(None);
        }
        let bytes = std::mem::take(&mut self.pending);
        self.taken += bytes.len() as u64;
        Ok(Some(bytes))
    }

    /// Exactly `count` bytes, in memory that is asked for as they come.
    pub(crate) async fn take(&mut self, count: u64) -> Result<Bytes, ApiError> {
        if count > self.left() {
            return Err(ApiError::BadRequest("the body ends early"));
        }
        let slowest =
            if count > FREE_BYTES { SLOWEST_HELD_BYTES_PER_S } else { SLOWEST_BYTES_PER_S };
        let mut pace = Pace::new(slowest, self.idle);
        let mut allowed = FREE_BYTES;
        let mut bytes = BytesMut::new();
        while (bytes.len() as u64) < count {
            if self.pending.is_empty() && !self.receive(Some(&mut pace)).await? {
                return Err(ApiError::Disconnected);
            }
            let left = count - bytes.len() as u64;
            let more = self.pending.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            while (bytes.len() + more) as u64 > allowed {
                self.permits.push(self.memory.step(self.owner, count).await?);
                allowed += STEP_BYTES;
            }
            bytes.extend_from_slice(&self.pending[..more]);
            self.pending.advance(more);
            self.taken += more as u64;
            pace.came(more as u64);
        }
        Ok(bytes.freeze())
    }

    /// Reads and drops a little that is left. False when there is more: the connection can't go
    /// on behind it.
    pub(crate) async fn finish(&mut self) -> bool {
        if (1..=UNWANTED_BYTES).contains(&self.left()) {
            // Cut short where what is left does not come.
            let _ = timeout(UNWANTED_WAIT, async {
                while self.left() > 0 && matches!(self.chunk().await, Ok(Some(_))) {}
            })
            .await;
        }
        self.left() == 0
    }

    /// The whole body, at most `max` bytes of it.
    pub(crate) async fn whole(&mut self, max: usize) -> Result<Bytes, ApiError> {
        if self.length > max as u64 {
            return Err(ApiError::TooLarge);
        }
        self.take(self.length).await
    }

    /// The whole body as JSON of at most `max` bytes.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self, max: usize) -> Result<T, ApiError> {
        let json = self.whole(max).await?;
        self.check_json(&json, "")?;
        parse_json(&json)
    }

    /// Waits for a frame of data; false at the end. `held` is the pace of what is held meanwhile.
    async fn receive(&mut self, mut held: Option<&mut Pace>) -> Result<bool, ApiError> {
        loop {
            let left = held.as_ref().map_or(Duration::MAX, |pace| pace.left());
            let limit = self.idle.min(self.pace.left()).min(left);
            let began = Instant::now();
            let frame = timeout(limit, self.incoming.frame()).await;
            let waited = began.elapsed();
            self.pace.waited(waited);
            if let Some(pace) = &mut held {
                pace.waited(waited);
            }
            match frame.map_err(|_| ApiError::BodyTimeout)? {
                None => return Ok(false),
                Some(Err(_)) => return Err(ApiError::Disconnected),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => {
                        self.pace.came(data.len() as u64);
                        self.pending = data;
                        return Ok(true);
                    }
                    _ => {}
                },
            }
        }
    }
}

/// Parses JSON. The error tells where it broke and never what stood there.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::Json { line: error.line(), column: error.column() })
}
