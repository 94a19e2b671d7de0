//! Becoming somebody at a server, and staying it: registration, login and another password, by
//! OPAQUE (RFC 9807). Nothing here touches the disk or the terminal.

mod address;
mod deletion;
mod error;
mod fresh_epoch;
mod login;
mod password;
mod purge;
mod recovery;
mod register;
mod reset;

pub use address::{change_address, undo_address};
pub use deletion::delete_account;
pub use error::AccountError;
pub use fresh_epoch::FreshEpoch;
pub use login::{Into, LoggedIn, login, login_into};
pub use password::{Owner, change_password};
pub use purge::purge;
pub use recovery::{NewPhrase, undo_with_password, undo_with_phrase};
pub use register::{Codes, Registration};
pub use reset::{FreshReset, Reset, open_recovery};

use rand08::RngCore as _;
use rand08::rngs::OsRng;

use keybackup_protocol::api::{SessionGrant, Status};
use keybackup_protocol::suite::SUITE;

use crate::remote::{Remote, RemoteError};
use crate::secret::{DeviceCookie, Token};

/// A session that a server granted.
pub struct Grant {
    /// Its bearer token.
    pub token: Token,
    /// Unix seconds after which it ends even if used, by the server's word.
    pub expires_at: i64,
    /// Tells this device from strangers at the next login.
    pub device_cookie: DeviceCookie,
}

impl Grant {
    fn parse(grant: SessionGrant) -> Result<Self, AccountError> {
        Ok(Self {
            token: Token::parse(grant.token).map_err(|_| AccountError::BadAnswer)?,
            expires_at: grant.expires_at,
            device_cookie: DeviceCookie::parse(grant.device_cookie)
                .map_err(|_| AccountError::BadAnswer)?,
        })
    }
}

/// How often a last step is sent; the server takes the same bytes again as the same step.
const FINISH_TRIES: u32 = 3;

/// Sends a last step until it is answered, a few times: a lost answer is asked for again. Once one
/// was lost only a success is sure: what refuses the same bytes later (a ticket that is over by
/// then) tells nothing of what became of them before.
fn see_through<T>(
    mut send: impl FnMut() -> Result<T, RemoteError>,
    in_doubt: impl Fn(RemoteError) -> AccountError,
) -> Result<T, AccountError> {
    let mut tries = 1;
    loop {
        match send() {
            Ok(answer) => return Ok(answer),
            Err(error) if error.leaves_doubt() && tries < FINISH_TRIES => {}
            Err(error) if error.leaves_doubt() || tries > 1 => return Err(in_doubt(error)),
            Err(error) => return Err(error.into()),
        }
        tries += 1;
    }
}

/// Asks what the server speaks, and refuses another suite before one byte that derives from the
/// password is sent.
fn greet(remote: &Remote) -> Result<Status, AccountError> {
    let status = remote.status()?;
    if !status.suites.contains(&SUITE) {
        return Err(AccountError::Suite { theirs: status.suites });
    }
    Ok(status)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
