//! Mailed codes, and mail that waits to be sent.

use super::{AddressTag, NetworkTag};

/// What a code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodePurpose {
    /// Resetting the password.
    Reset,
    /// Registering the address.
    Confirm,
    /// Undoing a change of the address.
    UndoAddress,
}

impl CodePurpose {
    /// As rows and tags have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Confirm => "confirm",
            Self::UndoAddress => "undo address",
        }
    }
}

/// Keyed hash of a mailed code, with its purpose and address.
#[derive(Clone, Copy)]
pub struct CodeTag(pub [u8; 32]);

/// A code about to be mailed.
pub struct NewCode {
    /// To whom.
    pub address: AddressTag,
    /// What for.
    pub purpose: CodePurpose,
    /// The code.
    pub tag: CodeTag,
    /// The letter that it is in.
    pub mail: QueuedMail,
    /// Who asked for it.
    pub network: NetworkTag,
    /// Now.
    pub now: i64,
    /// When it no longer holds.
    pub expires_at: i64,
}

/// Mail about something, sealed: queued in the transaction that does it.
pub struct QueuedMail {
    /// Random; what its seal is bound to.
    pub id: [u8; 16],
    /// What it is about.
    pub kind: &'static str,
    /// What is in it.
    pub sealed_body: Vec<u8>,
}
