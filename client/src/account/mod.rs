//! Becoming somebody at a server: registration and login, by OPAQUE (RFC 9807). What comes out is
//! a session and an opened keyring; nothing here touches the disk or the terminal.

mod error;
mod login;
mod register;

pub use error::AccountError;
pub use login::{LoggedIn, login};
pub use register::Registration;

use keybackup_protocol::api::{SessionGrant, Status};
use keybackup_protocol::suite::SUITE;

use crate::remote::Remote;
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

/// Asks what the server speaks, and refuses another suite before one byte that derives from the
/// password is sent.
fn greet(remote: &Remote) -> Result<Status, AccountError> {
    let status = remote.status()?;
    if !status.suites.contains(&SUITE) {
        return Err(AccountError::Suite { theirs: status.suites });
    }
    Ok(status)
}
