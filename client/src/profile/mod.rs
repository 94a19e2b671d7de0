//! What a device keeps for one profile, in `profiles/<name>/` of the data directory (0700, files
//! 0600):
//!
//! | file | holds |
//! |---|---|
//! | `profile.json` | server, address, ids, sealed keyring and recovery slot: nothing secret |
//! | `state.sealed` | what this device has seen of the account, sealed |
//! | `state-<epoch>.sealed` | the same of an epoch that this device was in before |
//! | `state.sealed.orphan` | the same of an earlier device, whose record is gone |
//! | `state-<account>.deleted.sealed`, `profile-<account>.deleted.json` | the same of an account that this device deleted |
//! | `snapshot` | the last listing and its `ETag` |
//! | `sent.json` | which labels were sent last |
//! | `upload` | the id of an upload that is under way |
//! | `parcel.sealed` | what is known of a blob that is sealed and not yet committed |
//! | `spool/` | sealed bytes on their way: nameless while they are made, `parcel` when they are whole |
//! | `cache/<persona>.sealed` | stat caches, sealed |
//! | `login.json` | token and root key, where no keyring keeps them |
//! | `lock` | locked by the one process that may write |
//!
//! `profile.json` is written before `state.sealed`, which only the device named there can open: a
//! process killed between the two leaves a device that has seen nothing yet.
//!
//! Reading needs no lock, since files are replaced whole. Logging out erases the login alone.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use keybackup_protocol::{EpochId, PersonaId, UploadId};

use crate::config::ProfileName;

mod caches;
pub mod durable;
mod error;
pub mod keychain;
mod lock;
mod login;
mod record;

pub use caches::{PARCEL, Sent, Snapshot};
pub use error::ProfileError;
pub use login::{FormerRoot, Login, Session};
pub use record::{FormerEpoch, Record};

/// The files of one profile.
#[derive(Debug, Clone)]
pub struct Profile {
    name: ProfileName,
    directory: PathBuf,
}

/// The same, held against other processes until dropped: what writes is here.
pub struct LockedProfile {
    profile: Profile,
    /// What is locked. Closing it unlocks.
    _lock: File,
}

impl Profile {
    /// The profile of that name. Touches nothing.
    pub fn at(data_dir: &Path, name: &ProfileName) -> Self {
        Self { name: name.clone(), directory: data_dir.join("profiles").join(name.as_str()) }
    }

    /// Where it is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is known of account and device; `None` before the first login.
    pub fn record(&self) -> Result<Option<Record>, ProfileError> {
        let path = self.path("profile.json");
        let bytes = read(&path)?;
        bytes.map(|bytes| Record::parse(&bytes, path)).transpose()
    }

    /// The sealed local state of the record's epoch.
    pub fn state(&self, epoch: &EpochId) -> Result<Option<Vec<u8>>, ProfileError> {
        // Where a process was killed in the middle of a move to or from it.
        match read(&self.path("state.sealed"))? {
            None => self.former_state(epoch),
            found => Ok(found),
        }
    }

    /// The same of an epoch that this device was in before.
    pub fn former_state(&self, epoch: &EpochId) -> Result<Option<Vec<u8>>, ProfileError> {
        read(&self.path(&format!("state-{epoch}.sealed")))
    }

    /// The last listing, if a whole one is there.
    pub fn snapshot(&self) -> Option<Snapshot> {
        Snapshot::parse(&std::fs::read(self.path("snapshot")).ok()?)
    }

    /// What this device sent last, newest first, as far as that was noted.
    pub fn sent(&self) -> Vec<Sent> {
        let bytes = std::fs::read(self.path("sent.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The upload that was under way last, if it was not finished.
    pub fn upload(&self) -> Option<UploadId> {
        std::fs::read_to_string(self.path("upload")).ok()?.parse().ok()
    }

    /// The sealed record of a blob that was to be sent, if one was left.
    pub fn parcel(&self) -> Option<Vec<u8>> {
        std::fs::read(self.path("parcel.sealed")).ok()
    }

    /// The sealed stat cache of a persona, if one is there.
    pub fn stat_cache(&self, persona: &PersonaId) -> Option<Vec<u8>> {
        std::fs::read(self.cache_path(persona)).ok()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn cache_path(&self, persona: &PersonaId) -> PathBuf {
        self.path("cache").join(format!("{persona}.sealed"))
    }
}

impl LockedProfile {
    /// Keeps what is known of account and device.
    pub fn save_record(&self, record: &Record) -> Result<(), ProfileError> {
        self.save("profile.json", &record.to_bytes())
    }

    /// Keeps the sealed local state. When this returns it is on the disk.
    pub fn save_state(&self, sealed: &[u8]) -> Result<(), ProfileError> {
        self.save("state.sealed", sealed)
    }

    /// Keeps the sealed local state for when this device is back in its epoch.
    pub fn leave_epoch(&self, epoch: &EpochId) -> Result<(), ProfileError> {
        let path = self.path("state.sealed");
        match durable::rename(&path, &self.path(&format!("state-{epoch}.sealed"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ProfileError::writing(path, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the local state of an epoch that is no longer a former one.
    pub fn forget_former_state(&self, epoch: &EpochId) -> Result<(), ProfileError> {
        let path = self.path(&format!("state-{epoch}.sealed"));
        durable::remove(&path).map_err(|source| ProfileError::writing(path, source))
    }

    /// Sets the sealed local state aside, if there is one, and tells where it is now. It belongs to
    /// a device whose record is gone, and so is what opens it.
    pub fn set_state_aside(&self) -> Result<Option<PathBuf>, ProfileError> {
        let (path, aside) = (self.path("state.sealed"), self.path("state.sealed.orphan"));
        match durable::rename(&path, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ProfileError::writing(path, source)),
        }
    }

    /// Sets record and local state of a deleted account aside, so that the profile is free for another.
    pub fn set_account_aside(&self, record: &Record) -> Result<(), ProfileError> {
        let account = record.account_id;
        // The record last: with it alone the profile is still the account's.
        for (name, aside) in [
            ("state.sealed", format!("state-{account}.deleted.sealed")),
            ("profile.json", format!("profile-{account}.deleted.json")),
        ] {
            let path = self.path(name);
            match durable::rename(&path, &self.path(&aside)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ProfileError::writing(path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Fails if there is no room for the files of a profile now, or they can't be written.
    pub fn probe(&self) -> Result<(), ProfileError> {
        durable::probe(&self.directory)
            .map_err(|source| ProfileError::writing(self.directory.clone(), source))
    }

    /// Removes what killed processes left unfinished: there may be a login in it.
    fn sweep(&self) -> Result<(), ProfileError> {
        for directory in [self.directory.clone(), self.path("cache")] {
            durable::sweep(&directory)
                .map_err(|source| ProfileError::writing(directory, source))?;
        }
        Ok(())
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Result<(), ProfileError> {
        let path = self.path(name);
        durable::replace(&path, bytes).map_err(|source| ProfileError::writing(path, source))
    }
}

impl Deref for LockedProfile {
    type Target = Profile;

    fn deref(&self) -> &Profile {
        &self.profile
    }
}

/// The bytes of a file, if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ProfileError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ProfileError::reading(path.to_owned(), source)),
    }
}

#[cfg(test)]
mod tests;
