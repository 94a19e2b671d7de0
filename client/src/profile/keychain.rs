//! The keyring of the operating system, which may be absent, locked, or never answer: every call
//! is bounded, by a thread that is left behind if need be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

/// What entries are filed under.
pub(super) const SERVICE: &str = "keybackup";
/// How long a keyring may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Keeps secrets by name.
pub trait Keychain {
    /// The secret of that name, if there is one.
    fn load(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError>;

    /// Keeps a secret in place of what the name had.
    fn save(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError>;

    /// Forgets the secret of that name, if there is one.
    fn erase(&self, name: &str) -> Result<(), KeychainError>;
}

/// Why a keyring did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// There is none.
    #[error("there is no keyring here")]
    Absent,
    /// It did not answer in time.
    #[error("the keyring does not answer")]
    Silent,
    /// It answered no, for this reason. Its own error may hold the secret, so its text alone is
    /// taken over.
    #[error("the keyring refuses: {0}")]
    Refused(String),
    /// It has no secret of that name.
    #[error("the keyring has no such entry")]
    NoEntry,
    /// It was not asked: that it might have the login could not be noted first.
    #[error("where the login is can't be noted: {0}")]
    Note(String),
    /// No thread could be had to ask it.
    #[error("the keyring could not be asked")]
    Thread(#[source] std::io::Error),
}

/// The keyring of the operating system: Secret Service, Keychain.
#[derive(Debug, Clone, Copy)]
pub struct System {
    patience: Duration,
}

impl Default for System {
    fn default() -> Self {
        Self { patience: PATIENCE }
    }
}

impl Keychain for System {
    fn load(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        let answer = self.bounded(name, |entry, _| entry.get_secret().map(Zeroizing::new));
        match answer {
            Ok(secret) => Ok(Some(secret)),
            Err(KeychainError::NoEntry) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, name: &str, secret: &[u8]) -> Result<(), KeychainError> {
        let secret = Zeroizing::new(secret.to_vec());
        self.bounded(name, move |entry, abandoned| {
            entry.set_secret(&secret)?;
            if abandoned.load(Ordering::Acquire) {
                // Nobody waits any more: the secret is elsewhere by now, and must not be here.
                entry.delete_credential()?;
            }
            Ok(())
        })
    }

    fn erase(&self, name: &str) -> Result<(), KeychainError> {
        match self.bounded(name, |entry, _| entry.delete_credential()) {
            Err(KeychainError::NoEntry) => Ok(()),
            answer => answer,
        }
    }
}

impl System {
    fn bounded<T: Send + 'static>(
        self,
        name: &str,
        ask: impl FnOnce(&keyring::Entry, &AtomicBool) -> keyring::Result<T> + Send + 'static,
    ) -> Result<T, KeychainError> {
        let name = name.to_owned();
        within(self.patience, move |abandoned| {
            keyring::Entry::new(SERVICE, &name).and_then(|entry| ask(&entry, abandoned))
        })?
        .map_err(|error| match error {
            keyring::Error::NoDefaultStore => KeychainError::Absent,
            keyring::Error::NoEntry => KeychainError::NoEntry,
            error => KeychainError::Refused(error.to_string()),
        })
    }
}

/// What `work` answers within `patience`. Later its flag says that nobody listens.
fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, KeychainError> {
    let abandoned = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = mpsc::sync_channel(1);
    let seen = Arc::clone(&abandoned);
    thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || {
            // Whoever gave up does not receive it.
            let _ = sender.send(work(&seen));
        })
        .map_err(KeychainError::Thread)?;
    receiver.recv_timeout(patience).map_err(|_| {
        abandoned.store(true, Ordering::Release);
        KeychainError::Silent
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_never_answers_is_left_behind_and_learns_it() {
        let (ended, end) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let answer = within(Duration::from_millis(1), move |abandoned| {
            released.recv().expect("released");
            ended.send(abandoned.load(Ordering::Acquire)).expect("awaited");
        });
        assert!(matches!(answer, Err(KeychainError::Silent)));
        release.send(()).expect("it waits");
        assert!(end.recv().expect("it ends"), "it is told that nobody listens");
    }

    #[test]
    fn one_that_answers_is_heard() {
        assert_eq!(within(PATIENCE, |_| 7).expect("an answer"), 7);
    }
}
