//! Fresh logins: the password proven once more, for one request and no other.

use keybackup_protocol::api::{FreshLogin, LoginPurpose};

use super::opaque;
use super::ticket::{LoginTicket, Subject};
use crate::error::ApiError;
use crate::router::Call;
use crate::store::Session;

/// A login that was proven, and whose attempt the store is to consume with what it is for.
pub(crate) struct Proven {
    pub(crate) attempt: [u8; 16],
    pub(crate) subject: Subject,
    /// AKE key pair that a new record was made with.
    pub(crate) registers_with: u32,
}

/// Opens the ticket for `purpose` and checks KE3. One answer for everything that is wrong, also
/// for a login of another account or epoch than the session's.
pub(crate) fn prove(
    call: &Call<'_>,
    session: &Session,
    purpose: LoginPurpose,
    login: &FreshLogin,
) -> Result<Proven, ApiError> {
    let proven = prove_alone(call, purpose, login)?;
    let subject = proven.subject;
    if (subject.account, subject.epoch) == (session.account, session.epoch) {
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
) -> Result<Proven, ApiError> {
    let ticket = LoginTicket::open(&call.server.key, purpose, &login.ticket, call.now)
        .ok_or(ApiError::LoginFailed)?;
    opaque::login_finish(&ticket.state, &login.ke3.0)?;
    let subject = ticket.subject.ok_or(ApiError::LoginFailed)?;
    Ok(Proven { attempt: ticket.attempt, subject, registers_with: ticket.registers_with })
}
