//! `GET /account`: what the server knows of the account.

use http::StatusCode;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;

/// Sends it, of the session's epoch.
pub(crate) async fn show(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let facts = call.server.store.account(session.account, session.epoch).await?;
    Ok(Answer::json(StatusCode::OK, &facts))
}
