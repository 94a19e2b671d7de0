//! Accounts made by the client's library with a key stretching that costs nothing: for tests of
//! the server, which never sees how a password was stretched. Nothing but tests may do this.

use keybackup::account::{self, Codes, Grant, LoggedIn, Owner, Registration};
use keybackup::error::Failure;
use keybackup::keys::{self, opaque::LoginClient};
use keybackup::records::DeviceRecord;
use keybackup::remote::{Endpoint, Remote};
use keybackup::secret::{Password, Token};
use keybackup_protocol::api::{LoginPurpose, LoginStart};
use keybackup_protocol::{B64, DeviceId};
use opaque_ke::errors::InternalError;
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Ksf;
use opaque_ke::rand::rngs::OsRng;

use crate::device::PASSWORD;

/// Stretches nothing.
#[derive(Debug, Default)]
pub struct CheapKsf;

impl Ksf for CheapKsf {
    fn hash<L: ArrayLength<u8>>(
        &self,
        input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        Ok(input)
    }
}

/// A client of the library.
pub fn remote(url: &str) -> Remote {
    let endpoint = Endpoint {
        url: url.parse().expect("a URL"),
        ca_file: None,
        idle: crate::PATIENCE,
        limit: None,
    };
    Remote::new(&endpoint).expect("it is plain HTTP")
}

fn password() -> Password {
    Password::new(PASSWORD.to_owned())
}

/// Registers an account.
pub fn try_register(url: &str, email: &str) -> Result<Grant, Failure> {
    let remote = remote(url);
    let record = DeviceRecord {
        name: "a device".parse().expect("a name"),
        platform: "linux".to_owned(),
        created_at: 0,
    };
    let address = email.parse().expect("an address");
    let device = DeviceId::from_bytes([7; 16]);
    let registration = Registration::start::<CheapKsf>(
        &remote,
        &address,
        &password(),
        Codes::default(),
        device,
        &record,
    )?;
    Ok(registration.commit(&remote)?)
}

/// Logs in to it.
pub fn try_login(url: &str, email: &str) -> Result<LoggedIn, Failure> {
    let address = email.parse().expect("an address");
    let device = DeviceId::from_bytes([8; 16]);
    Ok(account::login::<CheapKsf>(&remote(url), &address, &password(), device, None)?)
}

/// Changes the password of an account that was logged in to.
pub fn try_change_password(
    url: &str,
    email: &str,
    logged_in: &LoggedIn,
    old: &str,
    new: &str,
) -> Result<(), Failure> {
    let mut remote = remote(url);
    let token = logged_in.grant.token.expose().to_owned();
    remote.authenticate(Token::parse(token).expect("it was one"));
    let owner = Owner {
        address: &email.parse().expect("an address"),
        account: logged_in.account,
        epoch: logged_in.epoch,
        root: &logged_in.root,
        cookie: None,
    };
    let (old, new) = (Password::new(old.to_owned()), Password::new(new.to_owned()));
    Ok(account::change_password::<CheapKsf>(&remote, &owner, &old, &new)?)
}

/// Registers an account, and answers its token.
pub fn register(url: &str, email: &str) -> String {
    let grant = try_register(url, email).unwrap_or_else(|error| panic!("{error}"));
    grant.token.expose().to_owned()
}

/// The first message of a login, as a client sends it.
pub fn login_start(email: &str) -> LoginStart {
    let address = email.parse().expect("an address");
    let prepared = keys::password::prepare(&password()).expect("it is well-formed");
    let (ke1, _) = LoginClient::<CheapKsf>::start(&mut OsRng, &address, &prepared)
        .unwrap_or_else(|error| panic!("{error}"));
    LoginStart {
        email: email.to_owned(),
        ke1: B64(ke1),
        purpose: LoginPurpose::Session,
        epoch: None,
        previous: false,
        device_cookie: None,
        registration_request: None,
    }
}

/// Logs in to it, and answers the token.
pub fn login(url: &str, email: &str) -> String {
    let logged_in = try_login(url, email).unwrap_or_else(|error| panic!("{error}"));
    logged_in.grant.token.expose().to_owned()
}
