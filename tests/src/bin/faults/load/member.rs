//! An account, made by the client's library with a stretching of the password that costs nothing.

use std::error::Error;

use keybackup::account::{self, AccountError, Codes, Registration};
use keybackup::keys::phrase;
use keybackup::records::DeviceRecord;
use keybackup::secret::Password;
use keybackup_protocol::{Address, DeviceId, EpochId};
use keybackup_tests::PASSWORD;
use keybackup_tests::cheap::{CheapKsf, remote};

/// Its device; logins that look whether a password holds are from another.
const DEVICE: DeviceId = DeviceId::from_bytes([7; 16]);
const OTHER: DeviceId = DeviceId::from_bytes([8; 16]);

/// An account with a session.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) email: String,
    pub(crate) token: String,
    pub(crate) epoch: EpochId,
    pub(crate) keyring_version: u64,
    pub(crate) phrase: String,
}

impl Member {
    /// Registers; an error when nobody knows whether it was done.
    pub(crate) fn register(url: &str, email: &str) -> Result<Self, Lost> {
        let record = DeviceRecord {
            name: "faults".parse().expect("a name"),
            platform: "linux".to_owned(),
            created_at: 0,
        };
        let remote = remote(url);
        let (address, password) = (address(email), password(PASSWORD));
        let registration = Registration::start::<CheapKsf>(
            &remote,
            &address,
            &password,
            Codes::default(),
            DEVICE,
            &record,
        )
        .map_err(|error| Lost::of(&error))?;
        let (epoch, keyring_version) =
            (registration.epoch.id, registration.epoch.keyring.version());
        let phrase = registration.phrase().to_string();
        let grant = registration.commit(&remote).map_err(|error| Lost::of(&error))?;
        let token = grant.token.expose().to_owned();
        Ok(Self { email: email.to_owned(), token, epoch, keyring_version, phrase })
    }

    /// Gives it another password by a mailed code and its phrase.
    pub(crate) fn reset(&self, url: &str, code: &str, new: &str) -> Result<(), Lost> {
        let remote = remote(url);
        let phrase = phrase::parse(&self.phrase).expect("it was shown so");
        let address = address(&self.email);
        let reset = account::Reset::<CheapKsf>::start(
            &remote,
            &address,
            code,
            Some(&phrase),
            &password(new),
        )
        .map_err(|error| Lost::of(&error))?;
        reset.with_phrase(&remote, DEVICE).map(drop).map_err(|error| Lost::of(&error))
    }

    /// Whether this is the account's password.
    pub(crate) fn is_password(url: &str, email: &str, tried: &str) -> bool {
        let login = account::login::<CheapKsf>(
            &remote(url),
            &address(email),
            &password(tried),
            OTHER,
            None,
        );
        match login {
            Ok(_) => true,
            Err(AccountError::Opaque(_)) => false,
            Err(error) => panic!("a login of {email} failed: {}", chain(&error)),
        }
    }
}

/// Why there is no acknowledgement.
#[derive(Debug)]
pub(crate) struct Lost(pub(crate) String);

impl Lost {
    fn of(error: &(dyn Error + 'static)) -> Self {
        Self(chain(error))
    }
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn address(email: &str) -> Address {
    email.parse().expect("an address")
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}
