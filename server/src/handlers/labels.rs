//! `GET /personas/<id>/labels?from=N`: the chain of labels from a version on.

use http::StatusCode;
use keybackup_protocol::PersonaId;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;

/// Sends it, oldest first; from the first label when `from` is absent.
pub(crate) async fn list(call: &Call<'_>, persona: PersonaId) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let from = call.query("from")?.unwrap_or(1);
    let labels = call.server.store.labels(session.account, persona, from).await?;
    Ok(Answer::json(StatusCode::OK, &labels))
}
