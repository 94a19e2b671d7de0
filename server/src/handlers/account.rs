//! `GET /account`: what the server knows of the account. `DELETE /account`: its end.

use http::StatusCode;
use keybackup_protocol::api::{AccountDeleted, AccountDeletion, LoginPurpose};

use crate::auth::fresh;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::{RequestBody, parse_json};
use crate::http::peer::Owner;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{self, Session, StoreError};

/// Largest body of a deletion, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// Sends it, of the session's epoch.
pub(crate) async fn show(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let facts = call.server.store.account(session.account, session.epoch).await?;
    Ok(Answer::json(StatusCode::OK, &facts))
}

/// Closes the account's current epoch, and ends all sessions. The session that asked is over when
/// the same is asked again: then the login in the request tells who it is.
pub(crate) async fn delete(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let session = match call.current_session().await {
        Ok(session) => Some(session),
        Err(ApiError::Unauthenticated) => None,
        Err(other) => return Err(other),
    };
    let deleted = match delete_as(call, session, body).await {
        Err(error) if session.is_none() && error.status().is_client_error() => {
            Err(ApiError::Unauthenticated)
        }
        other => other,
    }?;
    call.server.mail_waits();
    let store::Deleted { held_until, locked_personas } = deleted;
    Ok(Answer::json(StatusCode::OK, &AccountDeleted { held_until, locked_personas }))
}

async fn delete_as(
    call: &Call<'_>,
    session: Option<&Session>,
    body: &mut RequestBody,
) -> Result<store::Deleted, ApiError> {
    if let Some(session) = session {
        body.owned_by(Owner::Account(session.account));
    }
    let bytes = body.whole(MAX_BYTES).await?;
    body.check_json(&bytes, "")?;
    let AccountDeletion { login } = parse_json(&bytes)?;
    let purpose = LoginPurpose::DeleteAccount;
    let proven = match session {
        Some(session) => fresh::prove(call, session, purpose, &login, &bytes),
        None => fresh::prove_alone(call, purpose, &login, &bytes),
    }?;
    let deletion = store::AccountDeletion {
        login: proven.login,
        session: session.map(|session| session.id),
        mail: Letter::AccountDeleted.seal(&call.server.key)?,
        now: call.now,
    };
    call.server.store.delete_account(deletion).await.map_err(|error| match error {
        StoreError::AttemptRefused | StoreError::Gone => ApiError::LoginFailed,
        other => other.into(),
    })
}
