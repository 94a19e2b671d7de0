//! The account as the server has it, opened as far as it opens and not held against what this device
//! has seen: for who is asked what to make of a contradiction.

use std::collections::BTreeMap;

use keybackup_protocol::PersonaId;

use super::{Vault, VaultError};
use crate::marks::{self, Contradiction, Contradictions, Opened, Unopened};
use crate::remote::Fetched;

/// A listing, and what contradicts in it.
pub struct Sighting {
    /// The listing. Where the newest label of a persona does not open, the newest one that does is in
    /// its place; where the index does not open, one that is made of the labels.
    pub opened: Opened,
    /// What contradicts.
    pub found: Contradictions,
    /// The newest versions of personas whose newest labels do not open.
    pub foreign: BTreeMap<PersonaId, u64>,
}

impl Vault {
    /// Fetches the listing past every cache, and tells all that contradicts in it.
    pub fn look_unchecked(&mut self) -> Result<Sighting, VaultError> {
        let Fetched::Fresh { listing, .. } = self.remote.listing(None)? else {
            unreachable!("`listing` refuses a 304 it did not ask for")
        };
        if listing.epoch != self.epoch {
            return Err(VaultError::OtherEpoch { held: self.epoch, served: listing.epoch });
        }
        if listing.keyring_version > self.keyring.version() {
            self.refresh_keyring()?;
        }
        let (mut opened, unopened) =
            Opened::open_what_opens(&listing, &self.keyring, self.account)?;
        let Unopened { personas, index } = unopened;
        let mut foreign = BTreeMap::new();
        for listed in personas {
            foreign.insert(listed.id, listed.version);
            let labels = self.labels(listed.id, listed.version)?.opened;
            if let Some((label, stored_at)) = labels.into_iter().next_back() {
                opened.stand_in(listed.id, label, stored_at, listed.trashed);
            }
        }
        if index {
            opened.index_from_labels()?;
        }
        self.fetch_chains(&mut opened)?;
        let mut found = marks::contradictions(&self.state, &opened);
        if index {
            let counter = opened.index.counter();
            found.account = Some(Contradiction::ForeignIndex { counter });
        }
        for (persona, version) in &foreign {
            let (persona, version) = (*persona, *version);
            let ours = opened.personas.get(&persona).map(|ours| ours.label.label.version);
            found.personas.insert(persona, Contradiction::Foreign { persona, version, ours });
        }
        Ok(Sighting { opened, found, foreign })
    }

    /// A chain that does not open, or does not end, is left out: it counts as broken then.
    fn fetch_chains(&self, opened: &mut Opened) -> Result<(), VaultError> {
        for need in marks::chains_needed(&self.state, opened) {
            match self.fetch_chain(opened, &self.keyring, need.persona, need.from) {
                Ok(()) | Err(VaultError::Listing(_) | VaultError::Contradiction(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
