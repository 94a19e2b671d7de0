//! Paths and headers of the API, spelled once.

/// `GET`: what the server speaks and allows; no login.
pub const STATUS: &str = "/status";
/// `GET`: whether the server can serve; no login.
pub const HEALTHZ: &str = "/healthz";
/// `POST`: registration, first message.
pub const ACCOUNTS_START: &str = "/accounts/start";
/// `POST`: a code that confirms an address is asked for.
pub const ACCOUNTS_CONFIRM: &str = "/accounts/confirm";
/// `POST`: registration, last message.
pub const ACCOUNTS: &str = "/accounts";
/// `POST`: login, first message.
pub const LOGIN_START: &str = "/login/start";
/// `POST`: login, last message.
pub const LOGIN_FINISH: &str = "/login/finish";
/// `DELETE`: ends the session that asks.
pub const SESSION: &str = "/session";
/// `GET`: the account's sessions; `DELETE`: ends all but the one that asks. `/sessions/<id>` takes
/// `DELETE`.
pub const SESSIONS: &str = "/sessions";
/// `GET`: what the server knows of the account.
pub const ACCOUNT: &str = "/account";
/// `PUT`: another address, last message; `/account/email/start` takes the first one.
pub const ACCOUNT_EMAIL: &str = "/account/email";
/// `POST`: another address, first message.
pub const ACCOUNT_EMAIL_START: &str = "/account/email/start";
/// `POST`: back to the address that the account had.
pub const ACCOUNT_EMAIL_UNDO: &str = "/account/email/undo";
/// `PUT`: another password.
pub const PASSWORD: &str = "/password";
/// `PUT`: a code for a reset is asked for. `POST`: the reset, last message; `/password/reset/start` the first.
pub const PASSWORD_RESET: &str = "/password/reset";
/// `POST`: a reset of the password, first message.
pub const PASSWORD_RESET_START: &str = "/password/reset/start";
/// `GET`: the account's epochs. `/epochs/<id>/personas` takes `GET`, `/epochs/<id>/open` and
/// `/epochs/<id>/unlock` take `POST`.
pub const EPOCHS: &str = "/epochs";
/// `POST`: back to an epoch that a reset has displaced.
pub const EPOCHS_UNDO: &str = "/epochs/undo";
/// `PUT`: another recovery phrase.
pub const RECOVERY: &str = "/recovery";
/// `GET`: the keyring of the session's epoch.
pub const KEYRING: &str = "/keyring";
/// `GET`: the listing. `/personas/<id>` takes `POST`, `GET`, `DELETE`, and
/// `/personas/<id>/labels` takes `GET`.
pub const PERSONAS: &str = "/personas";
/// `POST`, and `HEAD`, `PATCH`, `DELETE` with an id: bytes that a later commit names (tus 1.0.0).
pub const UPLOADS: &str = "/uploads";
/// `GET`: the device records. `/devices/<id>` takes `PUT`.
pub const DEVICES: &str = "/devices";

/// Request header: the protocol version the client speaks, a decimal number.
pub const H_PROTOCOL: &str = "keybackup-protocol";
/// Request header: B64 of BLAKE3 of the request's JSON, in a commit of its head and the persona id
/// in the path (as text) behind it. What is sealed means nothing to a server, so only this tells it
/// of a bit that changed on the way.
pub const H_JSON_HASH: &str = "keybackup-json-hash";
/// Answer header of every authenticated answer: the account's current epoch.
pub const H_EPOCH: &str = "keybackup-epoch";
/// Answer header of every authenticated answer: the keyring version of that epoch.
pub const H_KEYRING: &str = "keybackup-keyring";
/// Answer header of a blob: the content version it belongs to.
pub const H_VERSION: &str = "keybackup-version";

/// Prefix of every bearer token, so that scanners for leaked secrets find them.
pub const TOKEN_PREFIX: &str = "kb_";
/// Prefix of every device cookie.
pub const DEVICE_COOKIE_PREFIX: &str = "kbd_";
