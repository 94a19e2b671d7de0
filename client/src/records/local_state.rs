//! What a device has seen of an account: its marks, sealed on the device, kept through logout and
//! reset. What to make of them is [`crate::marks`]'s matter.

use std::collections::BTreeMap;

use keybackup_protocol::{AccountId, DeviceId, EpochId, PersonaId};
use rand08::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::json::{decode, encode, present};
use super::{Digest, Keyring, MAX_INTEGER, RecordError, Rule, ordinal};
use crate::keys;
use crate::seal::{Binding, object};

/// The marks of one device in one epoch. All zero before the first listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalState {
    /// The epoch that they are of.
    pub epoch: EpochId,
    /// The highest keyring version seen; 0 for none.
    pub keyring_version: u64,
    /// The highest index counter seen; 0 for none.
    pub index_counter: u64,
    /// BLAKE3 of the sealed index with that counter.
    #[serde(deserialize_with = "present")]
    pub index: Option<Digest>,
    /// When that counter was first seen, by this device's clock, in unix seconds.
    pub seen_at: i64,
    /// What was seen of each persona.
    pub personas: BTreeMap<PersonaId, Mark>,
}

/// The highest version of a persona that a device has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The version.
    pub version: u64,
    /// BLAKE3 of its sealed label.
    pub label: Digest,
    /// When it was first seen, by this device's clock, in unix seconds.
    pub seen_at: i64,
    /// What this device last pushed or pulled.
    #[serde(deserialize_with = "present")]
    pub base: Option<Base>,
}

/// A directory on this device that was the same as a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The version.
    pub version: u64,
    /// Its fingerprint.
    pub fingerprint: Digest,
    /// The directory pushed from or pulled to.
    pub directory: String,
}

impl LocalState {
    /// Of a device that has seen nothing of this epoch.
    pub const fn new(epoch: EpochId) -> Self {
        Self {
            epoch,
            keyring_version: 0,
            index_counter: 0,
            index: None,
            seen_at: 0,
            personas: BTreeMap::new(),
        }
    }

    /// Remembers the first keyring and index of an epoch that this device itself made.
    pub fn began(&mut self, keyring_version: u64, index: Digest, now: i64) {
        self.keyring_version = self.keyring_version.max(keyring_version);
        self.saw_index(1, index, now);
    }

    /// Remembers a commit of this device that the server acknowledged.
    pub fn committed(
        &mut self,
        persona: PersonaId,
        version: u64,
        label: Digest,
        index_counter: u64,
        index: Digest,
        now: i64,
    ) {
        self.saw_label(persona, version, label, now);
        self.saw_index(index_counter, index, now);
    }

    /// Sets what a directory here was last the same as; true if that is news. A persona without a
    /// mark has none to set.
    pub fn set_base(&mut self, persona: PersonaId, base: Option<Base>) -> bool {
        match self.personas.get_mut(&persona) {
            Some(mark) if mark.base != base => {
                mark.base = base;
                true
            }
            _ => false,
        }
    }

    /// Takes over what was seen of personas in another epoch that this one has taken in.
    pub fn inherit(&mut self, other: &Self) {
        for (persona, theirs) in &other.personas {
            match self.personas.get_mut(persona) {
                Some(mark) if mark.version >= theirs.version => {
                    mark.base = mark.base.take().or_else(|| theirs.base.clone());
                }
                _ => {
                    self.personas.insert(*persona, theirs.clone());
                }
            }
        }
    }

    /// Takes an index that contradicts the one seen, where a person has agreed to that.
    pub fn take_index(&mut self, counter: u64, index: Digest, now: i64) {
        (self.index_counter, self.index, self.seen_at) = (counter, Some(index), now);
    }

    /// Raises the mark of an index; true if that is news.
    pub(crate) fn saw_index(&mut self, counter: u64, index: Digest, now: i64) -> bool {
        let news = counter > self.index_counter;
        if news {
            (self.index_counter, self.index, self.seen_at) = (counter, Some(index), now);
        }
        news
    }

    /// Raises the mark of a persona; true if that is news.
    pub(crate) fn saw_label(
        &mut self,
        persona: PersonaId,
        version: u64,
        label: Digest,
        now: i64,
    ) -> bool {
        match self.personas.get_mut(&persona) {
            Some(mark) if mark.version >= version => false,
            Some(mark) => {
                (mark.version, mark.label, mark.seen_at) = (version, label, now);
                true
            }
            None => {
                let mark = Mark { version, label, seen_at: now, base: None };
                self.personas.insert(persona, mark);
                true
            }
        }
    }

    /// Opens a device's marks, under whichever key of the keyring sealed them.
    pub fn open(
        keyring: &Keyring,
        account: AccountId,
        device: DeviceId,
        sealed: &[u8],
    ) -> Result<Self, RecordError> {
        let (_, key_id) = object::head(sealed)?;
        let (key, _) = keyring.find(key_id).ok_or(RecordError::UnknownKey(key_id))?;
        let binding = Binding::local_state(account, device);
        let state: Self = decode(&object::open(&keys::local_state_key(key), &binding, sealed)?)?;
        state.check()?;
        Ok(state)
    }

    /// Seals them under the active key.
    pub fn seal(
        &self,
        rng: &mut (impl RngCore + CryptoRng),
        keyring: &Keyring,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Vec<u8>, RecordError> {
        self.check()?;
        let key = keys::local_state_key(keyring.active());
        let binding = Binding::local_state(account, device);
        Ok(object::seal(rng, &key, &binding, &encode(self))?)
    }

    fn check(&self) -> Result<(), Rule> {
        if self.keyring_version > MAX_INTEGER || self.index_counter > MAX_INTEGER {
            return Err(Rule::Range);
        }
        if (self.index_counter == 0) != self.index.is_none() {
            return Err(Rule::Range);
        }
        for mark in self.personas.values() {
            ordinal(mark.version)?;
            mark.base.as_ref().map_or(Ok(()), |base| ordinal(base.version))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand08::rngs::OsRng;

    use super::*;

    const PERSONA: PersonaId = PersonaId::from_bytes([4; 16]);

    fn state() -> LocalState {
        let mut state = LocalState::new(EpochId::from_bytes([3; 16]));
        state.began(1, Digest::of(b"index 1"), 100);
        assert_eq!((state.keyring_version, state.index_counter, state.seen_at), (1, 1, 100));
        state.committed(PERSONA, 1, Digest::of(b"1"), 2, Digest::of(b"index 2"), 200);
        state
    }

    #[test]
    fn later_keyrings_open_what_earlier_ones_sealed() {
        let (account, device) = (AccountId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        let keyring = Keyring::first(&mut OsRng);
        let mut state = state();
        let directory = "/home/someone/personas/work".to_owned();
        let base = Base { version: 1, fingerprint: Digest::of(b"tree"), directory };
        assert!(state.set_base(PERSONA, Some(base.clone())));
        assert!(!state.set_base(PERSONA, Some(base)), "no news");
        let sealed = state.seal(&mut OsRng, &keyring, account, device).expect("sealed");
        let later = Keyring::first(&mut OsRng).merge(keyring).expect("they are of one epoch");
        assert_eq!(LocalState::open(&later, account, device, &sealed).expect("opened"), state);
        let stranger = Keyring::first(&mut OsRng);
        let error = LocalState::open(&stranger, account, device, &sealed).err();
        assert!(matches!(error, Some(RecordError::UnknownKey(_))));
    }

    #[test]
    fn marks_that_no_listing_can_leave_are_refused() {
        let check = |change: fn(&mut LocalState)| {
            let mut state = state();
            change(&mut state);
            state.check()
        };
        assert_eq!(LocalState::new(EpochId::from_bytes([3; 16])).check(), Ok(()));
        assert_eq!(check(|state| state.keyring_version = MAX_INTEGER), Ok(()));
        assert_eq!(check(|state| state.index_counter = MAX_INTEGER), Ok(()));
        let refused: [fn(&mut LocalState); 6] = [
            |state| state.keyring_version = MAX_INTEGER + 1,
            |state| state.index_counter = MAX_INTEGER + 1,
            |state| state.index_counter = 0,
            |state| state.index = None,
            |state| state.personas.values_mut().for_each(|mark| mark.version = 0),
            |state| {
                let fingerprint = Digest::of(b"tree");
                let base = Base { version: 0, fingerprint, directory: String::new() };
                state.set_base(PERSONA, Some(base));
            },
        ];
        for change in refused {
            assert_eq!(check(change), Err(Rule::Range));
        }
    }

    /// Holds rule 14.
    #[test]
    fn marks_only_rise_and_keep_when_they_did() {
        let mut state = state();
        let before = state.clone();
        assert!(!state.saw_label(PERSONA, 1, Digest::of(b"other"), 300));
        assert!(!state.saw_index(2, Digest::of(b"other"), 300));
        assert_eq!(state, before);
        assert!(state.saw_label(PERSONA, 3, Digest::of(b"3"), 300));
        let mark = &state.personas[&PERSONA];
        assert_eq!((mark.version, mark.seen_at), (3, 300));
        assert_eq!((state.index_counter, state.seen_at), (2, 200));
        assert!(!state.set_base(PersonaId::from_bytes([9; 16]), None));
    }
}
