//! `GET /personas/<id>/labels?from=N`: the chain of labels from a version on.

use keybackup_protocol::PersonaId;
use keybackup_protocol::limits::MAX_LABELS_PER_ANSWER;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;
use crate::store::LABELS_BYTES;

/// Most bytes that the answer has: the labels in base64, and 128 bytes for what is around each.
const MOST_BYTES: u64 = (LABELS_BYTES / 3 * 4 + 128 * MAX_LABELS_PER_ANSWER) as u64;

/// Sends it, oldest first; from the first label when `from` is absent.
pub(crate) async fn list(call: &Call<'_>, persona: PersonaId) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let from = call.query("from")?.unwrap_or(1);
    // For the largest, since nobody knows how many there are before they are read.
    let room = call.server.answers.take_twice(call.owner(), MOST_BYTES).await?;
    let labels = call.server.store.labels(session.account, persona, from).await?;
    Ok(Answer::held_json(&labels, 0, room))
}
