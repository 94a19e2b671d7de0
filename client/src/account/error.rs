//! Why a registration, a login or a change of the password failed.

use crate::keys::opaque::OpaqueError;
use crate::keys::password::PreparationError;
use crate::records::RecordError;
use crate::remote::RemoteError;

/// Why a registration, a login or a change of the password failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The server, or the way to it.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The password holds what a password may not.
    #[error(transparent)]
    Password(#[from] PreparationError),
    /// OPAQUE ended: wrong password, unknown address, or a server that is not the one that
    /// registered it. The protocol can't tell them apart.
    #[error(transparent)]
    Opaque(#[from] OpaqueError),
    /// The server's records have suites that this client does not have.
    #[error("the server speaks suites {theirs:?}, and this client only suite 1")]
    Suite {
        /// What it speaks.
        theirs: Vec<u8>,
    },
    /// An answer whose fields contradict the API.
    #[error("the server's answer is not what the API says")]
    BadAnswer,
    /// An answer without a slot that every epoch has. Never taken for an empty one.
    #[error("the server's answer misses the {slot} slot")]
    MissingSlot {
        /// Which one.
        slot: &'static str,
    },
    /// A slot or keyring does not open under a key that OPAQUE has just proven right.
    #[error("the account's keys at the server are damaged or forged")]
    Damaged(#[source] RecordError),
    /// Sealing failed.
    #[error("sealing the account's keys failed")]
    Seal(#[source] RecordError),
    /// The answer to the last step was lost: the account may exist or not.
    #[error("the server's last answer was lost, so the account may exist or not")]
    InDoubt(#[source] RemoteError),
    /// The recovery phrase opens nothing of the account, or what it should open is damaged.
    #[error("the recovery phrase is not this account's, or what it opens is damaged")]
    WrongPhrase,
    /// The answer to a reset was lost.
    #[error("the server's last answer was lost, so the password may be reset or not")]
    ResetInDoubt(#[source] RemoteError),
    /// The answer to a new phrase was lost: the old one holds, or the new one.
    #[error("the server's last answer was lost, so the phrase may be the old one or the new one")]
    PhraseInDoubt(#[source] RemoteError),
    /// The answer to an undoing or a purge was lost.
    #[error("the server's last answer was lost, so it may be done or not")]
    UndoInDoubt(#[source] RemoteError),
    /// The answer to a change of the password was lost: the old one holds, or the new one.
    #[error("the server's last answer was lost, so the password may be the old one or the new one")]
    PasswordInDoubt(#[source] RemoteError),
    /// The answer to a change of the address was lost: the old one holds, or the new one.
    #[error("the server's last answer was lost, so the address may be the old one or the new one")]
    AddressInDoubt(#[source] RemoteError),
    /// The answer to the deletion was lost: the account may be there or not.
    #[error("the server's last answer was lost, so the account may be deleted or not")]
    DeletionInDoubt(#[source] RemoteError),
}
