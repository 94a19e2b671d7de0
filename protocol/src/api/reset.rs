//! Another password for who has forgotten theirs: a mailed code, with the recovery phrase or
//! without it.

use serde::{Deserialize, Serialize};

use super::{Keyring, NewEpoch, SessionGrant, Slot};
use crate::encoding::B64;
use crate::ids::{AccountId, DeviceId, EpochId};

/// `POST /password/reset/start`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetStart {
    /// The account's address.
    pub email: String,
    /// The mailed code, as it was typed.
    pub code: String,
    /// The suite of the record to come.
    pub suite: u8,
    /// OPAQUE registration request of the new password, 32 bytes.
    pub registration_request: B64,
    /// Proof that the phrase of one of the account's epochs is held, 32 bytes. Without it the reset
    /// makes a new epoch, and what is there is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase_proof: Option<B64>,
}

/// Answer of `POST /password/reset/start`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetStarted {
    /// OPAQUE registration response, 64 bytes.
    pub registration_response: B64,
    /// Opaque to the client; good for 30 minutes.
    pub ticket: String,
    /// The account.
    pub account_id: AccountId,
    /// Its personas that are not locked, and would be by a reset without phrase.
    pub would_lock: u64,
    /// The epoch whose phrase was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<ProvenEpoch>,
}

/// What opens an epoch to who holds its phrase.
#[derive(Clone, Serialize, Deserialize)]
pub struct ProvenEpoch {
    /// The epoch.
    pub epoch: EpochId,
    /// Whether it is the account's current one. Else the reset makes it so.
    pub current: bool,
    /// Generation of its password slot; the next one is due.
    pub password_generation: u64,
    /// Its root key under the phrase.
    pub recovery_slot: Slot,
    /// Its newest keyring.
    pub keyring: Keyring,
}

/// `POST /password/reset`: either record and slot (with a proven phrase) or a new epoch.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetFinish {
    /// From the start's answer.
    pub ticket: String,
    /// The device that resets, and is logged in by it.
    pub device_id: DeviceId,
    /// OPAQUE record (`RegistrationUpload`), 192 bytes, of the proven epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<B64>,
    /// Its password slot, of the next generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// A new epoch, where no phrase was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_epoch: Option<NewEpoch>,
}

/// Answer of `POST /password/reset`, and of a repeated one.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetDone {
    /// A session for the device that asked.
    pub session: SessionGrant,
    /// Its epoch, now the account's current one.
    pub epoch: EpochId,
}
