//! `PUT /recovery`: another recovery phrase, by who has a session and proves the password.

use http::StatusCode;
use keybackup_protocol::api::{Done, LoginPurpose, RecoveryRotation};
use keybackup_protocol::limits::MAX_SLOT_BYTES;

use crate::auth::fresh;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{self, StoreError};

/// Largest body: ticket and slot in base64, and what is around them.
const MAX_BYTES: usize = MAX_SLOT_BYTES / 3 * 4 + 4096;

/// Replaces slot and verifier in one transaction.
pub(crate) async fn rotate(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let (session, bytes, request) =
        fresh::request::<RecoveryRotation>(call, body, MAX_BYTES).await?;
    let purpose = LoginPurpose::RotateRecovery;
    let proven = fresh::prove(call, session, purpose, &request.login, &bytes)?;
    let rotation = store::RecoveryRotation {
        login: proven.login,
        session: session.id,
        slot: request.slot,
        phrase_verifier: request.phrase_verifier,
        mail: Letter::RecoveryRotated.seal(&call.server.key)?,
        now: call.now,
    };
    call.server.store.rotate_recovery(rotation).await.map_err(|error| match error {
        StoreError::AttemptRefused => ApiError::LoginFailed,
        other => other.into(),
    })?;
    call.server.mail_waits();
    Ok(Answer::json(StatusCode::OK, &Done { changed: true }))
}
