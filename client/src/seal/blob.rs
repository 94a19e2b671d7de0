//! What writers and readers of blobs have in common: what a sealed blob is known by, and errors.

use std::io;

use keybackup_protocol::KeyId;

use super::header::{Header, HeaderError};

/// A blob that was sealed or verified: what its label says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedBlob {
    /// The header.
    pub header: Header,
    /// BLAKE3 of header and payload.
    pub blake3: [u8; 32],
    /// Length of header and payload.
    pub blob_bytes: u64,
    /// Length of the zip inside.
    pub zip_bytes: u64,
}

/// Why a blob could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The bytes could not be had or put.
    #[error("the blob could not be read or written")]
    Io(#[source] io::Error),
    /// No header, or one that this program does not know.
    #[error("the blob has no header that is known here")]
    Header(#[from] HeaderError),
    /// A header, but another than the label names.
    #[error("the blob is not the one that its label names")]
    HeaderMismatch,
    /// The label names no bytes: it is a tombstone.
    #[error("the label names no bytes")]
    NoContent,
    /// Header and payload do not have the hash that the label names.
    #[error("the blob's hash is not the one that its label names")]
    HashMismatch,
    /// Sealed under a vault key that the keyring does not hold.
    #[error("the keyring has no key {0}")]
    UnknownKey(KeyId),
    /// The key is of another persona or vault key than the header says.
    #[error("the blob is sealed under another key")]
    WrongKey,
    /// The header commits to other keys than are derived for it.
    #[error("the key does not fit, or the blob's header is damaged")]
    Commitment,
    /// A chunk is not authentic: changed, moved, cut off, or marked as last where it is not.
    #[error("chunk {chunk} of the blob is damaged")]
    Damaged {
        /// Its number, from 0.
        chunk: u32,
    },
    /// Authentic, but the length is not one of the format, the padding is not zeros, or the zip
    /// would be longer than the plaintext.
    #[error("the blob is padded in another way than the format says")]
    Padding,
    /// The zip inside has another length than the label names.
    #[error("the zip inside has another length than its label says")]
    ZipBytes,
    /// The bytes end before a blob of any length can.
    #[error("the blob ends early")]
    Truncated,
    /// More bytes than a blob may have.
    #[error("the blob is too long")]
    TooLong,
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

impl From<BlobError> for io::Error {
    /// For `Read` and `Write`: an I/O error as it was, everything else as `InvalidData` (too long:
    /// `FileTooLarge`) with the [`BlobError`] inside.
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Io(error) => error,
            BlobError::TooLong => Self::new(io::ErrorKind::FileTooLarge, error),
            BlobError::Truncated => Self::new(io::ErrorKind::UnexpectedEof, error),
            _ => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_kind_on_the_way_through_io() {
        let of_io = |kind: io::ErrorKind| BlobError::from(io::Error::from(kind));
        assert!(matches!(of_io(io::ErrorKind::UnexpectedEof), BlobError::Truncated));
        assert!(matches!(of_io(io::ErrorKind::StorageFull), BlobError::Io(_)));
        for (error, kind) in [
            (of_io(io::ErrorKind::StorageFull), io::ErrorKind::StorageFull),
            (BlobError::TooLong, io::ErrorKind::FileTooLarge),
            (BlobError::Truncated, io::ErrorKind::UnexpectedEof),
            (BlobError::Padding, io::ErrorKind::InvalidData),
        ] {
            assert_eq!(io::Error::from(error).kind(), kind);
        }
        let inside = io::Error::from(BlobError::Padding).downcast::<BlobError>();
        assert!(matches!(inside, Ok(BlobError::Padding)));
    }
}
