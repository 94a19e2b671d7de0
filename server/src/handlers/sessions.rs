//! `DELETE /session`: logging out.

use http::StatusCode;
use keybackup_protocol::api::Done;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;

/// Ends the session that asks. The device cookie stays good.
pub(crate) async fn end(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let changed = call.server.store.end_session(session.id).await?;
    Ok(Answer::json(StatusCode::OK, &Done { changed }))
}
