//! Fresh logins: the password proven once more, for one request and no other.

use bytes::Bytes;
use keybackup_protocol::api::{FreshLogin, LoginPurpose};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::opaque;
use super::ticket::LoginTicket;
use crate::error::ApiError;
use crate::http::body::{RequestBody, parse_json};
use crate::http::peer::Owner;
use crate::router::Call;
use crate::store::{ProvenLogin, Session};

/// A login that was proven, and whose attempt the store is to consume with what it is for.
pub(crate) struct Proven {
    pub(crate) login: ProvenLogin,
    /// AKE key pair that a new record was made with.
    pub(crate) registers_with: u32,
}

/// Reads a request that a session of the current epoch makes, with a fresh login in it.
pub(crate) async fn request<'c, T: DeserializeOwned>(
    call: &'c Call<'_>,
    body: &mut RequestBody,
    max_bytes: usize,
) -> Result<(&'c Session, Bytes, T), ApiError> {
    let session = call.current_session().await?;
    body.owned_by(Owner::Account(session.account));
    let bytes = body.whole(max_bytes).await?;
    body.check_json(&bytes, "")?;
    let request = parse_json(&bytes)?;
    Ok((session, bytes, request))
}

/// Opens the ticket for `purpose` and checks KE3; `bytes` are the request's. One answer for everything that is wrong, also
/// for a login of another account or epoch than the session's.
pub(crate) fn prove(
    call: &Call<'_>,
    session: &Session,
    purpose: LoginPurpose,
    login: &FreshLogin,
    bytes: &[u8],
) -> Result<Proven, ApiError> {
    let proven = prove_alone(call, purpose, login, bytes)?;
    if (proven.login.account, proven.login.epoch) == (session.account, session.epoch) {
        Ok(proven)
    } else {
        Err(ApiError::LoginFailed)
    }
}

/// The same where no session is asked for: the login says whose it is.
pub(crate) fn prove_alone(
    call: &Call<'_>,
    purpose: LoginPurpose,
    login: &FreshLogin,
    bytes: &[u8],
) -> Result<Proven, ApiError> {
    let ticket = LoginTicket::open(&call.server.key, purpose, &login.ticket, call.now)
        .ok_or(ApiError::LoginFailed)?;
    opaque::login_finish(&ticket.state, &login.ke3.0)?;
    let subject = ticket.subject.ok_or(ApiError::LoginFailed)?;
    let login = ProvenLogin {
        attempt: ticket.attempt,
        digest: Sha256::digest(bytes).into(),
        account: subject.account,
        epoch: subject.epoch,
        generation: subject.generation,
    };
    Ok(Proven { login, registers_with: ticket.registers_with })
}
