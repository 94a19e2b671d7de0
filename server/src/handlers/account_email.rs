//! `/account/email`: another address for the account, and the way back to a former one.

use http::StatusCode;
use keybackup_protocol::api::{
    AddressChange, AddressChangeStart, AddressChangeStarted, AddressUndo, Done, LoginPurpose,
    SlotKind,
};
use keybackup_protocol::limits::{MAX_SLOT_BYTES, REGISTRATION_TICKET_TTL_S};
use keybackup_protocol::suite::SUITE;

use super::accounts::confirmation;
use super::random_id;
use crate::auth::opaque::{self, Blinded};
use crate::auth::ticket::{AddressTicket, RegistrationTicket};
use crate::auth::{code, fresh};
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{self, CodePurpose, CodeTag, NewRegistration, StoreError};

/// Largest body of a start or an undoing, in bytes.
const MAX_START_BYTES: usize = 4 * 1024;
/// Largest body of a change: tickets, record and slot in base64, and what is around them.
const MAX_BYTES: usize = MAX_SLOT_BYTES / 3 * 4 + 8192;

/// `POST /account/email/start`: the new address is confirmed and counted before the OPRF is evaluated
/// for it, as for one that registers.
pub(crate) async fn start(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let (session, _, request) =
        fresh::request::<AddressChangeStart>(call, body, MAX_START_BYTES).await?;
    if request.suite != SUITE {
        return Err(ApiError::SuiteUnsupported);
    }
    let address = super::address(&request.new_email)?;
    let blinded = Blinded::parse(&request.registration_request.0)?;
    let (server, key) = (call.server, &*call.server.key);
    let (attempt, tag) = (random_id(), key.address_tag(&address));
    let expires_at = call.now + REGISTRATION_TICKET_TTL_S;
    let confirmation = confirmation(call, tag, request.confirmation.as_deref());
    let registration = NewRegistration {
        id: attempt,
        address: tag,
        invite: None,
        confirmation,
        holder: Some(session.account),
        network: call.network(),
        now: call.now,
        expires_at,
    };
    server.store.open_registration(registration).await?;
    let response = opaque::registration_response(key, &address, blinded)?;
    let registration = RegistrationTicket {
        attempt,
        setup_id: key.current_setup().id(),
        expires_at,
        invited: false,
        confirmation: confirmation.map(|code| code.0),
        address,
    };
    let ticket = AddressTicket { account: session.account, registration }.seal(key)?;
    let started = AddressChangeStarted { registration_response: response.into(), ticket };
    Ok(Answer::json(StatusCode::OK, &started))
}

/// `PUT /account/email`: address, record and slot in one transaction. The same bytes again are the
/// same change.
pub(crate) async fn change(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let (session, bytes, request) = fresh::request::<AddressChange>(call, body, MAX_BYTES).await?;
    opaque::check_record(&request.record.0)?;
    if request.slot.kind != SlotKind::Password {
        return Err(ApiError::BadRequest("the slot is none of a password"));
    }
    let (server, key) = (call.server, &*call.server.key);
    let former = key.address_tag(&super::address(&request.email)?);
    let ticket = AddressTicket::open(key, session.account, &request.ticket)
        .ok_or(ApiError::TicketRefused)?
        .registration;
    if server.settings.confirm_email && ticket.confirmation.is_none() {
        return Err(ApiError::CodeRefused);
    }
    let purpose = LoginPurpose::ChangeAddress;
    let proven = fresh::prove(call, session, purpose, &request.login, &bytes)?;
    let undo = code::generate(CodePurpose::UndoAddress);
    let change = store::AddressChange {
        login: proven.login,
        session: session.id,
        attempt: ticket.attempt,
        former,
        address: key.address_tag(&ticket.address),
        sealed_address: key.seal_address(session.account, &ticket.address)?,
        confirmation: ticket.confirmation.map(CodeTag),
        setup_id: ticket.setup_id,
        record: request.record,
        slot: request.slot,
        undo: code::tag(key, CodePurpose::UndoAddress, former, &undo),
        mail_to_former: Letter::AddressChanged { undo_code: Some(undo) }.seal(key)?,
        mail: Letter::AddressChanged { undo_code: None }.seal(key)?,
        now: call.now,
    };
    server.store.change_address(change).await?;
    server.mail_waits();
    Ok(Answer::json(StatusCode::OK, &Done { changed: true }))
}

/// `POST /account/email/undo`: no session is asked for, since who changed it may have ended them all.
pub(crate) async fn undo(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let request: AddressUndo = body.json(MAX_START_BYTES).await?;
    let (server, key) = (call.server, &*call.server.key);
    let address = key.address_tag(&super::address(&request.email)?);
    let undo = store::AddressUndo {
        address,
        code: code::tag(key, CodePurpose::UndoAddress, address, &request.code),
        network: call.network(),
        mail: Letter::AddressUndone.seal(key)?,
        mail_to_former: Letter::AddressUndone.seal(key)?,
        now: call.now,
    };
    let changed = server.store.undo_address(undo).await.map_err(|error| match error {
        StoreError::Gone => ApiError::CodeRefused,
        other => other.into(),
    })?;
    server.mail_waits();
    Ok(Answer::json(StatusCode::OK, &Done { changed }))
}
