//! New accounts, and the operator's invitations.

use keybackup_protocol::AccountId;
use keybackup_protocol::api::{DeviceRecord, NewEpoch, SlotKind};

use super::{AddressTag, CodeTag, InviteTag, NetworkTag, NewSession};

/// A registration about to be made, or a change of an account's address.
pub struct NewRegistration {
    /// Random; the ticket names it.
    pub id: [u8; 16],
    /// Address to register.
    pub address: AddressTag,
    /// Invitation that pays for it. It is spent by the finish.
    pub invite: Option<InviteTag>,
    /// Mailed code that confirms the address, where one is asked for. It is used up by the finish.
    pub confirmation: Option<CodeTag>,
    /// The account that is to have the address, if it is there already: it may go back to one of its
    /// former addresses.
    pub holder: Option<AccountId>,
    /// Where it came from.
    pub network: NetworkTag,
    /// Now.
    pub now: i64,
    /// When it can no longer be finished.
    pub expires_at: i64,
}

/// A new account, all of it.
pub struct NewAccount {
    /// The registration attempt, consumed by this call.
    pub attempt: [u8; 16],
    /// SHA-256 of the finish's bytes: the same again is the same registration.
    pub digest: [u8; 32],
    /// Address, as it is found.
    pub address: AddressTag,
    /// Address, sealed for mailing.
    pub sealed_address: Vec<u8>,
    /// Made by the client.
    pub account: AccountId,
    /// Its first epoch.
    pub epoch: NewEpoch,
    /// AKE key pair that the record was made with.
    pub setup_id: u32,
    /// The code that it was begun with, consumed by this call.
    pub confirmation: Option<CodeTag>,
    /// Where it came from.
    pub network: NetworkTag,
    /// The device that registers.
    pub device: DeviceRecord,
    /// Its session.
    pub session: NewSession,
    /// Now.
    pub now: i64,
}

/// An invitation, as the operator sees it.
pub struct Invite {
    /// Row number, for revoking.
    pub id: i64,
    /// When it was made.
    pub created_at: i64,
    /// When it expires.
    pub expires_at: i64,
    /// Registrations that it still pays for.
    pub uses_left: u32,
}

/// The slot kinds that every epoch must have.
pub const REQUIRED_SLOTS: [SlotKind; 2] = [SlotKind::Password, SlotKind::Recovery];
