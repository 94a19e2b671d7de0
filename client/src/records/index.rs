//! The index: what an account has, and how far each persona must have come at least.

use std::collections::{BTreeMap, HashSet};

use keybackup_protocol::limits::MAX_PERSONAS;
use keybackup_protocol::{AccountId, EpochId, PersonaId};
use rand08::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::json::{decode, encode, writable};
use super::unknown::Unknown;
use super::{
    Digest, KeyState, Keyring, Kind, Label, Name, RecordError, Rule, SealedRecord, WRITER, ordinal,
};
use crate::keys;
use crate::seal::{Binding, object};

/// One object of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: Name,
    /// The version below which no listing may be.
    pub floor: u64,
    /// BLAKE3 of the sealed label of that version.
    pub label: Digest,
    /// Whether that version removed it.
    pub removed: bool,
    unknown: Unknown,
}

/// Everything that an account has, in one epoch. Names of what is not removed are unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    counter: u64,
    keyring_version: u64,
    min_writer: u32,
    objects: BTreeMap<PersonaId, IndexEntry>,
    unknown: Unknown,
}

/// Why an index can't take a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Another persona has the name.
    #[error("another persona is called {name}")]
    NameTaken {
        /// The name.
        name: Name,
        /// Who has it.
        by: PersonaId,
    },
    /// Floors only rise.
    #[error("version {version} is not above the floor {floor}")]
    NotAboveFloor {
        /// The version to set.
        version: u64,
        /// The floor that stands.
        floor: u64,
    },
    /// A persona stays of one kind.
    #[error("the persona is of another kind")]
    OtherKind,
    /// Two indexes name different labels for one version.
    #[error("version {floor} of {persona} is not the same in both indexes")]
    Fork {
        /// The persona.
        persona: PersonaId,
        /// The version.
        floor: u64,
    },
    /// More personas than an account can have.
    #[error("the account has its {MAX_PERSONAS} personas already")]
    TooMany,
}

impl Index {
    /// Counter 1, without objects.
    pub fn new(keyring_version: u64) -> Self {
        Self::empty(1, keyring_version)
    }

    /// Without objects, in the place of one that does not open.
    pub fn empty(counter: u64, keyring_version: u64) -> Self {
        Self {
            counter,
            keyring_version,
            min_writer: WRITER,
            objects: BTreeMap::new(),
            unknown: Unknown::new(),
        }
    }

    /// Counts up with every commit, from 1.
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// The keyring that its writer knew.
    pub const fn keyring_version(&self) -> u64 {
        self.keyring_version
    }

    /// All objects, removed ones too, by id.
    pub const fn objects(&self) -> &BTreeMap<PersonaId, IndexEntry> {
        &self.objects
    }

    /// The object with this id.
    pub fn get(&self, persona: &PersonaId) -> Option<&IndexEntry> {
        self.objects.get(persona)
    }

    /// The object with this name that is not removed.
    pub fn by_name(&self, name: &str) -> Option<(PersonaId, &IndexEntry)> {
        let named = |entry: &IndexEntry| !entry.removed && entry.name.as_str() == name;
        self.objects.iter().find(|(_, entry)| named(entry)).map(|(id, entry)| (*id, entry))
    }

    /// Enters a new version: its label's name, kind and removal, and the floor at its version.
    pub fn put(
        &mut self,
        persona: PersonaId,
        label: &Label,
        hash: Digest,
    ) -> Result<(), IndexError> {
        if !label.removed
            && let Some((by, _)) =
                self.by_name(label.name.as_str()).filter(|(by, _)| *by != persona)
        {
            return Err(IndexError::NameTaken { name: label.name.clone(), by });
        }
        let unknown = match self.objects.get(&persona) {
            Some(entry) if entry.kind != label.kind => return Err(IndexError::OtherKind),
            Some(IndexEntry { floor, .. }) if *floor >= label.version => {
                let (floor, version) = (*floor, label.version);
                return Err(IndexError::NotAboveFloor { version, floor });
            }
            Some(entry) => entry.unknown.clone(),
            None if self.objects.len() >= MAX_PERSONAS => return Err(IndexError::TooMany),
            None => Unknown::new(),
        };
        let entry = IndexEntry {
            kind: label.kind,
            name: label.name.clone(),
            floor: label.version,
            label: hash,
            removed: label.removed,
            unknown,
        };
        self.objects.insert(persona, entry);
        Ok(())
    }

    /// Counts up, for a writer that knows this keyring.
    pub fn next(&mut self, keyring_version: u64) {
        self.next_above(0, keyring_version);
    }

    /// The same above a counter that was seen, which a server may have lost.
    pub fn next_above(&mut self, seen: u64, keyring_version: u64) {
        self.counter = self.counter.max(seen) + 1;
        self.keyring_version = self.keyring_version.max(keyring_version);
    }

    /// Takes over what `theirs` has and this has not, by the higher floor each; counter, keyring
    /// version and `min_writer` by maximum. Names are checked again.
    pub fn merge(&mut self, theirs: &Self) -> Result<(), IndexError> {
        let mut merged = self.clone();
        for (persona, their) in &theirs.objects {
            match merged.objects.get(persona) {
                Some(our) if our.kind != their.kind => return Err(IndexError::OtherKind),
                Some(our) if our.floor == their.floor && our.label != their.label => {
                    return Err(IndexError::Fork { persona: *persona, floor: our.floor });
                }
                Some(our) if our.floor >= their.floor => {}
                Some(_) | None => {
                    merged.objects.insert(*persona, their.clone());
                }
            }
        }
        if merged.objects.len() > MAX_PERSONAS {
            return Err(IndexError::TooMany);
        }
        if let Some((by, name)) = merged.name_twice() {
            return Err(IndexError::NameTaken { name: name.clone(), by });
        }
        for (field, value) in &theirs.unknown {
            merged.unknown.entry(field.clone()).or_insert_with(|| value.clone());
        }
        merged.counter = merged.counter.max(theirs.counter);
        merged.keyring_version = merged.keyring_version.max(theirs.keyring_version);
        merged.min_writer = merged.min_writer.max(theirs.min_writer);
        *self = merged;
        Ok(())
    }

    /// Takes in the objects of another epoch's index, whose ids are none of this one's. Counter and
    /// keyring version stay: they are this epoch's.
    pub fn take_in(&mut self, theirs: &Self) -> Result<(), IndexError> {
        let known = theirs.objects.keys().find(|persona| self.objects.contains_key(persona));
        if let Some(persona) = known {
            let floor = self.objects[persona].floor;
            return Err(IndexError::Fork { persona: *persona, floor });
        }
        let (counter, keyring_version) = (self.counter, self.keyring_version);
        self.merge(theirs)?;
        (self.counter, self.keyring_version) = (counter, keyring_version);
        Ok(())
    }

    /// Its objects, to be changed before they are taken in elsewhere.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = (&PersonaId, &mut IndexEntry)> {
        self.objects.iter_mut()
    }

    fn name_twice(&self) -> Option<(PersonaId, &Name)> {
        let mut names = HashSet::new();
        self.objects
            .iter()
            .filter(|(_, entry)| !entry.removed)
            .find(|(_, entry)| !names.insert(&entry.name))
            .map(|(id, entry)| (*id, &entry.name))
    }

    /// Opens the index with this counter; only under the keyring's active key.
    pub fn open(
        keyring: &Keyring,
        account: AccountId,
        epoch: EpochId,
        counter: u64,
        sealed: &[u8],
    ) -> Result<Self, RecordError> {
        let (_, key_id) = object::head(sealed)?;
        let key = match keyring.find(key_id) {
            Some((key, KeyState::Active)) => key,
            Some((_, KeyState::OpenOnly)) => return Err(RecordError::RetiredKey(key_id)),
            None => return Err(RecordError::UnknownKey(key_id)),
        };
        let binding = Binding::index(account, epoch, counter);
        let wire: Wire = decode(&object::open(&keys::index_key(key), &binding, sealed)?)?;
        let index = Self::try_from(wire)?;
        if index.counter != counter {
            return Err(Rule::Version.into());
        }
        Ok(index)
    }

    /// Seals it under the active key; refuses where only newer programs may write.
    pub fn seal(
        &self,
        rng: &mut (impl RngCore + CryptoRng),
        keyring: &Keyring,
        account: AccountId,
        epoch: EpochId,
    ) -> Result<SealedRecord, RecordError> {
        writable(self.min_writer)?;
        ordinal(self.counter)?;
        let binding = Binding::index(account, epoch, self.counter);
        let key = keys::index_key(keyring.active());
        let json = encode(&Wire::from(self.clone()));
        Ok(SealedRecord::new(object::seal(rng, &key, &binding, &json)?))
    }
}

/// An index as JSON: objects are a list there, in the order of their ids.
#[derive(Serialize, Deserialize)]
struct Wire {
    counter: u64,
    keyring_version: u64,
    min_writer: u32,
    objects: Vec<WireEntry>,
    #[serde(flatten)]
    unknown: Unknown,
}

#[derive(Serialize, Deserialize)]
struct WireEntry {
    id: PersonaId,
    kind: Kind,
    name: Name,
    floor: u64,
    label: Digest,
    removed: bool,
    #[serde(flatten)]
    unknown: Unknown,
}

impl TryFrom<Wire> for Index {
    type Error = Rule;

    fn try_from(wire: Wire) -> Result<Self, Rule> {
        let Wire { counter, keyring_version, min_writer, objects: list, unknown } = wire;
        ordinal(counter)?;
        ordinal(keyring_version)?;
        if list.len() > MAX_PERSONAS {
            return Err(Rule::TooMany);
        }
        let mut objects = BTreeMap::new();
        for WireEntry { id, kind, name, floor, label, removed, unknown } in list {
            ordinal(floor)?;
            let entry = IndexEntry { kind, name, floor, label, removed, unknown };
            if objects.insert(id, entry).is_some() {
                return Err(Rule::DuplicateId);
            }
        }
        let index = Self { counter, keyring_version, min_writer, objects, unknown };
        if index.name_twice().is_some() { Err(Rule::DuplicateName) } else { Ok(index) }
    }
}

impl From<Index> for Wire {
    fn from(index: Index) -> Self {
        let objects = index.objects.into_iter().map(|(id, entry)| {
            let IndexEntry { kind, name, floor, label, removed, unknown } = entry;
            WireEntry { id, kind, name, floor, label, removed, unknown }
        });
        Self {
            counter: index.counter,
            keyring_version: index.keyring_version,
            min_writer: index.min_writer,
            objects: objects.collect(),
            unknown: index.unknown,
        }
    }
}

#[cfg(test)]
mod tests;
