//! Why a call was refused or failed.

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address has an account.
    #[error("the address is taken")]
    Taken,
    /// The invitation is unknown, used up or expired.
    #[error("the invitation does not hold")]
    InviteRefused,
    /// The mailed code is wrong, used up, expired or replaced.
    #[error("the code does not hold")]
    CodeRefused,
    /// Neither the phrase nor the root key of any epoch that may be named.
    #[error("the proof is of no epoch that may be named")]
    ProofRefused,
    /// Resets without phrase are barred.
    #[error("resets without the phrase are barred")]
    ResetBarred {
        /// Seconds until they no longer are, if time alone ends it.
        retry_after_s: Option<u64>,
    },
    /// The session has ended since it was found.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many attempts in the bucket.
    #[error("too many attempts")]
    TooMany {
        /// Seconds until the oldest counted attempt leaves the hour.
        retry_after_s: u64,
    },
    /// The attempt is unknown, used, expired, or its record was replaced.
    #[error("the attempt no longer holds")]
    AttemptRefused,
    /// The account keeps its address while other epochs hold personas.
    #[error("personas are locked under the address")]
    AddressHeld,
    /// What a change of the address can still be undone to must stay as it is.
    #[error("a change of the address can still be undone")]
    UndoOpen {
        /// Seconds until it no longer can.
        retry_after_s: u64,
    },
    /// The named epoch or keyring version is not current.
    #[error("epoch or keyring is stale")]
    Stale,
    /// Version or index moved since the client looked.
    #[error("version or index moved")]
    Conflict,
    /// The upload has another number of bytes than the request goes on from.
    #[error("the upload is at another offset")]
    Offset,
    /// What the request names does not exist (any more).
    #[error("no such object")]
    Gone,
    /// The request contradicts itself or the rows.
    #[error("the request does not fit: {0}")]
    Invalid(&'static str),
    /// The account's quota is used up.
    #[error("quota is used up")]
    Quota,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The database failed.
    #[error("the database failed")]
    Rows(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The object store failed.
    #[error("the object store failed")]
    Bytes(#[source] Box<dyn std::error::Error + Send + Sync>),
}
