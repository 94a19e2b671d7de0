//! `PUT /recovery`: another recovery phrase, by who has a session and proves the password.

use http::StatusCode;
use keybackup_protocol::api::{Done, LoginPurpose, RecoveryRotation};
use keybackup_protocol::limits::MAX_SLOT_BYTES;
use sha2::{Digest as _, Sha256};

use crate::auth::fresh;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::{RequestBody, parse_json};
use crate::http::peer::Owner;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{self, StoreError};

/// Largest body: ticket and slot in base64, and what is around them.
const MAX_BYTES: usize = MAX_SLOT_BYTES / 3 * 4 + 4096;

/// Replaces slot and verifier in one transaction.
pub(crate) async fn rotate(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    body.owned_by(Owner::Account(session.account));
    let bytes = body.whole(MAX_BYTES).await?;
    body.check_json(&bytes, "")?;
    let request: RecoveryRotation = parse_json(&bytes)?;
    let proven = fresh::prove(call, session, LoginPurpose::RotateRecovery, &request.login)?;
    let rotation = store::RecoveryRotation {
        attempt: proven.attempt,
        digest: Sha256::digest(&bytes).into(),
        session: session.id,
        account: session.account,
        epoch: session.epoch,
        generation: proven.subject.generation,
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
