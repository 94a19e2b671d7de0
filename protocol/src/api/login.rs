//! Logins: OPAQUE's messages, and what comes of them.

use serde::{Deserialize, Serialize};

use super::{DeviceRecord, Keyring, Slot};
use crate::encoding::B64;
use crate::ids::{AccountId, DeviceId, EpochId};

/// `POST /login/start`.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginStart {
    /// The account's address.
    pub email: String,
    /// KE1, 96 bytes.
    pub ke1: B64,
    /// What the finish is for.
    pub purpose: LoginPurpose,
    /// Another epoch than the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochId>,
    /// The epoch that the current one has displaced, for who doesn't know its id.
    #[serde(default, skip_serializing_if = "is_false")]
    pub previous: bool,
    /// From an earlier session of this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_cookie: Option<String>,
    /// OPAQUE registration request of the new password, 32 bytes; with
    /// [`LoginPurpose::ChangePassword`] and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_request: Option<B64>,
}

/// What a login is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginPurpose {
    /// A session.
    Session,
    /// `PUT /password`.
    ChangePassword,
    /// `PUT /recovery`.
    RotateRecovery,
    /// `POST /epochs/undo`.
    UndoReset,
    /// `DELETE /account`.
    DeleteAccount,
    /// `PUT /account/email`.
    ChangeAddress,
    /// `POST /personas/<id>/purge`.
    Purge,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Answer of `POST /login/start`; alike for known and unknown addresses.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginStarted {
    /// KE2, 320 bytes.
    pub ke2: B64,
    /// Opaque to the client; good for two minutes, once.
    pub ticket: String,
    /// OPAQUE registration response, 64 bytes, where a request was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_response: Option<B64>,
}

/// A login made for one request that a session alone may not ask for.
#[derive(Clone, Serialize, Deserialize)]
pub struct FreshLogin {
    /// From the answer of `POST /login/start`, of the request's own purpose.
    pub ticket: String,
    /// KE3, 64 bytes.
    pub ke3: B64,
}

/// `POST /login/finish`.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginFinish {
    /// From the start's answer.
    pub ticket: String,
    /// KE3, 64 bytes.
    pub ke3: B64,
    /// The device that logs in, made by the client once per profile.
    pub device_id: DeviceId,
}

/// Answer of `POST /login/finish`.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The session.
    pub session: SessionGrant,
    /// The account.
    pub account_id: AccountId,
    /// The epoch logged in to.
    pub epoch: EpochId,
    /// Its slots.
    pub slots: Vec<Slot>,
    /// Its newest keyring.
    pub keyring: Keyring,
    /// The device's own record, if the account has one for this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceRecord>,
}

/// A session, as it is handed out once.
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionGrant {
    /// Bearer token, `kb_` and 43 characters of base64url.
    pub token: String,
    /// Unix seconds after which it ends even if used.
    pub expires_at: i64,
    /// Seconds without use after which it ends.
    pub idle_ttl_s: i64,
    /// Known-device cookie, `kbd_` and 22 characters; survives logout.
    pub device_cookie: String,
}
