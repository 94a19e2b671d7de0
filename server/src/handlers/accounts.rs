//! `POST /accounts/start` and `POST /accounts`: registration.

use http::StatusCode;
use keybackup_protocol::api::{
    NewEpoch, Registered, Registration, RegistrationFinish, RegistrationStart, RegistrationStarted,
};
use keybackup_protocol::limits::{
    MAX_INDEX_BYTES, MAX_JSON_BYTES, MAX_KEYRING_BYTES, MAX_LABEL_BYTES, MAX_SLOT_BYTES,
    REGISTRATION_TICKET_TTL_S,
};
use keybackup_protocol::suite::SUITE;
use sha2::{Digest as _, Sha256};

use super::random_id;
use crate::auth::opaque::Blinded;
use crate::auth::ticket::RegistrationTicket;
use crate::auth::{code, invite, opaque, session};
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::{RequestBody, parse_json};
use crate::router::Call;
use crate::store::{
    AddressTag, CodePurpose, CodeTag, InviteTag, NewAccount, NewRegistration, REQUIRED_SLOTS,
    StoreError,
};

/// Largest body of a start, in bytes.
const MAX_START_BYTES: usize = 4 * 1024;

/// `POST /accounts/start`: who may register is decided before the OPRF is evaluated.
pub(crate) async fn start(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let request: RegistrationStart = body.json(MAX_START_BYTES).await?;
    if request.suite != SUITE {
        return Err(ApiError::SuiteUnsupported);
    }
    let address = super::address(&request.email)?;
    let blinded = Blinded::parse(&request.registration_request.0)?;
    let (server, key) = (call.server, &*call.server.key);
    let attempt = random_id();
    let expires_at = call.now + REGISTRATION_TICKET_TTL_S;
    let invite = invitation(call, request.invite.as_deref())?;
    let invited = invite.is_some();
    let tag = key.address_tag(&address);
    let confirmation = confirmation(call, tag, request.confirmation.as_deref());
    let registration = NewRegistration {
        id: attempt,
        address: tag,
        invite,
        confirmation,
        holder: None,
        network: call.network(),
        now: call.now,
        expires_at,
    };
    server.store.open_registration(registration).await?;
    let response = opaque::registration_response(key, &address, blinded)?;
    let setup_id = key.current_setup().id();
    let confirmation = confirmation.map(|code| code.0);
    let ticket =
        RegistrationTicket { attempt, setup_id, expires_at, invited, confirmation, address }
            .seal(key)?;
    let started = RegistrationStarted { registration_response: response.into(), ticket };
    Ok(Answer::json(StatusCode::OK, &started))
}

/// The code that an address is confirmed with, where the server asks for one. What can't be a code
/// is none: it is refused, and counted, like a wrong one.
pub(super) fn confirmation(
    call: &Call<'_>,
    address: AddressTag,
    typed: Option<&str>,
) -> Option<CodeTag> {
    let (server, key) = (call.server, &*call.server.key);
    let tag = || code::tag(key, CodePurpose::Confirm, address, typed.unwrap_or(""));
    server.settings.confirm_email.then(tag)
}

/// What the server's mode asks for.
fn invitation(call: &Call<'_>, code: Option<&str>) -> Result<Option<InviteTag>, ApiError> {
    match (call.server.settings.registration, code) {
        (Registration::Closed, _) => Err(ApiError::RegistrationClosed),
        (Registration::Open, _) => Ok(None),
        (Registration::Invite, None) => Err(ApiError::InviteRefused),
        (Registration::Invite, Some(code)) => {
            let code = invite::normalise(code).ok_or(ApiError::InviteRefused)?;
            Ok(Some(call.server.key.invite_tag(code.as_bytes())))
        }
    }
}

/// `POST /accounts`: all of the account in one transaction. The same bytes again are the same
/// registration, so that a lost answer can be asked for once more.
pub(crate) async fn finish(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let bytes = body.whole(MAX_JSON_BYTES).await?;
    body.check_json(&bytes, "")?;
    let request: RegistrationFinish = parse_json(&bytes)?;
    let (server, key) = (call.server, &*call.server.key);
    let ticket = RegistrationTicket::open(key, &request.ticket).ok_or(ApiError::TicketRefused)?;
    // The mode may be another one since the start.
    match server.settings.registration {
        Registration::Closed => return Err(ApiError::RegistrationClosed),
        Registration::Invite if !ticket.invited => return Err(ApiError::InviteRefused),
        Registration::Invite | Registration::Open => {}
    }
    if server.settings.confirm_email && ticket.confirmation.is_none() {
        return Err(ApiError::CodeRefused);
    }
    check_epoch(&request.epoch)?;
    opaque::check_record(&request.epoch.record.0)?;
    if request.device.revision == 0 || !fits(&request.device.sealed.0, MAX_LABEL_BYTES) {
        return Err(ApiError::BadRequest("the device record is malformed"));
    }
    let (session, grant) = session::grant(server, request.device.id, call.now);
    let account = NewAccount {
        attempt: ticket.attempt,
        digest: Sha256::digest(&bytes).into(),
        address: key.address_tag(&ticket.address),
        sealed_address: key.seal_address(request.account_id, &ticket.address)?,
        account: request.account_id,
        epoch: request.epoch,
        setup_id: ticket.setup_id,
        confirmation: ticket.confirmation.map(CodeTag),
        // A repetition writes too, however often it comes.
        network: call.network(),
        device: request.device,
        session,
        now: call.now,
    };
    server.store.register(account).await.map_err(|error| match error {
        // An account or epoch id that exists already.
        StoreError::Conflict => ApiError::Taken,
        other => other.into(),
    })?;
    Ok(Answer::json(StatusCode::OK, &Registered { session: grant }))
}

/// The shape of a new epoch: what is sealed stays the client's business, sizes and counts don't.
pub(super) fn check_epoch(epoch: &NewEpoch) -> Result<(), ApiError> {
    let slots_fit = epoch.slots.len() == REQUIRED_SLOTS.len()
        && REQUIRED_SLOTS.iter().all(|kind| epoch.slots.iter().any(|slot| slot.kind == *kind))
        && epoch
            .slots
            .iter()
            .all(|slot| slot.generation == 1 && fits(&slot.sealed.0, MAX_SLOT_BYTES));
    if !slots_fit {
        return Err(ApiError::BadRequest("an epoch has one password and one recovery slot"));
    }
    if epoch.phrase_verifier.0.len() != 32 || epoch.root_verifier.0.len() != 32 {
        return Err(ApiError::BadRequest("a verifier is 32 bytes"));
    }
    if epoch.keyring.version != 1 || !fits(&epoch.keyring.sealed.0, MAX_KEYRING_BYTES) {
        return Err(ApiError::BadRequest("the first keyring has version 1"));
    }
    if epoch.index.counter != 1 || !fits(&epoch.index.sealed.0, MAX_INDEX_BYTES) {
        return Err(ApiError::BadRequest("the first index has counter 1"));
    }
    Ok(())
}

const fn fits(sealed: &[u8], max: usize) -> bool {
    !sealed.is_empty() && sealed.len() <= max
}
