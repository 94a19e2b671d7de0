//! `POST /login/start` and `POST /login/finish`: OPAQUE's three messages in two requests. Beside
//! a login that is to change the password, the start takes the new one's registration request.

use http::StatusCode;
use keybackup_protocol::api::{LoggedIn, LoginFinish, LoginPurpose, LoginStart, LoginStarted};
use keybackup_protocol::limits::LOGIN_TICKET_TTL_S;

use super::random_id;
use crate::auth::opaque::{self, Blinded, Ke1};
use crate::auth::session;
use crate::auth::ticket::{LoginTicket, Subject};
use crate::auth::token::DeviceCookie;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{EpochChoice, FinishedLogin, NewAttempt, StoreError};

/// Largest body of either request, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// `POST /login/start`: alike for known and unknown addresses, in status, headers, length and
/// work. The attempt is counted before the OPRF is evaluated.
pub(crate) async fn start(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let request: LoginStart = body.json(MAX_BYTES).await?;
    let address = super::address(&request.email)?;
    let ke1 = Ke1::parse(&request.ke1.0)?;
    let blinded = blinded(&request)?;
    let (server, key) = (call.server, &*call.server.key);
    let tag = key.address_tag(&address);
    let bucket = DeviceCookie::bucket(request.device_cookie.as_deref());
    let attempt = NewAttempt {
        id: random_id(),
        address: tag,
        bucket,
        network: call.network(),
        epoch: epoch(&request)?,
        now: call.now,
        expires_at: call.now + LOGIN_TICKET_TTL_S,
        evaluations: if blinded.is_some() { 2 } else { 1 },
    };
    let (id, expires_at) = (attempt.id, attempt.expires_at);
    let credential = server.store.open_attempt(attempt).await?;
    let setup = match &credential {
        Some(known) => {
            key.setup(known.setup_id).ok_or(ApiError::UnknownSetup { id: known.setup_id })?
        }
        None => key.current_setup(),
    };
    let started =
        opaque::login_start(setup.opaque(), &server.dummy, &address, credential.as_ref(), ke1)?;
    let subject = credential.map(|known| Subject {
        account: known.account,
        epoch: known.epoch,
        setup_id: known.setup_id,
        generation: known.generation,
    });
    let registration_response = blinded
        .map(|blinded| opaque::registration_response(key, &address, blinded))
        .transpose()?
        .map(Into::into);
    let ticket = LoginTicket {
        purpose: request.purpose,
        attempt: id,
        subject,
        expires_at,
        registers_with: key.current_setup().id(),
        state: started.state,
    }
    .seal(key)?;
    let answer = LoginStarted { ke2: started.ke2.into(), ticket, registration_response };
    Ok(Answer::json(StatusCode::OK, &answer))
}

/// The epoch that it is into.
fn epoch(request: &LoginStart) -> Result<EpochChoice, ApiError> {
    match (request.epoch, request.previous) {
        (None, false) => Ok(EpochChoice::Current),
        (Some(epoch), false) => Ok(EpochChoice::Named(epoch)),
        (None, true) => Ok(EpochChoice::Previous),
        (Some(_), true) => Err(ApiError::BadRequest("one epoch, not two")),
    }
}

/// The registration request of a new password, with the purposes that have one and no other.
fn blinded(request: &LoginStart) -> Result<Option<Blinded>, ApiError> {
    match (request.purpose, &request.registration_request) {
        (
            LoginPurpose::Session
            | LoginPurpose::RotateRecovery
            | LoginPurpose::UndoReset
            | LoginPurpose::DeleteAccount
            | LoginPurpose::ChangeAddress
            | LoginPurpose::Purge,
            None,
        ) => Ok(None),
        (LoginPurpose::ChangePassword, Some(request)) => Ok(Some(Blinded::parse(&request.0)?)),
        _ => Err(ApiError::BadRequest("purpose and registration request don't fit")),
    }
}

/// `POST /login/finish`: one answer for everything that is wrong.
pub(crate) async fn finish(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let request: LoginFinish = body.json(MAX_BYTES).await?;
    let server = call.server;
    let ticket = LoginTicket::open(&server.key, LoginPurpose::Session, &request.ticket, call.now)
        .ok_or(ApiError::LoginFailed)?;
    opaque::login_finish(&ticket.state, &request.ke3.0)?;
    let subject = ticket.subject.ok_or(ApiError::LoginFailed)?;
    let (session, grant) = session::grant(server, request.device_id, call.now);
    let mail = server.settings.mail.is_some().then(|| Letter::NewDevice.seal(&server.key));
    let mail = mail.transpose()?;
    let login = FinishedLogin {
        attempt: ticket.attempt,
        account: subject.account,
        epoch: subject.epoch,
        generation: subject.generation,
        session,
        mail,
        now: call.now,
    };
    let material = server.store.finish_login(login).await.map_err(|error| match error {
        StoreError::AttemptRefused | StoreError::Gone => ApiError::LoginFailed,
        other => other.into(),
    })?;
    server.mail_waits();
    let answer = LoggedIn {
        session: grant,
        account_id: subject.account,
        epoch: subject.epoch,
        slots: material.slots,
        keyring: material.keyring,
        device: material.device,
    };
    Ok(Answer::json(StatusCode::OK, &answer))
}
