//! Resets of the password, and the epochs that they leave, go back to, or take in.

use keybackup_protocol::api::{CommitIndex, Keyring, MovedLabel, NewEpoch, ProvenEpoch, Slot};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId};

use super::{AddressTag, CodeTag, NetworkTag, NewSession, ProvenLogin, QueuedMail};

/// What the server keeps of a proof of phrase or root key: its SHA-256.
#[derive(Clone, Copy)]
pub enum EpochVerifier {
    /// Of the phrase's proof.
    Phrase([u8; 32]),
    /// Of the root key's.
    Root([u8; 32]),
}

/// Which epoch a login is into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochChoice {
    /// The account's current one.
    Current,
    /// This one; an unknown or closed one is as an unknown address.
    Named(EpochId),
    /// The one that the current one has displaced.
    Previous,
}

/// A reset about to be made: a code was typed.
pub struct NewReset {
    /// Random; the ticket names it.
    pub id: [u8; 16],
    /// Whose password.
    pub address: AddressTag,
    /// The code.
    pub code: CodeTag,
    /// What a proof of the phrase, if one was shown, must match.
    pub phrase: Option<[u8; 32]>,
    /// Where it came from.
    pub network: NetworkTag,
    /// Now.
    pub now: i64,
    /// When it can no longer be finished.
    pub expires_at: i64,
}

/// A reset whose code is right.
pub struct OpenedReset {
    /// The account.
    pub account: AccountId,
    /// Personas that are not locked now, and would be by a reset without phrase.
    pub would_lock: u64,
    /// The epoch whose phrase was proven, if one was.
    pub proven: Option<ProvenEpoch>,
}

/// A reset, made.
pub struct Reset {
    /// The attempt, consumed by this call.
    pub attempt: [u8; 16],
    /// SHA-256 of the request's bytes: the same again is the same reset.
    pub digest: [u8; 32],
    /// Whose password.
    pub address: AddressTag,
    /// The code, consumed with the attempt.
    pub code: CodeTag,
    /// The account.
    pub account: AccountId,
    /// AKE key pair that the new record was made with.
    pub setup_id: u32,
    /// With the phrase or without it.
    pub with: ResetWith,
    /// The session to open.
    pub session: NewSession,
    /// What the owner is told.
    pub mail: QueuedMail,
    /// Now.
    pub now: i64,
}

/// What a reset brings.
pub enum ResetWith {
    /// Record and slot of a new password, for an epoch whose phrase was proven.
    Phrase {
        /// The epoch. It becomes the current one if it is not.
        epoch: EpochId,
        /// What the phrase's proof has matched, and must match still.
        verifier: [u8; 32],
        /// Generation of the password that is replaced.
        generation: u64,
        /// OPAQUE record, 192 bytes.
        record: B64,
        /// The password slot, of the next generation.
        slot: Slot,
    },
    /// A new epoch. Nothing of the others changes, but that they are locked.
    MailAlone(NewEpoch),
}

/// Going back to an epoch that a reset without phrase has displaced.
pub struct Undo {
    /// Who asks.
    pub with: UndoWith,
    /// What the owner is told.
    pub mail: QueuedMail,
    /// Now.
    pub now: i64,
}

/// The authenticator of an epoch that is not the current one.
pub enum UndoWith {
    /// The phrase, by who need not have a session.
    Phrase {
        /// The account's address.
        address: AddressTag,
        /// Where the request came from: it counts as a start.
        network: NetworkTag,
        /// What the proof must match.
        verifier: [u8; 32],
    },
    /// The password, by a login that OPAQUE has accepted, and the root key.
    Password {
        /// Into the epoch to go back to.
        login: ProvenLogin,
        /// What the root key's proof must match.
        root: [u8; 32],
    },
}

/// Another recovery phrase, by who has proven the password.
pub struct RecoveryRotation {
    /// Proof of the password, of the session's account and epoch.
    pub login: ProvenLogin,
    /// The session that asks.
    pub session: i64,
    /// The recovery slot, of the next generation.
    pub slot: Slot,
    /// SHA-256 of the new phrase's proof.
    pub phrase_verifier: B64,
    /// What the owner is told.
    pub mail: QueuedMail,
    /// Now.
    pub now: i64,
}

/// An epoch whose personas become the current one's.
pub struct Unlocking {
    /// The session that asks; it must hold until it is done.
    pub session: i64,
    /// Its account.
    pub account: AccountId,
    /// Its device.
    pub device: DeviceId,
    /// The current epoch, the session's own.
    pub epoch: EpochId,
    /// The locked one.
    pub locked: EpochId,
    /// Proof of it.
    pub proof: EpochVerifier,
    /// The current epoch's next keyring.
    pub keyring: Keyring,
    /// The current epoch's next index.
    pub index: CommitIndex,
    /// Counter of the locked epoch's index that it was made from.
    pub locked_counter: u64,
    /// New labels of personas whose names are taken.
    pub labels: Vec<MovedLabel>,
    /// Now.
    pub now: i64,
}
