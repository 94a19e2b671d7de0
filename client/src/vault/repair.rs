//! The account as the server has it, opened and not held against what this device has seen: for who
//! is asked what to make of a contradiction.

use super::{Vault, VaultError};
use crate::marks::Opened;
use crate::remote::Fetched;

impl Vault {
    /// Fetches the listing past every cache and opens it. Everything in it was made by who has the
    /// account's keys; whether it is the newest that they made, this does not ask.
    pub fn look_unchecked(&mut self) -> Result<Opened, VaultError> {
        let Fetched::Fresh { listing, .. } = self.remote.listing(None)? else {
            unreachable!("`listing` refuses a 304 it did not ask for")
        };
        if listing.epoch != self.epoch {
            return Err(VaultError::OtherEpoch { held: self.epoch, served: listing.epoch });
        }
        if listing.keyring_version > self.keyring.version() {
            self.refresh_keyring()?;
        }
        Ok(Opened::open(&listing, &self.keyring, self.account)?)
    }

    /// Fetches what [`crate::marks::contradictions`] needs beside the listing. A chain that does not
    /// open, or does not end, is left out: it counts as broken then.
    pub fn fetch_chains(&self, opened: &mut Opened) -> Result<(), VaultError> {
        for need in crate::marks::chains_needed(&self.state, opened) {
            match self.fetch_chain(opened, &self.keyring, need.persona, need.from) {
                Ok(()) | Err(VaultError::Listing(_) | VaultError::Contradiction(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
