//! `POST /password/reset/start` and `POST /password/reset`: another password by a mailed code, with
//! the recovery phrase or without it.

use http::StatusCode;
use keybackup_protocol::B64;
use keybackup_protocol::api::{ResetDone, ResetFinish, ResetStart, ResetStarted, SlotKind};
use keybackup_protocol::limits::{MAX_JSON_BYTES, RESET_TICKET_TTL_S};
use keybackup_protocol::suite::SUITE;
use sha2::{Digest as _, Sha256};

use super::{accounts, random_id};
use crate::auth::opaque::{self, Blinded};
use crate::auth::ticket::{Proof, ResetTicket};
use crate::auth::{code, session};
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::{RequestBody, parse_json};
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{AddressTag, CodePurpose, CodeTag, NewReset, Reset, ResetWith};

/// Largest body of a start, in bytes.
const MAX_START_BYTES: usize = 4 * 1024;

/// Checks code and phrase, both counted, and only then evaluates the OPRF.
pub(crate) async fn start(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let request: ResetStart = body.json(MAX_START_BYTES).await?;
    if request.suite != SUITE {
        return Err(ApiError::SuiteUnsupported);
    }
    let address = super::address(&request.email)?;
    let blinded = Blinded::parse(&request.registration_request.0)?;
    let phrase = request.phrase_proof.as_ref().map(verifier).transpose()?;
    let (server, key) = (call.server, &*call.server.key);
    let (attempt, tag) = (random_id(), key.address_tag(&address));
    // What can't be a code is none: it is refused, and counted, like a wrong one.
    let code = code::tag(key, CodePurpose::Reset, tag, &request.code);
    let reset = NewReset {
        id: attempt,
        address: tag,
        code,
        phrase,
        network: call.network(),
        now: call.now,
        expires_at: call.now + RESET_TICKET_TTL_S,
    };
    let opened = server.store.open_reset(reset).await?;
    let response = opaque::registration_response(key, &address, blinded)?;
    let proven = opened.proven.as_ref().zip(phrase).map(|(proven, verifier)| Proof {
        epoch: proven.epoch,
        verifier,
        generation: proven.password_generation,
    });
    let ticket = ResetTicket {
        attempt,
        setup_id: key.current_setup().id(),
        account: opened.account,
        address: tag.0,
        code: code.0,
        would_lock: opened.would_lock,
        proven,
    };
    let answer = ResetStarted {
        registration_response: response.into(),
        ticket: ticket.seal(key)?,
        account_id: opened.account,
        would_lock: opened.would_lock,
        proven: opened.proven,
    };
    Ok(Answer::json(StatusCode::OK, &answer))
}

/// Makes the reset in one transaction. The same bytes again are the same reset, so that a lost
/// answer can be asked for once more.
pub(crate) async fn finish(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let bytes = body.whole(MAX_JSON_BYTES).await?;
    body.check_json(&bytes, "")?;
    let request: ResetFinish = parse_json(&bytes)?;
    let (server, key) = (call.server, &*call.server.key);
    let ticket = ResetTicket::open(key, &request.ticket).ok_or(ApiError::TicketRefused)?;
    let device = request.device_id;
    let with = with(&ticket, request)?;
    let (with_phrase, epoch) = match &with {
        ResetWith::Phrase { epoch, .. } => (true, *epoch),
        ResetWith::MailAlone(epoch) => (false, epoch.id),
    };
    let locked_personas = if with_phrase { 0 } else { ticket.would_lock };
    let (session, grant) = session::grant(server, device, call.now);
    let reset = Reset {
        attempt: ticket.attempt,
        digest: Sha256::digest(&bytes).into(),
        address: AddressTag(ticket.address),
        code: CodeTag(ticket.code),
        account: ticket.account,
        setup_id: ticket.setup_id,
        with,
        session,
        mail: Letter::ResetDone { with_phrase, locked_personas }.seal(key)?,
        now: call.now,
    };
    server.store.reset_password(reset).await?;
    server.mail_waits();
    Ok(Answer::json(StatusCode::OK, &ResetDone { session: grant, epoch }))
}

/// What the ticket allows, and nothing else: record and slot with a proven phrase, or an epoch.
fn with(ticket: &ResetTicket, request: ResetFinish) -> Result<ResetWith, ApiError> {
    match (ticket.proven, request.record, request.slot, request.new_epoch) {
        (Some(Proof { epoch, verifier, generation }), Some(record), Some(slot), None) => {
            opaque::check_record(&record.0)?;
            if slot.kind != SlotKind::Password {
                return Err(ApiError::BadRequest("the slot is none of a password"));
            }
            Ok(ResetWith::Phrase { epoch, verifier, generation, record, slot })
        }
        (None, None, None, Some(epoch)) => {
            accounts::check_epoch(&epoch)?;
            opaque::check_record(&epoch.record.0)?;
            Ok(ResetWith::MailAlone(epoch))
        }
        _ => Err(ApiError::BadRequest("with a proven phrase record and slot, else a new epoch")),
    }
}

/// What the server keeps of a proof.
pub(super) fn verifier(proof: &B64) -> Result<[u8; 32], ApiError> {
    if proof.0.len() != 32 {
        return Err(ApiError::BadRequest("a proof is 32 bytes"));
    }
    Ok(Sha256::digest(&proof.0).into())
}
