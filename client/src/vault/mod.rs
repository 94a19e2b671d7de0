//! An open account: a session at the server, the keys to what it holds, and what this device has
//! seen of it. Pushing and pulling are its two verbs; each file here is one of their steps.

mod commit;
mod error;
mod fetch;
mod history;
mod ranged;
mod repair;
mod snapshot;
mod unlock;
mod upload;

use keybackup_protocol::{AccountId, DeviceId, EpochId, api};

pub use commit::{BlobAt, Change, Landed, NewBlob};
pub use error::VaultError;
pub use history::PastVersion;
pub use ranged::RangedBlob;
pub use repair::Sighting;
pub use snapshot::Notes;
pub use unlock::{LockedEpoch, UnlockKey, Unlocked};

use crate::records::{Keyring, LocalState};
use crate::remote::Remote;
use crate::secret::RootKey;

/// An open account. Made by a login, or from what one left on the device.
pub struct Vault {
    /// The server, with a session.
    pub remote: Remote,
    /// The account.
    pub account: AccountId,
    /// The epoch whose root key this is.
    pub epoch: EpochId,
    /// This device.
    pub device: DeviceId,
    /// Opens keyrings of this epoch.
    pub root: RootKey,
    /// The newest keyring seen, opened.
    pub keyring: Keyring,
    /// The same, as it is sealed, to be kept on the device.
    pub sealed_keyring: api::Keyring,
    /// What this device has seen.
    pub state: LocalState,
}

impl Vault {
    /// Fetches the newest keyring and opens it. It must be newer than the one held, and hold
    /// every key of that one: keys are added and retired, never dropped.
    fn refresh_keyring(&mut self) -> Result<(), VaultError> {
        let answer = self.remote.keyring()?;
        if answer.epoch != self.epoch {
            return Err(VaultError::OtherEpoch { held: self.epoch, served: answer.epoch });
        }
        let api::Keyring { version, sealed } = &answer.keyring;
        let keyring = Keyring::open(&self.root, self.account, self.epoch, *version, &sealed.0)?;
        if *version <= self.keyring.version() || !keyring.contains_all(&self.keyring) {
            return Err(VaultError::KeyringShrank);
        }
        self.keyring = keyring;
        self.sealed_keyring = answer.keyring;
        Ok(())
    }
}
