//! Why work on an open account failed; each kind ends in one documented exit code.

use keybackup_protocol::EpochId;

use crate::marks::{Contradiction, ListingError};
use crate::records::{IndexError, KeyringError, Name, RecordError};
use crate::remote::RemoteError;
use crate::seal::BlobError;
use crate::spool::SpoolError;

/// Why work on an open account failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The server, or the way to it.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A sealed object that does not open, or holds what it may not.
    #[error("a sealed object of the account is damaged or forged")]
    Record(#[from] RecordError),
    /// What a phrase should open has another commitment: another phrase, or damage.
    #[error("the recovery phrase is not this epoch's, or what it opens is damaged")]
    WrongPhrase,
    /// A listing that does not open.
    #[error("the server's listing is damaged or forged")]
    Listing(#[from] ListingError),
    /// A listing that contradicts what this device has seen, or itself.
    #[error("the server's listing contradicts what this device knows")]
    Contradiction(#[from] Box<Contradiction>),
    /// The server serves another epoch than the one held.
    #[error("the account has another epoch ({served}) than this device knows ({held})")]
    OtherEpoch {
        /// The epoch whose root key this device holds.
        held: EpochId,
        /// The epoch that the server calls current.
        served: EpochId,
    },
    /// What should be a newer keyring is not newer, or lacks a key that the older one holds.
    #[error("the server's newer keyring is none, or lacks a key that this device holds")]
    KeyringShrank,
    /// The keyrings of two epochs can't be one.
    #[error("the keys of the two epochs can't be kept together")]
    Keyrings(#[from] KeyringError),
    /// A blob that is not what its label says.
    #[error("the backup's bytes are not those that its label names")]
    Blob(#[from] BlobError),
    /// Somebody else's version stands where this one should go.
    #[error("{name} has a newer version at the server")]
    Moved {
        /// The persona.
        name: Name,
        /// The version that stands.
        version: u64,
    },
    /// The index could not take the change.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index kept moving under every try.
    #[error("other devices kept changing the account")]
    Busy,
    /// No room for the transfer.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The local disk.
    #[error("reading or writing local files failed")]
    Io(#[source] std::io::Error),
}

/// Errors of readers and writers carry what was the matter inside; this brings it out again.
impl From<std::io::Error> for VaultError {
    fn from(error: std::io::Error) -> Self {
        fn inner<E: std::error::Error + Send + Sync + 'static>(
            error: std::io::Error,
        ) -> Result<E, std::io::Error> {
            error.downcast::<E>()
        }
        let error = match inner::<BlobError>(error) {
            Ok(blob) => return Self::Blob(blob),
            Err(error) => error,
        };
        let error = match inner::<RemoteError>(error) {
            Ok(remote) => return Self::Remote(remote),
            Err(error) => error,
        };
        match inner::<SpoolError>(error) {
            Ok(spool) => Self::Spool(spool),
            Err(error) => Self::Io(error),
        }
    }
}
