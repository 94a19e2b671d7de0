//! `PUT /password`: another password, by who has a session and proves the old one.

use http::StatusCode;
use keybackup_protocol::api::{Done, LoginPurpose, PasswordChange, SlotKind};
use keybackup_protocol::limits::MAX_SLOT_BYTES;
use sha2::{Digest as _, Sha256};

use crate::auth::{fresh, opaque};
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::{RequestBody, parse_json};
use crate::http::peer::Owner;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{self, StoreError};

/// Largest body: ticket, record and slot in base64, and what is around them.
const MAX_BYTES: usize = MAX_SLOT_BYTES / 3 * 4 + 4096;

/// Replaces record and slot in one transaction and ends the account's other sessions.
pub(crate) async fn change(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    body.owned_by(Owner::Account(session.account));
    let bytes = body.whole(MAX_BYTES).await?;
    body.check_json(&bytes, "")?;
    let request: PasswordChange = parse_json(&bytes)?;
    opaque::check_record(&request.record.0)?;
    if request.slot.kind != SlotKind::Password {
        return Err(ApiError::BadRequest("the slot is none of a password"));
    }
    let proven = fresh::prove(call, session, LoginPurpose::ChangePassword, &request.login)?;
    let change = store::PasswordChange {
        attempt: proven.attempt,
        digest: Sha256::digest(&bytes).into(),
        session: session.id,
        account: session.account,
        epoch: session.epoch,
        generation: proven.subject.generation,
        setup_id: proven.registers_with,
        record: request.record,
        slot: request.slot,
        mail: Letter::PasswordChanged.seal(&call.server.key)?,
        now: call.now,
    };
    call.server.store.change_password(change).await.map_err(|error| match error {
        StoreError::AttemptRefused => ApiError::LoginFailed,
        other => other.into(),
    })?;
    call.server.mail_waits();
    Ok(Answer::json(StatusCode::OK, &Done { changed: true }))
}
