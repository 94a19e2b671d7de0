//! Mailed codes, and mail that waits to be sent.

use keybackup_protocol::AccountId;

use super::{AddressTag, NetworkTag};

/// How long a mailed code holds.
pub const CODE_TTL_S: i64 = 15 * 60;
/// How long mail waits to be sent.
pub const MAIL_TTL_S: i64 = 3 * 24 * 60 * 60;

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
    /// Random; names the request.
    pub id: [u8; 16],
    /// To whom.
    pub address: AddressTag,
    /// The same, sealed for mailing for an account of zeros.
    pub sealed_address: Vec<u8>,
    /// What for.
    pub purpose: CodePurpose,
    /// The code.
    pub tag: CodeTag,
    /// The letter that it is in.
    pub mail: QueuedMail,
    /// The letter where the code is of no use: a reset without an account, a registration with one.
    /// Nobody gets the first letter then.
    pub otherwise: Option<QueuedMail>,
    /// Who asked for it: what mail counts networks by.
    pub network: NetworkTag,
    /// Now.
    pub now: i64,
    /// When it no longer holds.
    pub expires_at: i64,
}

/// Mail that is due.
pub struct WaitingMail {
    /// What its seal is bound to.
    pub id: [u8; 16],
    /// What the address is sealed for.
    pub account: AccountId,
    /// Empty when it is to nobody.
    pub sealed_address: Vec<u8>,
    /// What is in it.
    pub sealed_body: Vec<u8>,
    /// When it was queued.
    pub created_at: i64,
    /// How often it was taken, this time included.
    pub tries: u32,
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
