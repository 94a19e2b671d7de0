//! Accounts made by the client's library, all but the stretching of the password, which a server
//! never sees.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use keybackup::account::{Codes, Registration};
use keybackup::records::DeviceRecord;
use keybackup::secret::{DeviceCookie, Password};
use keybackup_protocol::{Address, DeviceId};
use keybackup_tests::PASSWORD;
use keybackup_tests::cheap::{CheapKsf, remote};

use crate::failure::{Failure, Result};

/// How many register at once.
const THREADS: usize = 4;
/// Its device; logins are from another.
pub(crate) const DEVICE: DeviceId = DeviceId::from_bytes([7; 16]);

/// An account with a session.
pub(crate) struct Account {
    pub(crate) address: Address,
    pub(crate) registration: Registration,
    pub(crate) token: String,
    /// Of a device that may try as many passwords as strangers together.
    pub(crate) cookie: DeviceCookie,
}

/// Its password.
pub(crate) fn password() -> Password {
    Password::new(PASSWORD.to_owned())
}

/// A failure of the client's library.
pub(crate) fn library(error: impl std::error::Error) -> Failure {
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    Failure::Library(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// Registers `count` accounts at the server at `url`.
pub(crate) fn register(url: &str, count: usize) -> Result<Vec<Account>> {
    let next = AtomicUsize::new(0);
    let some = || -> Result<Vec<Account>> {
        let remote = remote(url);
        let mut accounts = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return Ok(accounts);
            }
            let address = format!("user{n}@example.org");
            let address = address.parse().map_err(library)?;
            let record = DeviceRecord {
                name: "bench".parse().map_err(library)?,
                platform: "linux".to_owned(),
                created_at: 0,
            };
            let registration = Registration::start::<CheapKsf>(
                &remote,
                &address,
                &password(),
                Codes::default(),
                DEVICE,
                &record,
            )
            .map_err(library)?;
            let grant = registration.commit(&remote).map_err(library)?;
            let token = grant.token.expose().to_owned();
            accounts.push(Account { address, registration, token, cookie: grant.device_cookie });
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(some)).collect();
        let mut accounts = Vec::new();
        for thread in threads {
            accounts.extend(thread.join().expect("it returns its failures")?);
        }
        Ok(accounts)
    })
}
