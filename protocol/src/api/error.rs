//! What every answer of 400 and above says.

use serde::{Deserialize, Serialize};

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
    /// 409: a mailed code that is wrong, used, over, or replaced by a newer one.
    pub const CODE_REFUSED: &str = "code_refused";
    /// 409: neither the phrase nor the root key of any epoch that may be named here.
    pub const PROOF_REFUSED: &str = "proof_refused";
    /// 409: resets without the phrase are barred for now.
    pub const RESET_BARRED: &str = "reset_barred";
    /// 409: the account keeps its address while personas are locked under it.
    pub const ADDRESS_HELD: &str = "address_held";
    /// 409: what a change of the address can still be undone to must stay; `Retry-After` tells how long.
    pub const UNDO_OPEN: &str = "undo_open";
    /// 409: the request names an epoch or keyring version that is no longer current.
    pub const STALE: &str = "stale";
    /// 409: the upload is at another offset than the request goes on from.
    pub const OFFSET: &str = "offset";
    /// 423: another request adds to the upload.
    pub const LOCKED: &str = "locked";
    /// 460: the bytes don't have the announced checksum.
    pub const CHECKSUM: &str = "checksum";
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
