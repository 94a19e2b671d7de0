//! Another address for an account, and the way back from it.

use keybackup_protocol::B64;
use keybackup_protocol::api::Slot;

use super::{AddressTag, CodeTag, NetworkTag, ProvenLogin, QueuedMail};

/// How long a change of the address can be undone, in seconds. So long nobody else gets the former
/// address.
pub const UNDO_ADDRESS_TTL_S: i64 = 7 * 24 * 60 * 60;

/// Another address, with the record and the slot that hold it.
pub struct AddressChange {
    /// Proof of the password, of the session's account and epoch, under the former address.
    pub login: ProvenLogin,
    /// The session that asks; it stays, and all others end.
    pub session: i64,
    /// The attempt that the new record was begun with, consumed by this call.
    pub attempt: [u8; 16],
    /// The address until now.
    pub former: AddressTag,
    /// The new one.
    pub address: AddressTag,
    /// The new one, sealed for mailing.
    pub sealed_address: Vec<u8>,
    /// The code that it was confirmed with, consumed by this call.
    pub confirmation: Option<CodeTag>,
    /// AKE key pair that the new record was made with.
    pub setup_id: u32,
    /// OPAQUE record, 192 bytes.
    pub record: B64,
    /// The password slot, of the next generation.
    pub slot: Slot,
    /// What undoes the change, from the former address.
    pub undo: CodeTag,
    /// What is told to the former address; that code is in it.
    pub mail_to_former: QueuedMail,
    /// What is told to the new one.
    pub mail: QueuedMail,
    /// Now.
    pub now: i64,
}

/// The way back to a former address.
pub struct AddressUndo {
    /// It.
    pub address: AddressTag,
    /// The code that was mailed there.
    pub code: CodeTag,
    /// Where the request came from: it counts as a start.
    pub network: NetworkTag,
    /// What is told to the address of until now.
    pub mail: QueuedMail,
    /// What is told to the former one.
    pub mail_to_former: QueuedMail,
    /// Now.
    pub now: i64,
}
