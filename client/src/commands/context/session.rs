//! An open account, and the profile it is remembered in.

use rand08::rngs::OsRng;

use super::now;
use crate::error::{Code, Failure};
use crate::marks::Opened;
use crate::profile::{LockedProfile, Record, Snapshot};
use crate::ui::Warner;
use crate::vault::{ListingCache, Vault};

/// An open account and the profile it is remembered in, locked until this is dropped.
pub struct Session {
    /// The account.
    pub vault: Vault,
    /// Where it is remembered.
    pub profile: LockedProfile,
    /// What is remembered.
    pub record: Record,
    /// Whether a commit was made, or tried, since the last snapshot.
    pub stale: bool,
    /// Tells what can't be remembered.
    pub warner: Warner,
}

impl Session {
    /// The account as the server has it, checked; what is new in it is remembered. A profile that
    /// can't be written is no reason not to look, nor to restore.
    pub fn snapshot(&mut self) -> Result<Opened, Failure> {
        let opened = self.vault.snapshot(&mut Cache(&self.profile))?;
        self.stale = false;
        let is_new = self.vault.state.absorb(&opened, now());
        let kept = match self.remember_keyring() {
            Ok(()) if is_new => self.save_state(),
            kept => kept,
        };
        kept.unwrap_or_else(|failure| self.warn_unkept(&failure));
        Ok(opened)
    }

    /// Writes what is known of account and device, and what this device has seen.
    pub fn remember(&self) -> Result<(), Failure> {
        // In this order: a state without the record of its device could never be opened.
        self.profile.save_record(&self.record)?;
        self.save_state()
    }

    /// [`Self::save_state`] for who only reads: failing to is told, and no failure.
    pub fn keep_state(&self) {
        self.save_state().unwrap_or_else(|failure| self.warn_unkept(&failure));
    }

    pub(super) fn warn_unkept(&self, failure: &Failure) {
        self.warner.warn(format!(
            "what this device has seen can't be kept, so it may not notice a server that goes \
             back: {failure}"
        ));
    }

    /// Seals what this device has seen and writes it durably.
    pub fn save_state(&self) -> Result<(), Failure> {
        let vault = &self.vault;
        let sealed = vault
            .state
            .seal(&mut OsRng, &vault.keyring, vault.account, vault.device)
            .map_err(|error| Failure::of(Code::Internal, &error))?;
        Ok(self.profile.save_state(&sealed)?)
    }

    fn remember_keyring(&mut self) -> Result<(), Failure> {
        if self.record.keyring != self.vault.sealed_keyring {
            self.record.keyring = self.vault.sealed_keyring.clone();
            self.profile.save_record(&self.record)?;
        }
        Ok(())
    }
}

/// The listing kept in the profile.
pub struct Cache<'a>(pub &'a LockedProfile);

impl ListingCache for Cache<'_> {
    fn load(&self) -> Option<(String, Vec<u8>)> {
        self.0.snapshot().map(|Snapshot { etag, listing }| (etag, listing))
    }

    fn store(&mut self, etag: &str, bytes: &[u8]) {
        let snapshot = Snapshot { etag: etag.to_owned(), listing: bytes.to_vec() };
        // A listing that can't be kept is fetched again: slower, and nothing worse.
        let _ = self.0.save_snapshot(&snapshot);
    }
}
