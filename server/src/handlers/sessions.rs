//! `DELETE /session`: logging out. `GET` and `DELETE /sessions`, `DELETE /sessions/<id>`: the
//! sessions of the account, to be looked at and ended.

use http::StatusCode;
use keybackup_protocol::SessionId;
use keybackup_protocol::api::{Done, Ended, Sessions};

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;

/// Ends the session that asks. The device cookie stays good.
pub(crate) async fn end(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let changed = call.server.store.end_session(session.id).await?;
    Ok(Answer::json(StatusCode::OK, &Done { changed }))
}

/// Lists those of the account that hold.
pub(crate) async fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    let store = &call.server.store;
    let sessions = store.sessions(session.account, session.id, call.now).await?;
    Ok(Answer::json(StatusCode::OK, &Sessions { sessions }))
}

/// Ends one of them, which may be the one that asks.
pub(crate) async fn revoke(call: &Call<'_>, id: SessionId) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    let id = i64::from_be_bytes(*id.as_bytes());
    let store = &call.server.store;
    let changed = store.revoke_session(session.account, session.id, id, call.now).await?;
    Ok(Answer::json(StatusCode::OK, &Done { changed }))
}

/// Ends all but the one that asks.
pub(crate) async fn revoke_others(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    let store = &call.server.store;
    let ended = store.revoke_others(session.account, session.id, call.now).await?;
    Ok(Answer::json(StatusCode::OK, &Ended { ended }))
}
