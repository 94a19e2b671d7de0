//! Requests and answers, as JSON. Field by field in `API.md`; unknown fields are ignored, so
//! that a newer peer may add some.
//!
//! Types that hold a secret (a token, a cookie, a ticket) have no `Debug`.

use serde::{Deserialize, Serialize};

use crate::encoding::B64;
use crate::ids::{AccountId, DeviceId, EpochId, PersonaId, SessionId, UploadId};

/// `GET /status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Always `keybackup`, so that a client notices when it talks to something else.
    pub service: String,
    /// Version of the server program.
    pub version: String,
    /// Protocol versions that it speaks.
    pub protocols: Vec<u32>,
    /// Suites that its records may have.
    pub suites: Vec<u8>,
    /// Who may register.
    pub registration: Registration,
    /// What it allows.
    pub limits: StatusLimits,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Whoever has an invitation code of the operator.
    Invite,
    /// Everybody.
    Open,
}

/// Limits of a server, in bytes and counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusLimits {
    /// Largest blob in a commit.
    pub inline_blob_bytes: u64,
    /// Largest blob at all.
    pub blob_bytes: u64,
    /// Bytes that one account may hold.
    pub quota_bytes: u64,
    /// Personas that one account may hold.
    pub personas: u64,
}

/// Every answer of status 400 and above.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// What went wrong.
    pub error: ErrorBody,
}

/// The inside of [`ErrorAnswer`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A slug for programs; see [`code`].
    pub code: String,
    /// A sentence for people, in lower case.
    pub message: String,
}

/// Slugs of [`ErrorBody::code`].
pub mod code {
    /// 400: the request does not parse or misses something.
    pub const BAD_REQUEST: &str = "bad_request";
    /// 400: the protocol or suite is not spoken here.
    pub const PROTOCOL_UNSUPPORTED: &str = "protocol_unsupported";
    /// 401: no session, or one that is over.
    pub const UNAUTHENTICATED: &str = "unauthenticated";
    /// 401: wrong password, unknown account, or a ticket that no longer holds: one answer.
    pub const LOGIN_FAILED: &str = "login_failed";
    /// 403: the session may not do this.
    pub const FORBIDDEN: &str = "forbidden";
    /// 403: registration is closed, or the invitation is unknown, used up or expired.
    pub const REGISTRATION_REFUSED: &str = "registration_refused";
    /// 404: no such route.
    pub const NOT_FOUND: &str = "not_found";
    /// 405: the route has no such method.
    pub const METHOD_NOT_ALLOWED: &str = "method_not_allowed";
    /// 409: the address has an account.
    pub const TAKEN: &str = "taken";
    /// 409: the ticket was used with other bytes, or expired.
    pub const TICKET_REFUSED: &str = "ticket_refused";
    /// 409: the request names an epoch or keyring version that is no longer current.
    pub const STALE: &str = "stale";
    /// 410: the persona or version is absent, as the old service said it.
    pub const GONE: &str = "gone";
    /// 412: version or index moved since the client looked.
    pub const CONFLICT: &str = "conflict";
    /// 413: larger than the server takes.
    pub const TOO_LARGE: &str = "too_large";
    /// 416: no such range.
    pub const RANGE: &str = "range_not_satisfiable";
    /// 428: `If-Match` or `If-None-Match` is missing.
    pub const PRECONDITION_REQUIRED: &str = "precondition_required";
    /// 429: too many attempts; `Retry-After` tells when.
    pub const TOO_MANY: &str = "too_many";
    /// 507: the account's quota is used up.
    pub const QUOTA: &str = "quota";
    /// 507: the server's disk is full.
    pub const FULL: &str = "full";
    /// 500: the server failed; its log says why.
    pub const INTERNAL: &str = "internal";
    /// 503: the server is at its limit of connections, or stops.
    pub const UNAVAILABLE: &str = "unavailable";
}

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

/// A sealed root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// What opens it.
    pub kind: SlotKind,
    /// Counts up with each replacement; the object version it is sealed for.
    pub generation: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotKind {
    /// The password's OPAQUE export key.
    Password,
    /// The recovery phrase.
    Recovery,
}

/// A sealed keyring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    /// Counts from 1 within the epoch.
    pub version: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// A sealed index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Counts from 1 within the epoch.
    pub counter: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// A device's sealed record; `PUT /devices/<id>` takes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Made by the client.
    pub id: DeviceId,
    /// Counts from 1; a put must raise it.
    pub revision: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// `GET /devices`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Devices {
    /// The account's device records.
    pub devices: Vec<DeviceRecord>,
}

/// Answer of `POST /accounts`, and of a repeated one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registered {
    /// A session for the device that registered.
    pub session: SessionGrant,
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
    /// Bytes that count to its quota.
    pub held_bytes: u64,
    /// Its quota, bytes.
    pub quota_bytes: u64,
    /// Its personas, removed ones included.
    pub personas: u64,
}

/// What is known of a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PasswordFacts {
    /// Counts from 1 with each change.
    pub generation: u64,
    /// When it was set, unix seconds.
    pub changed_at: i64,
}

/// `GET /sessions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sessions {
    /// Those that hold, newest first.
    pub sessions: Vec<ListedSession>,
}

/// One session of [`Sessions`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSession {
    /// Names it for revoking; opens nothing.
    pub id: SessionId,
    /// Its device.
    pub device_id: DeviceId,
    /// The epoch that it was opened in.
    pub epoch: EpochId,
    /// When it was opened, unix seconds.
    pub created_at: i64,
    /// When it was last used, to the minute.
    pub last_used_at: i64,
    /// When it ends even if used.
    pub expires_at: i64,
    /// Seconds without use after which it ends.
    pub idle_ttl_s: i64,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Answer of `DELETE /sessions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// How many sessions ended.
    pub ended: u64,
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

/// `GET /keyring`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyringAnswer {
    /// The epoch it belongs to.
    pub epoch: EpochId,
    /// The newest keyring of that epoch.
    pub keyring: Keyring,
}

/// `GET /personas`: one snapshot of the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    /// The account.
    pub account_id: AccountId,
    /// Its current epoch.
    pub epoch: EpochId,
    /// The newest keyring version of that epoch.
    pub keyring_version: u64,
    /// The epoch's index.
    pub index: Index,
    /// Every persona of the epoch, removed ones included.
    pub personas: Vec<ListedPersona>,
}

/// One persona of a [`Listing`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedPersona {
    /// Its id.
    pub id: PersonaId,
    /// Version of its newest label.
    pub version: u64,
    /// The newest sealed label.
    pub label: B64,
    /// Server's clock, unix seconds, when that label came.
    pub stored_at: i64,
    /// True when a bare `DELETE` moved it to the trash: the server's word, no seal.
    #[serde(default)]
    pub trashed: bool,
}

/// `GET /personas/<id>/labels?from=N`: labels from version N on, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Labels {
    /// At most [`crate::limits::MAX_LABELS_PER_ANSWER`] of them, and fewer when they are large.
    pub labels: Vec<ListedLabel>,
    /// Whether there are more: then ask again from the last version + 1.
    #[serde(default)]
    pub more: bool,
}

/// One label of [`Labels`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedLabel {
    /// Its version.
    pub version: u64,
    /// The sealed label.
    pub label: B64,
    /// Server's clock, unix seconds, when it came.
    pub stored_at: i64,
    /// Whether the server holds the bytes that came with this version.
    pub bytes_held: bool,
}

/// The JSON head of `POST /personas/<id>`; the body is `lp(head) ‖ blob`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitHead {
    /// Epoch that the label and index are sealed in.
    pub epoch: EpochId,
    /// Keyring version that they are sealed under.
    pub keyring_version: u64,
    /// Version that this commit makes; above the base named by `If-Match`, 1 or more.
    pub version: u64,
    /// The sealed label of that version.
    pub label: B64,
    /// The blob that comes with this version, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<CommitBlob>,
    /// Version whose bytes this label names: its own if a blob comes with it, an older one's for
    /// a rename, none for a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version: Option<u64>,
    /// True for a tombstone.
    #[serde(default)]
    pub removed: bool,
    /// The new index, with every commit of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<CommitIndex>,
}

/// The bytes of a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitBlob {
    /// Length of header and payload.
    pub bytes: u64,
    /// BLAKE3 of header and payload, 32 bytes.
    pub blake3: B64,
    /// Where they are: an upload, or the rest of this body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
}

/// The index of a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitIndex {
    /// Counter of the index that it replaces.
    pub base: u64,
    /// Its own counter, above the base.
    pub counter: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// Answer of `POST /personas/<id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Committed {
    /// The version made.
    pub version: u64,
    /// Server's clock, unix seconds.
    pub stored_at: i64,
}

/// Answer of `DELETE /personas/<id>` and `DELETE /session`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Done {
    /// Whether there was something to do.
    pub changed: bool,
}

/// Answer of `POST /uploads`, beside the tus headers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Uploaded {
    /// Names the bytes in a commit.
    pub upload: UploadId,
    /// Unix seconds after which they are dropped unless committed.
    pub expires_at: i64,
}
