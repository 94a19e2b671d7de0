//! What a request can end in instead of success, and the one place that maps it to statuses and
//! codes.

use http::StatusCode;
use http::header::{ALLOW, CONTENT_RANGE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use keybackup_protocol::api::code;
use keybackup_protocol::limits;

use crate::auth::opaque::OpaqueError;
use crate::http::answer::{Answer, error_json};
use crate::keyfile::KeyFileError;
use crate::store::StoreError;

/// Why a request is refused or failed. The text is for people and names nothing secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ApiError {
    #[error("{0}")]
    BadRequest(&'static str),
    #[error("the JSON does not parse at line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("name a spoken protocol version in Keybackup-Protocol; here they are: 1")]
    ProtocolUnsupported,
    #[error("only suite 1 is spoken here")]
    SuiteUnsupported,
    #[error("only tus 1.0.0 is spoken here, and Tus-Resumable must say so")]
    TusUnsupported,
    #[error("log in first")]
    Unauthenticated,
    #[error("the login failed")]
    LoginFailed,
    #[error("registration is closed here")]
    RegistrationClosed,
    #[error("the invitation is unknown, used up or expired")]
    InviteRefused,
    #[error("no such route")]
    NotFound,
    #[error("the route has no such method")]
    MethodNotAllowed { allow: &'static str },
    #[error("the bytes of an upload are application/offset+octet-stream")]
    MediaType,
    #[error("the upload is at another offset; HEAD tells which")]
    Offset,
    #[error("another request adds to this upload")]
    Locked,
    #[error("the bytes don't have the announced checksum")]
    Checksum,
    #[error("the address or id has an account")]
    Taken,
    #[error("the ticket was used with other bytes, or expired")]
    TicketRefused,
    #[error("the code is wrong, used, over, or replaced by a newer one")]
    CodeRefused,
    #[error("the proof is of no phrase or root key that may be named here")]
    ProofRefused,
    #[error("the account keeps its address while personas are locked under it")]
    AddressHeld,
    #[error("a change of the address can still be undone, and this could not be")]
    UndoOpen { retry_after_s: u64 },
    #[error("resets without the recovery phrase are barred for now")]
    ResetBarred { retry_after_s: Option<u64> },
    #[error("the epoch or keyring version is no longer current")]
    Stale,
    #[error("the request body did not come in time")]
    BodyTimeout,
    #[error("the client went away")]
    Disconnected,
    #[error("no such persona, version or upload")]
    Gone,
    #[error("version or index moved since the client looked")]
    Conflict,
    #[error("larger than this server takes")]
    TooLarge,
    #[error("no such range")]
    Range { length: u64 },
    #[error("a commit needs If-Match or If-None-Match")]
    PreconditionRequired,
    #[error("too many attempts")]
    TooMany { retry_after_s: u64 },
    #[error("the account's quota is used up")]
    Quota,
    #[error("the server's disk is full")]
    Full,
    #[error("the server is busy")]
    Busy,
    #[error("the server failed")]
    Store(#[source] StoreError),
    #[error("the server failed")]
    KeyFile(#[source] KeyFileError),
    #[error("the server failed")]
    Opaque(#[source] opaque_ke::errors::ProtocolError),
    #[error("the server failed")]
    UnknownSetup { id: u32 },
}

impl ApiError {
    /// The one table of statuses and codes.
    fn table(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest(_) | Self::Json { .. } | Self::Disconnected => {
                (StatusCode::BAD_REQUEST, code::BAD_REQUEST)
            }
            Self::ProtocolUnsupported | Self::SuiteUnsupported => {
                (StatusCode::BAD_REQUEST, code::PROTOCOL_UNSUPPORTED)
            }
            Self::TusUnsupported => (StatusCode::PRECONDITION_FAILED, code::PROTOCOL_UNSUPPORTED),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED),
            Self::LoginFailed => (StatusCode::UNAUTHORIZED, code::LOGIN_FAILED),
            Self::RegistrationClosed | Self::InviteRefused => {
                (StatusCode::FORBIDDEN, code::REGISTRATION_REFUSED)
            }
            Self::NotFound => (StatusCode::NOT_FOUND, code::NOT_FOUND),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, code::METHOD_NOT_ALLOWED)
            }
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, code::BAD_REQUEST),
            Self::Offset => (StatusCode::CONFLICT, code::OFFSET),
            Self::Locked => (StatusCode::LOCKED, code::LOCKED),
            Self::Checksum => (checksum_mismatch(), code::CHECKSUM),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, code::BAD_REQUEST),
            Self::Taken => (StatusCode::CONFLICT, code::TAKEN),
            Self::TicketRefused => (StatusCode::CONFLICT, code::TICKET_REFUSED),
            Self::CodeRefused => (StatusCode::CONFLICT, code::CODE_REFUSED),
            Self::ProofRefused => (StatusCode::CONFLICT, code::PROOF_REFUSED),
            Self::AddressHeld => (StatusCode::CONFLICT, code::ADDRESS_HELD),
            Self::UndoOpen { .. } => (StatusCode::CONFLICT, code::UNDO_OPEN),
            Self::ResetBarred { .. } => (StatusCode::CONFLICT, code::RESET_BARRED),
            Self::Stale => (StatusCode::CONFLICT, code::STALE),
            Self::Gone => (StatusCode::GONE, code::GONE),
            Self::Conflict => (StatusCode::PRECONDITION_FAILED, code::CONFLICT),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, code::RANGE),
            Self::PreconditionRequired => {
                (StatusCode::PRECONDITION_REQUIRED, code::PRECONDITION_REQUIRED)
            }
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, code::TOO_MANY),
            Self::Quota => (StatusCode::INSUFFICIENT_STORAGE, code::QUOTA),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, code::FULL),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE),
            Self::Store(_) | Self::KeyFile(_) | Self::Opaque(_) | Self::UnknownSetup { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL)
            }
        }
    }

    /// The status that answers it.
    pub(crate) fn status(&self) -> StatusCode {
        self.table().0
    }

    /// The answer.
    pub(crate) fn into_answer(self) -> Answer {
        let (status, code) = self.table();
        if status.is_server_error() {
            tracing::error!(error = &self as &dyn std::error::Error, "request failed");
        }
        let mut answer = Answer::json_bytes(status, error_json(code, &self.to_string()));
        self.headers(&mut answer.headers);
        answer
    }

    fn headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::TooMany { retry_after_s }
            | Self::UndoOpen { retry_after_s }
            | Self::ResetBarred { retry_after_s: Some(retry_after_s) } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            Self::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
            }
            Self::Range { length } => {
                let value = HeaderValue::from_str(&format!("bytes */{length}"));
                headers.insert(CONTENT_RANGE, value.expect("digits and ASCII letters"));
            }
            Self::TusUnsupported => {
                headers.insert("tus-version", HeaderValue::from_static("1.0.0"));
            }
            _ => {}
        }
    }
}

/// tus's own status, which RFC 9110 does not know.
fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).expect("three digits")
}

// The message of `ProtocolUnsupported` names the version in words.
const _: () = assert!(limits::PROTOCOL == 1);

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken => Self::Taken,
            StoreError::InviteRefused => Self::InviteRefused,
            StoreError::TooMany { retry_after_s } => Self::TooMany { retry_after_s },
            StoreError::AttemptRefused => Self::TicketRefused,
            StoreError::CodeRefused => Self::CodeRefused,
            StoreError::ProofRefused => Self::ProofRefused,
            StoreError::ResetBarred { retry_after_s } => Self::ResetBarred { retry_after_s },
            StoreError::AddressHeld => Self::AddressHeld,
            StoreError::UndoOpen { retry_after_s } => Self::UndoOpen { retry_after_s },
            StoreError::SessionEnded => Self::Unauthenticated,
            StoreError::Stale => Self::Stale,
            StoreError::Conflict => Self::Conflict,
            StoreError::Offset => Self::Offset,
            StoreError::Gone => Self::Gone,
            StoreError::Invalid(why) => Self::BadRequest(why),
            StoreError::Quota => Self::Quota,
            StoreError::Full => Self::Full,
            failed => Self::Store(failed),
        }
    }
}

impl From<OpaqueError> for ApiError {
    fn from(error: OpaqueError) -> Self {
        match error {
            OpaqueError::Malformed => Self::BadRequest("an OPAQUE message is malformed"),
            OpaqueError::Refused => Self::LoginFailed,
            OpaqueError::Failed(cause) => Self::Opaque(cause),
        }
    }
}

impl From<KeyFileError> for ApiError {
    fn from(error: KeyFileError) -> Self {
        Self::KeyFile(error)
    }
}
