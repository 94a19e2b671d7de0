//! `GET /keyring`: the newest keyring of the session's epoch.

use keybackup_protocol::api::KeyringAnswer;
use keybackup_protocol::limits::MAX_KEYRING_BYTES;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;

/// Most bytes that the answer has: the keyring in base64, and what is around it.
const MOST_BYTES: u64 = (MAX_KEYRING_BYTES / 3 * 4 + 1024) as u64;

/// Sends it.
pub(crate) async fn newest(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let room = call.server.answers.take_twice(call.owner(), MOST_BYTES).await?;
    let keyring = call.server.store.keyring(session.account, session.epoch).await?;
    Ok(Answer::held_json(&KeyringAnswer { epoch: session.epoch, keyring }, 0, room))
}
