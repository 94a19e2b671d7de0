//! A listing, opened: index and newest labels in the clear, not yet held against anything.

use std::collections::BTreeMap;

use keybackup_protocol::api::{ListedLabel, ListedPersona, Listing};
use keybackup_protocol::{AccountId, EpochId, PersonaId};

use crate::records::{Digest, Index, IndexError, Keyring, Label, OpenedLabel, RecordError};

/// One snapshot of an account, opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The account.
    pub account: AccountId,
    /// The epoch that the server calls current.
    pub epoch: EpochId,
    /// The keyring version that the server calls newest.
    pub keyring_version: u64,
    /// The index.
    pub index: Index,
    /// BLAKE3 of the sealed index.
    pub index_hash: Digest,
    /// Every persona, removed ones too.
    pub personas: BTreeMap<PersonaId, OpenedPersona>,
}

/// One persona of a listing.
#[derive(Debug, Clone)]
pub struct OpenedPersona {
    /// Its newest label.
    pub label: OpenedLabel,
    /// When the server says that label came, in unix seconds. Not authenticated.
    pub stored_at: i64,
    /// Whether the server says that a bare `DELETE` moved it to the trash. Not authenticated.
    pub trashed: bool,
    /// Labels below the newest, oldest first, as far as they were fetched.
    pub(super) chain: Vec<OpenedLabel>,
}

/// What of a listing does not open: no key of the account made it.
#[derive(Debug, Clone, Default)]
pub struct Unopened {
    /// Personas whose newest labels don't.
    pub personas: Vec<ListedPersona>,
    /// Whether the index doesn't.
    pub index: bool,
}

/// Why a listing does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// Of another account.
    #[error("the listing is of another account ({0})")]
    OtherAccount(AccountId),
    /// There is a newer keyring than the one given: fetch it first.
    #[error("the listing needs keyring {listed}, and {held} is at hand")]
    StaleKeyring {
        /// The version given.
        held: u64,
        /// The version that the server calls newest.
        listed: u64,
    },
    /// The server calls an older keyring the newest.
    #[error("the server's newest keyring is {listed}, and {held} is at hand")]
    KeyringRolledBack {
        /// The version given.
        held: u64,
        /// The version that the server calls newest.
        listed: u64,
    },
    /// One persona twice.
    #[error("persona {0} is listed twice")]
    Duplicate(PersonaId),
    /// The index does not open.
    #[error("the index does not open")]
    Index(#[source] RecordError),
    /// A label does not open.
    #[error("the label of version {version} of persona {persona} does not open")]
    Label {
        /// Whose.
        persona: PersonaId,
        /// Which version the server calls it.
        version: u64,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// Labels came for a persona that the listing does not have.
    #[error("persona {0} is not in the listing")]
    NotListed(PersonaId),
}

impl OpenedPersona {
    /// The same persona as one of its other labels has it.
    #[must_use]
    pub fn with_label(&self, label: OpenedLabel, stored_at: i64) -> Self {
        Self { label, stored_at, ..self.clone() }
    }
}

impl Opened {
    /// Opens index and labels of a listing with the keyring that it names.
    pub fn open(
        listing: &Listing,
        keyring: &Keyring,
        account: AccountId,
    ) -> Result<Self, ListingError> {
        if listing.account_id != account {
            return Err(ListingError::OtherAccount(listing.account_id));
        }
        let (held, listed) = (keyring.version(), listing.keyring_version);
        if held < listed {
            return Err(ListingError::StaleKeyring { held, listed });
        }
        if held > listed {
            return Err(ListingError::KeyringRolledBack { held, listed });
        }
        let sealed_index = &listing.index.sealed.0;
        let counter = listing.index.counter;
        let index = Index::open(keyring, account, listing.epoch, counter, sealed_index)
            .map_err(ListingError::Index)?;
        let mut personas = BTreeMap::new();
        for persona in &listing.personas {
            let opened = OpenedPersona {
                label: open_label(keyring, account, persona.id, persona.version, &persona.label.0)?,
                stored_at: persona.stored_at,
                trashed: persona.trashed,
                chain: Vec::new(),
            };
            if personas.insert(persona.id, opened).is_some() {
                return Err(ListingError::Duplicate(persona.id));
            }
        }
        Ok(Self {
            account,
            epoch: listing.epoch,
            keyring_version: listed,
            index,
            index_hash: Digest::of(sealed_index),
            personas,
        })
    }

    /// The same where what does not open is told beside the rest: a session that somebody else holds
    /// can put anything there. Without an index that opens there is an empty one, of its counter.
    pub fn open_what_opens(
        listing: &Listing,
        keyring: &Keyring,
        account: AccountId,
    ) -> Result<(Self, Unopened), ListingError> {
        let mut sound = Listing { personas: Vec::new(), ..listing.clone() };
        let mut unopened = Unopened::default();
        for persona in &listing.personas {
            let (id, version, sealed) = (persona.id, persona.version, &persona.label.0);
            match open_label(keyring, account, id, version, sealed) {
                Ok(_) => sound.personas.push(persona.clone()),
                Err(_) => unopened.personas.push(persona.clone()),
            }
        }
        match Self::open(&sound, keyring, account) {
            Err(ListingError::Index(_)) => unopened.index = true,
            opened => return Ok((opened?, unopened)),
        }
        let index = Index::empty(sound.index.counter, keyring.version());
        let mut opened = Self {
            account,
            epoch: sound.epoch,
            keyring_version: keyring.version(),
            index,
            index_hash: Digest::of(&sound.index.sealed.0),
            personas: BTreeMap::new(),
        };
        for persona in &sound.personas {
            let label =
                open_label(keyring, account, persona.id, persona.version, &persona.label.0)?;
            opened.stand_in(persona.id, label, persona.stored_at, persona.trashed);
        }
        Ok((opened, unopened))
    }

    /// Puts a label in the place of a newest one that does not open.
    pub fn stand_in(
        &mut self,
        persona: PersonaId,
        label: OpenedLabel,
        stored_at: i64,
        trashed: bool,
    ) {
        self.personas
            .insert(persona, OpenedPersona { label, stored_at, trashed, chain: Vec::new() });
    }

    /// Makes the index out of the labels. Of two personas of one name the index has one: the other is
    /// found not to be in it, and a person decides.
    pub fn index_from_labels(&mut self) -> Result<(), ListingError> {
        for (persona, OpenedPersona { label, .. }) in &self.personas {
            match self.index.put(*persona, &label.label, label.hash) {
                Ok(()) | Err(IndexError::NameTaken { .. }) => {}
                Err(_) => return Err(ListingError::NotListed(*persona)),
            }
        }
        Ok(())
    }

    /// Opens labels fetched for [`chains_needed`](super::chains_needed), and keeps those below the
    /// persona's newest after the ones added before.
    pub fn add_chain(
        &mut self,
        persona: PersonaId,
        labels: &[ListedLabel],
        keyring: &Keyring,
    ) -> Result<(), ListingError> {
        let listed = self.personas.get_mut(&persona).ok_or(ListingError::NotListed(persona))?;
        let newest = listed.label.label.version;
        for label in labels.iter().filter(|label| label.version < newest) {
            let (version, sealed) = (label.version, &label.label.0);
            listed.chain.push(open_label(keyring, self.account, persona, version, sealed)?);
        }
        Ok(())
    }
}

fn open_label(
    keyring: &Keyring,
    account: AccountId,
    persona: PersonaId,
    version: u64,
    sealed: &[u8],
) -> Result<OpenedLabel, ListingError> {
    Label::open(keyring, account, persona, version, sealed).map_err(|source| ListingError::Label {
        persona,
        version,
        source,
    })
}
