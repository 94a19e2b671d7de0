//! Accounts: registration, another password, what the server knows.

use serde::{Deserialize, Serialize};

use super::{DeviceRecord, FreshLogin, Index, Keyring, SessionGrant, Slot};
use crate::encoding::B64;
use crate::ids::{AccountId, EpochId};

/// `POST /accounts/start`.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegistrationStart {
    /// The address to register, in any spelling that normalises.
    pub email: String,
    /// The suite of the record to come.
    pub suite: u8,
    /// OPAQUE registration request, 32 bytes.
    pub registration_request: B64,
    /// Invitation code, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
    /// Mailed confirmation code, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}

/// Answer of `POST /accounts/start`.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegistrationStarted {
    /// OPAQUE registration response, 64 bytes.
    pub registration_response: B64,
    /// Opaque to the client; good for 30 minutes.
    pub ticket: String,
}

/// `POST /accounts`: all of a new account, in one transaction.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegistrationFinish {
    /// From the start's answer.
    pub ticket: String,
    /// Made by the client.
    pub account_id: AccountId,
    /// Its first epoch, made by the client.
    pub epoch: NewEpoch,
    /// The device that registers.
    pub device: DeviceRecord,
}

/// One epoch, whole: what a registration or a mail-only reset brings.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewEpoch {
    /// Made by the client.
    pub id: EpochId,
    /// OPAQUE record (`RegistrationUpload`), 192 bytes.
    pub record: B64,
    /// The root key sealed under the password, and under the phrase.
    pub slots: Vec<Slot>,
    /// SHA-256 of the phrase proof, 32 bytes.
    pub phrase_verifier: B64,
    /// SHA-256 of the root proof, 32 bytes.
    pub root_verifier: B64,
    /// Keyring version 1.
    pub keyring: Keyring,
    /// Index counter 1.
    pub index: Index,
}

/// Answer of `POST /accounts`, and of a repeated one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registered {
    /// A session for the device that registered.
    pub session: SessionGrant,
}

/// `PUT /password`: record and slot of a new password.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasswordChange {
    /// Proof of the old one.
    pub login: FreshLogin,
    /// OPAQUE record (`RegistrationUpload`), 192 bytes.
    pub record: B64,
    /// The password slot, of the next generation.
    pub slot: Slot,
}

/// `GET /account`: what the server knows of the account, in the session's epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountAnswer {
    /// The account.
    pub account_id: AccountId,
    /// The session's epoch.
    pub epoch: EpochId,
    /// When the account was made, unix seconds.
    pub created_at: i64,
    /// Its password.
    pub password: PasswordFacts,
    /// The account's current epoch; another one where the password was reset without the phrase, or
    /// that was undone.
    pub current_epoch: EpochId,
    /// Generation of the epoch's recovery slot; counts up with each new phrase.
    pub recovery_generation: u64,
    /// Bytes that count to its quota.
    pub held_bytes: u64,
    /// Its quota, bytes.
    pub quota_bytes: u64,
    /// Its personas, removed ones included.
    pub personas: u64,
}

/// `DELETE /account`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountDeletion {
    /// Proof of the password.
    pub login: FreshLogin,
}

/// Answer of `DELETE /account`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDeleted {
    /// When what it held is purged, unix seconds.
    pub held_until: i64,
    /// Personas that stay, locked in other epochs; while there are any, so does the address.
    pub locked_personas: u64,
}

/// What is known of a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PasswordFacts {
    /// Counts from 1 with each change.
    pub generation: u64,
    /// When it was set, unix seconds.
    pub changed_at: i64,
}
