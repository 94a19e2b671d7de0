//! `GET /personas` and `DELETE /personas/<id>`: the listing, and the old service's bare delete.

use http::StatusCode;
use http::header::ETAG;
use keybackup_protocol::PersonaId;
use keybackup_protocol::api::Done;

use crate::error::ApiError;
use crate::http::answer::{Answer, Content};
use crate::http::conditional::{entity_tag, not_modified};
use crate::router::Call;

/// One snapshot of the epoch. The tag is a hash of the answer's bytes, so two answers of one tag
/// are one answer.
pub(crate) async fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let (store, account, epoch) = (&call.server.store, session.account, session.epoch);
    // Memory first: any number of requests may wait for it.
    let bytes = store.listing_bytes(account, epoch).await?;
    let room = call.server.answers.take_twice(call.owner(), bytes).await?;
    let answer = Answer::held_json(&store.listing(account, epoch).await?, bytes, room);
    let Content::Whole(json) = &answer.body else { return Ok(answer) };
    let tag = entity_tag(&blake3::hash(json));
    let answer = if not_modified(call.headers(), &tag) {
        Answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        answer
    };
    Ok(answer.with(ETAG, tag))
}

/// Moves a persona to the trash: 200 also when it was absent, as the old service had it.
pub(crate) async fn trash(call: &Call<'_>, persona: PersonaId) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    let changed = call.server.store.trash(session.account, persona, call.now).await?;
    Ok(Answer::json(StatusCode::OK, &Done { changed }))
}
