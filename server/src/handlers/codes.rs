//! `PUT /password/reset`, `GET /password/reset/<email>` and `POST /accounts/confirm`: codes by mail.
//! All addresses are answered alike, and so is who asks too often.

use http::StatusCode;
use keybackup_protocol::api::{CodeRequest, CodeSent};
use keybackup_protocol::{AccountId, Address};

use super::random_id;
use crate::auth::code;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::http::percent;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{CODE_TTL_S, CodePurpose, NewCode};

/// Largest body, in bytes.
const MAX_REQUEST_BYTES: usize = 4 * 1024;
/// What an address is sealed for that need not have an account.
const NOBODY: AccountId = AccountId::from_bytes([0; 16]);

/// `PUT /password/reset`.
pub(crate) async fn reset(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let request: CodeRequest = body.json(MAX_REQUEST_BYTES).await?;
    send(call, &super::address(&request.email)?, CodePurpose::Reset).await
}

/// `GET /password/reset/<email>`, as the old service had it.
pub(crate) async fn reset_by_path(call: &Call<'_>) -> Result<Answer, ApiError> {
    let (_, segment) = call.parts.uri.path().rsplit_once('/').ok_or(ApiError::NotFound)?;
    let email = percent::decode(segment).unwrap_or_default();
    send(call, &super::address(&email)?, CodePurpose::Reset).await
}

/// `POST /accounts/confirm`.
pub(crate) async fn confirm(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let request: CodeRequest = body.json(MAX_REQUEST_BYTES).await?;
    send(call, &super::address(&request.email)?, CodePurpose::Confirm).await
}

async fn send(
    call: &Call<'_>,
    address: &Address,
    purpose: CodePurpose,
) -> Result<Answer, ApiError> {
    let (server, key) = (call.server, &*call.server.key);
    if server.settings.mail.is_none() {
        tracing::warn!(purpose = purpose.name(), "a code was asked for, and no mail is configured");
        return Ok(Answer::json(StatusCode::OK, &CodeSent { sent: true }));
    }
    let (tag, code) = (key.address_tag(address), code::generate(purpose));
    let code_tag = code::tag(key, purpose, tag, &code);
    // Both letters are written whoever asks, so that it takes as long.
    let (mail, otherwise) = match purpose {
        CodePurpose::Confirm => {
            (Letter::ConfirmCode { code }, Some(Letter::AlreadyRegistered.seal(key)?))
        }
        CodePurpose::Reset | CodePurpose::UndoAddress => (Letter::ResetCode { code }, None),
    };
    let request = NewCode {
        id: random_id(),
        address: tag,
        sealed_address: key.seal_address(NOBODY, address)?,
        purpose,
        tag: code_tag,
        mail: mail.seal(key)?,
        otherwise,
        network: key.code_network_tag(&call.peer.to_bytes()),
        now: call.now,
        expires_at: call.now + CODE_TTL_S,
    };
    server.store.request_code(request).await?;
    server.mail_waits();
    Ok(Answer::json(StatusCode::OK, &CodeSent { sent: true }))
}
