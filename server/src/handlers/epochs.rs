//! `/epochs`: the account's epochs, looked at, opened by who proves them, gone back to, unlocked.

use http::StatusCode;
use keybackup_protocol::EpochId;
use keybackup_protocol::api::{
    Done, EpochOpen, EpochProof, Epochs, LoginPurpose, Undo, Undone, Unlock,
};
use keybackup_protocol::limits::MAX_HEAD_BYTES;

use super::reset::verifier;
use crate::auth::fresh;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::{RequestBody, parse_json};
use crate::http::peer::Owner;
use crate::mail::Letter;
use crate::router::Call;
use crate::store::{self, EpochVerifier, StoreError, UndoWith, Unlocking};

/// Largest body but an unlocking's, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// Lists them.
pub(crate) async fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let epochs = call.server.store.epochs(session.account).await?;
    Ok(Answer::json(StatusCode::OK, &Epochs { epochs }))
}

/// Index and labels of one of them: sealed under keys that a session of another does not have.
pub(crate) async fn personas(call: &Call<'_>, epoch: EpochId) -> Result<Answer, ApiError> {
    let session = call.session().await?;
    let (store, account) = (&call.server.store, session.account);
    let bytes = store.listing_bytes(account, epoch).await?;
    let room = call.server.answers.take_twice(call.owner(), bytes).await?;
    Ok(Answer::held_json(&store.listing(account, epoch).await?, bytes, room))
}

/// What opens one of them.
pub(crate) async fn open(
    call: &Call<'_>,
    epoch: EpochId,
    body: &mut RequestBody,
) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    body.owned_by(Owner::Account(session.account));
    let request: EpochOpen = body.json(MAX_BYTES).await?;
    let proof = proof(&request.proof)?;
    let opened = call.server.store.open_epoch(session.account, epoch, proof).await?;
    Ok(Answer::json(StatusCode::OK, &opened))
}

/// Moves its personas to the current one.
pub(crate) async fn unlock(
    call: &Call<'_>,
    locked: EpochId,
    body: &mut RequestBody,
) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    body.owned_by(Owner::Account(session.account));
    let request: Unlock = body.json(MAX_HEAD_BYTES).await?;
    let unlocking = Unlocking {
        session: session.id,
        account: session.account,
        device: session.device,
        epoch: session.epoch,
        locked,
        proof: proof(&request.proof)?,
        keyring: request.keyring,
        index: request.index,
        locked_counter: request.locked_counter,
        labels: request.labels,
        now: call.now,
    };
    call.server.store.unlock(unlocking).await?;
    Ok(Answer::json(StatusCode::OK, &Done { changed: true }))
}

/// Goes back to an older one, by its own authenticator: no session is asked for, since who displaced
/// it may have ended them all.
pub(crate) async fn undo(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    let bytes = body.whole(MAX_BYTES).await?;
    body.check_json(&bytes, "")?;
    let request: Undo = parse_json(&bytes)?;
    let key = &*call.server.key;
    let address = super::address(&request.email)?;
    let with = match (&request.phrase_proof, &request.login, &request.root_proof) {
        (Some(proof), None, None) => UndoWith::Phrase {
            address: key.address_tag(&address),
            network: call.network(),
            verifier: verifier(proof)?,
        },
        (None, Some(login), Some(root)) => {
            let root = verifier(root)?;
            let proven = fresh::prove_alone(call, LoginPurpose::UndoReset, login, &bytes)?;
            UndoWith::Password { login: proven.login, root }
        }
        _ => return Err(ApiError::BadRequest("the phrase's proof, or a login and the root's")),
    };
    let undo = store::Undo { with, mail: Letter::ResetUndone.seal(key)?, now: call.now };
    let (epoch, changed) =
        call.server.store.undo_reset(undo).await.map_err(|error| match error {
            StoreError::AttemptRefused | StoreError::Gone => ApiError::LoginFailed,
            other => other.into(),
        })?;
    call.server.mail_waits();
    Ok(Answer::json(StatusCode::OK, &Undone { epoch, changed }))
}

fn proof(proof: &EpochProof) -> Result<EpochVerifier, ApiError> {
    match (&proof.phrase, &proof.root) {
        (Some(phrase), None) => verifier(phrase).map(EpochVerifier::Phrase),
        (None, Some(root)) => verifier(root).map(EpochVerifier::Root),
        _ => Err(ApiError::BadRequest("a proof of the phrase, or one of the root key")),
    }
}
