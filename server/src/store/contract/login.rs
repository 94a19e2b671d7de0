//! Logins and what they open: attempts, credentials, sessions; another password.

use keybackup_protocol::api::{DeviceRecord, Keyring, Slot};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId};

use super::{AddressTag, EpochChoice, NetworkTag, QueuedMail, TokenHash};

/// Whose bucket an OPRF evaluation counts in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// All devices that the account doesn't know, together.
    Strangers,
    /// One known device, by the SHA-256 of its cookie: the newest it was given, or the one
    /// before until the newest is first shown. One that the account doesn't know counts
    /// as a stranger.
    Device([u8; 32]),
}

/// An attempt about to be made: counted before the OPRF is evaluated.
pub struct NewAttempt {
    /// Random; the ticket names it.
    pub id: [u8; 16],
    /// Whom it is made against, known or not.
    pub address: AddressTag,
    /// Which bucket counts it.
    pub bucket: Bucket,
    /// Where it came from.
    pub network: NetworkTag,
    /// Which epoch it is into.
    pub epoch: EpochChoice,
    /// Now.
    pub now: i64,
    /// When the attempt can no longer be finished.
    pub expires_at: i64,
    /// OPRF evaluations that it is for: 2 where a new password is registered beside the login.
    pub evaluations: u8,
}

/// What an OPAQUE login is checked against.
#[derive(Clone)]
pub struct Credential {
    /// Its account.
    pub account: AccountId,
    /// Its epoch.
    pub epoch: EpochId,
    /// OPAQUE record, 192 bytes.
    pub record: Vec<u8>,
    /// Which AKE key pair of `server.key` it was registered with.
    pub setup_id: u32,
    /// Counts up with each replacement of the record.
    pub generation: u64,
}

/// A login that OPAQUE has accepted.
pub struct FinishedLogin {
    /// The attempt, consumed by this call.
    pub attempt: [u8; 16],
    /// From the credential the attempt began with.
    pub account: AccountId,
    /// From the credential.
    pub epoch: EpochId,
    /// From the credential; a record replaced since makes the call fail.
    pub generation: u64,
    /// The session to open.
    pub session: NewSession,
    /// What the owner is told where the account did not know the device, if anything.
    pub mail: Option<QueuedMail>,
    /// Now.
    pub now: i64,
}

/// A login that OPAQUE has accepted, for one request and no other.
#[derive(Debug, Clone, Copy)]
pub struct ProvenLogin {
    /// The attempt, consumed by what it is for.
    pub attempt: [u8; 16],
    /// SHA-256 of the request's bytes: the same again is the same request, whose answer was lost.
    pub digest: [u8; 32],
    /// From the credential that the login began with.
    pub account: AccountId,
    /// From the credential.
    pub epoch: EpochId,
    /// From the credential; a record replaced since makes the call fail.
    pub generation: u64,
}

/// A new password, by who has proven the old one.
pub struct PasswordChange {
    /// Proof of the old one, of the session's account and epoch.
    pub login: ProvenLogin,
    /// The session that asks; it stays, and all others end.
    pub session: i64,
    /// AKE key pair that the new record was made with.
    pub setup_id: u32,
    /// OPAQUE record, 192 bytes.
    pub record: B64,
    /// The password slot, of the next generation.
    pub slot: Slot,
    /// What the owner is told.
    pub mail: QueuedMail,
    /// Now.
    pub now: i64,
}

/// A session to open.
pub struct NewSession {
    /// Hash of its token.
    pub token: TokenHash,
    /// Device that it belongs to.
    pub device: DeviceId,
    /// SHA-256 of the device cookie handed out with it, kept with the device.
    pub device_cookie: [u8; 32],
    /// When it ends even if used.
    pub expires_at: i64,
    /// Seconds without use after which it ends.
    pub idle_ttl_s: i64,
}

/// What a login answers, beside the session.
pub struct LoginMaterial {
    /// The epoch's slots.
    pub slots: Vec<Slot>,
    /// Its newest keyring.
    pub keyring: Keyring,
    /// The device's own record.
    pub device: Option<DeviceRecord>,
}

/// A session that holds.
#[derive(Clone)]
pub struct Session {
    /// Row number.
    pub id: i64,
    /// Its account.
    pub account: AccountId,
    /// The epoch that it was opened in.
    pub epoch: EpochId,
    /// Its device.
    pub device: DeviceId,
    /// The account's current epoch.
    pub current_epoch: EpochId,
    /// Newest keyring version of the session's epoch.
    pub keyring_version: u64,
}
