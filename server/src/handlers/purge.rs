//! `POST /personas/<id>/purge`: bytes that go at once, by who proves the password.

use http::StatusCode;
use keybackup_protocol::PersonaId;
use keybackup_protocol::api::{Done, LoginPurpose, Purge};

use crate::auth::fresh;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::router::Call;
use crate::store::{PersonaPurge, StoreError};

/// Largest body, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// Drops the bytes of a version, or of all versions of a removed persona.
pub(crate) async fn purge(
    call: &Call<'_>,
    persona: PersonaId,
    body: &mut RequestBody,
) -> Result<Answer, ApiError> {
    let (session, bytes, request) = fresh::request::<Purge>(call, body, MAX_BYTES).await?;
    let proven = fresh::prove(call, session, LoginPurpose::Purge, &request.login, &bytes)?;
    let purge = PersonaPurge {
        login: proven.login,
        session: session.id,
        persona,
        version: request.version,
        now: call.now,
    };
    let changed = call.server.store.purge_persona(purge).await.map_err(|error| match error {
        StoreError::AttemptRefused => ApiError::LoginFailed,
        other => other.into(),
    })?;
    Ok(Answer::json(StatusCode::OK, &Done { changed }))
}
