//! The epochs of an account: looked at, gone back to, unlocked; and another recovery phrase.

use serde::{Deserialize, Serialize};

use super::{CommitIndex, FreshLogin, Keyring, Slot};
use crate::encoding::B64;
use crate::ids::{EpochId, PersonaId};

/// `GET /epochs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Epochs {
    /// In the order in which they came.
    pub epochs: Vec<ListedEpoch>,
}

/// One epoch of [`Epochs`], by the server's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedEpoch {
    /// Its id.
    pub id: EpochId,
    /// What it came of.
    pub origin: EpochOrigin,
    /// When it came, unix seconds.
    pub created_at: i64,
    /// Whether it is the account's current one.
    pub current: bool,
    /// Whether it is over: unlocked, or deleted. Nothing is locked in it.
    pub closed: bool,
    /// Its personas, removed ones included.
    pub personas: u64,
    /// Bytes that it holds.
    pub held_bytes: u64,
    /// Generation of its recovery slot.
    pub recovery_generation: u64,
}

/// What an epoch came of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EpochOrigin {
    /// The account was registered.
    Registration,
    /// Its password was reset by mail, without the phrase.
    Mail,
}

/// Proof that an epoch's phrase or root key is held: one of the two.
#[derive(Clone, Serialize, Deserialize)]
pub struct EpochProof {
    /// derive(phrase, "phrase proof"), 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase: Option<B64>,
    /// derive(root key, "root proof"), 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<B64>,
}

/// `POST /epochs/<id>/open`.
#[derive(Clone, Serialize, Deserialize)]
pub struct EpochOpen {
    /// Of that epoch.
    pub proof: EpochProof,
}

/// Answer of `POST /epochs/<id>/open`.
#[derive(Clone, Serialize, Deserialize)]
pub struct OpenedEpoch {
    /// Its root key under its phrase.
    pub recovery_slot: Slot,
    /// Its newest keyring.
    pub keyring: Keyring,
}

/// `POST /epochs/<id>/unlock`: its personas become the current epoch's, in one transaction.
#[derive(Clone, Serialize, Deserialize)]
pub struct Unlock {
    /// Of the locked epoch.
    pub proof: EpochProof,
    /// The current epoch's next keyring, with the keys of both.
    pub keyring: Keyring,
    /// The current epoch's next index, with the objects of both.
    pub index: CommitIndex,
    /// Counter of the locked epoch's index that it was made from.
    pub locked_counter: u64,
    /// New labels of personas whose names are taken.
    #[serde(default)]
    pub labels: Vec<MovedLabel>,
}

/// A label that comes with an unlocking: the same content under another name.
#[derive(Clone, Serialize, Deserialize)]
pub struct MovedLabel {
    /// Whose.
    pub persona: PersonaId,
    /// The version that must be its newest.
    pub base: u64,
    /// The label's own version, above the base.
    pub version: u64,
    /// The sealed label.
    pub label: B64,
    /// Version whose bytes it names.
    pub content_version: u64,
}

/// `POST /epochs/undo`: back to an epoch that a reset by mail has displaced.
#[derive(Clone, Serialize, Deserialize)]
pub struct Undo {
    /// The account's address.
    pub email: String,
    /// The proof of its phrase; or else both of the following.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase_proof: Option<B64>,
    /// A login into it, of purpose `undo_reset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<FreshLogin>,
    /// The proof of its root key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_proof: Option<B64>,
}

/// Answer of `POST /epochs/undo`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Undone {
    /// The epoch that is current now.
    pub epoch: EpochId,
    /// Whether another one was before.
    pub changed: bool,
}

/// `PUT /recovery`: another recovery phrase for the root key.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecoveryRotation {
    /// A login of purpose `rotate_recovery`.
    pub login: FreshLogin,
    /// The recovery slot, of the next generation.
    pub slot: Slot,
    /// SHA-256 of the new phrase's proof, 32 bytes.
    pub phrase_verifier: B64,
}
