//! `GET /keyring`: the newest keyring of the session's epoch.

use http::StatusCode;
use keybackup_protocol::api::KeyringAnswer;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;

/// Sends it.
pub(crate) async fn newest(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let keyring = call.server.store.keyring(session.account, session.epoch).await?;
    Ok(Answer::json(StatusCode::OK, &KeyringAnswer { epoch: session.epoch, keyring }))
}
