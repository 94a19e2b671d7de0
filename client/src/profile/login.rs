//! The login: token, root key and device cookie, in the keyring of the system if one answers,
//! else in a file that only the owner can read. Logging out leaves the cookie, which tells the
//! server that it knows this device, and opens nothing.

use std::error::Error as _;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use keybackup_protocol::EpochId;
use zeroize::Zeroizing;

use super::keychain::{Keychain, KeychainError, SERVICE, System};
use super::{LockedProfile, Profile, ProfileError, Record, durable, read};
use crate::config::StoreKind;

mod text;

/// What a device needs to come back without a password.
#[derive(Default)]
pub struct Login {
    /// The session, until logout.
    pub session: Option<Session>,
    /// What makes this device known to the server.
    pub device_cookie: Option<Zeroizing<String>>,
}

/// A session, and the key that opens what it can fetch.
pub struct Session {
    /// The bearer token.
    pub token: Zeroizing<String>,
    /// The root key.
    pub root: Zeroizing<[u8; 32]>,
    /// Unix seconds after which the token is void.
    pub expires_at: i64,
    /// Root keys of epochs that this device was in before: with them it can unlock these.
    pub former: Vec<FormerRoot>,
}

/// The root key of an epoch that a device was in before.
#[derive(Clone)]
pub struct FormerRoot {
    /// The epoch.
    pub epoch: EpochId,
    /// Its root key.
    pub root: Zeroizing<[u8; 32]>,
}

impl Login {
    /// A login with all its parts, copied.
    pub fn new(token: &str, root: &[u8; 32], expires_at: i64, device_cookie: &str) -> Self {
        Self {
            session: Some(Session {
                token: Zeroizing::new(token.to_owned()),
                root: Zeroizing::new(*root),
                expires_at,
                former: Vec::new(),
            }),
            device_cookie: Some(Zeroizing::new(device_cookie.to_owned())),
        }
    }
}

impl Profile {
    /// The stored login. `None` where none is kept, or the file that kept it is gone.
    pub fn login(&self, record: &Record) -> Result<Option<Login>, ProfileError> {
        self.login_in(record, &System::default())
    }

    /// The same, where one that can't be read counts as none, after a warning: a new login takes
    /// its place.
    pub fn login_or_none(&self, record: &Record, warn: impl FnOnce(&str)) -> Option<Login> {
        self.login_or_none_in(record, &System::default(), warn)
    }

    pub(super) fn login_or_none_in(
        &self,
        record: &Record,
        keychain: &dyn Keychain,
        warn: impl FnOnce(&str),
    ) -> Option<Login> {
        self.login_in(record, keychain).unwrap_or_else(|error| {
            warn(&format!("the stored login can't be read, and counts as none: {}", told(&error)));
            None
        })
    }

    pub(super) fn login_in(
        &self,
        record: &Record,
        keychain: &dyn Keychain,
    ) -> Result<Option<Login>, ProfileError> {
        let bytes = match record.stored {
            Some(StoreKind::Keyring) => {
                keychain.load(&entry(record)).map_err(ProfileError::Keychain)?
            }
            Some(StoreKind::File) => {
                let path = self.path("login.json");
                make_private(&path)?;
                read(&path)?.map(Zeroizing::new)
            }
            Some(StoreKind::None) | None => None,
        };
        bytes.map(|bytes| Login::parse(&bytes)).transpose()
    }

    /// Whether others could read the file that keeps the login; `None` if there is none.
    pub fn login_file_mode(&self) -> Option<u32> {
        let metadata = std::fs::metadata(self.path("login.json")).ok()?;
        Some(metadata.permissions().mode() & 0o777)
    }
}

impl LockedProfile {
    /// Keeps a login and tells where. Without a `choice` that is the keyring if it answers, else,
    /// after `say`ing so once, a file. What an earlier login left elsewhere is erased; a keyring
    /// that does not do so is no error, and `say` tells it.
    ///
    /// The caller writes where it is into the record, which has to be there already.
    pub fn save_login(
        &self,
        login: &Login,
        choice: Option<StoreKind>,
        keychain: &dyn Keychain,
        mut say: impl FnMut(&str),
    ) -> Result<StoreKind, ProfileError> {
        let record = self.record()?.ok_or(ProfileError::NoRecord)?;
        let bytes = login.to_bytes();
        let in_keyring = || {
            // Noted first, so that a process which is killed between the two leaves nothing in the
            // keyring that no logout would look for.
            let noted = Record { stored: Some(StoreKind::Keyring), ..record.clone() };
            self.save_record(&noted).map_err(|error| KeychainError::Note(told(&error)))?;
            keychain.save(&entry(&record), &bytes)
        };
        let stored = match (choice, record.stored) {
            (Some(StoreKind::Keyring), _) => {
                in_keyring().map_err(ProfileError::Keychain)?;
                StoreKind::Keyring
            }
            (Some(StoreKind::None), _) => StoreKind::None,
            // Told at an earlier login: no need to wait for the keyring and to say it again.
            (Some(StoreKind::File), _) | (None, Some(StoreKind::File)) => {
                self.save("login.json", &bytes)?;
                StoreKind::File
            }
            (None, _) => match in_keyring() {
                Ok(()) => StoreKind::Keyring,
                Err(why) => {
                    say(&format!(
                        "no keyring keeps the login ({why}): it goes to {}, which only you can read",
                        self.path("login.json").display()
                    ));
                    self.save("login.json", &bytes)?;
                    StoreKind::File
                }
            },
        };
        if stored != StoreKind::File {
            self.erase_file()?;
        }
        if stored != StoreKind::Keyring && record.stored == Some(StoreKind::Keyring) {
            erase_entry(&record, keychain, say);
        }
        Ok(stored)
    }

    /// Erases token and root key, from every place that may have them. The device cookie stays if
    /// it can, and so does all else. A keyring that does not erase is no error, and `warn` tells
    /// it.
    pub fn end_session(&self, record: &Record, warn: impl FnMut(&str)) -> Result<(), ProfileError> {
        self.end_session_in(record, &System::default(), warn)
    }

    pub(super) fn end_session_in(
        &self,
        record: &Record,
        keychain: &dyn Keychain,
        warn: impl FnMut(&str),
    ) -> Result<(), ProfileError> {
        // A login that does not parse is erased all the same.
        let kept = self.login_in(record, keychain).ok().flatten().and_then(|login| {
            login.device_cookie.map(|cookie| Login { session: None, device_cookie: Some(cookie) })
        });
        // The file goes before another is written: there may be no room for one.
        let erased = self.erase_file().and_then(|()| self.sweep());
        match (record.stored, kept) {
            (Some(StoreKind::Keyring), kept) => {
                let replaced = kept
                    .is_some_and(|login| keychain.save(&entry(record), &login.to_bytes()).is_ok());
                if !replaced {
                    erase_entry(record, keychain, warn);
                }
            }
            (Some(StoreKind::File), Some(login)) if erased.is_ok() => {
                // Without its cookie this device is a new one to the server's counting of
                // attempts, and nothing worse.
                let _ = self.save("login.json", &login.to_bytes());
            }
            (Some(StoreKind::File | StoreKind::None) | None, _) => {}
        }
        erased
    }

    /// Erases the login file of a profile that has no record.
    pub fn erase_orphan(&self) -> Result<(), ProfileError> {
        self.erase_file()
    }

    fn erase_file(&self) -> Result<(), ProfileError> {
        let path = self.path("login.json");
        durable::remove(&path).map_err(|source| ProfileError::writing(path, source))
    }
}

/// What the keyring calls it: unique to this device, so that profiles of one name in different
/// data directories do not meet.
fn entry(record: &Record) -> String {
    record.device_id.to_string()
}

/// Erases the login that the keyring keeps, or has the person told that it is still there.
fn erase_entry(record: &Record, keychain: &dyn Keychain, mut warn: impl FnMut(&str)) {
    if let Err(why) = keychain.erase(&entry(record)) {
        warn(&format!(
            "the keyring may still have the old login, as {} of {SERVICE}: it could not be erased \
             ({why})",
            entry(record)
        ));
    }
}

/// An error with its causes. None of them quotes a login.
fn told(error: &ProfileError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Takes from a file what its mode gives to others.
fn make_private(path: &Path) -> Result<(), ProfileError> {
    let tightened = std::fs::metadata(path).and_then(|metadata| {
        let mode = metadata.permissions().mode();
        match mode & durable::FOR_OTHERS {
            0 => Ok(()),
            _ => std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700)),
        }
    });
    match tightened {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ProfileError::writing(path.to_owned(), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
