//! `PUT /password`: another password, by who has a session and proves the old one.

use http::StatusCode;
use keybackup_protocol::api::{Done, LoginPurpose, PasswordChange, SlotKind};
use keybackup_protocol::limits::MAX_SLOT_BYTES;

use crate::auth::{fresh, opaque};
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{self, StoreError};

/// Largest body: ticket, record and slot in base64, and what is around them.
const MAX_BYTES: usize = MAX_SLOT_BYTES / 3 * 4 + 4096;

/// Replaces record and slot in one transaction and ends the account's other sessions.
pub(crate) async fn change(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let (session, bytes, request) = fresh::request::<PasswordChange>(call, body, MAX_BYTES).await?;
    opaque::check_record(&request.record.0)?;
    if request.slot.kind != SlotKind::Password {
        return Err(ApiError::BadRequest("the slot is none of a password"));
    }
    let purpose = LoginPurpose::ChangePassword;
    let proven = fresh::prove(call, session, purpose, &request.login, &bytes)?;
    let change = store::PasswordChange {
        login: proven.login,
        session: session.id,
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
