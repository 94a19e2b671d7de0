//! Holding a listing against itself and against the marks (DESIGN, "Marks").

use std::cmp::Ordering;
use std::collections::BTreeMap;

use keybackup_protocol::PersonaId;

use super::{Contradiction, Opened, OpenedPersona};
use crate::records::{Digest, IndexEntry, KeyState, LocalState, Mark, OpenedLabel};

/// Labels that must be fetched before [`check`] can see whether they chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainNeeded {
    /// Whose.
    pub persona: PersonaId,
    /// From which version on.
    pub from: u64,
}

/// Which labels are missing between mark or floor, whichever is higher, and the newest.
pub fn chains_needed(state: &LocalState, opened: &Opened) -> Vec<ChainNeeded> {
    let gap = |(persona, listed): (&PersonaId, &OpenedPersona)| {
        let entry = opened.index.get(persona)?;
        let anchor = Anchor::of(state.personas.get(persona), entry);
        let newest = &listed.label.label;
        let from = anchor.version.checked_add(1)?;
        let gapless = newest.version <= from || newest.previous == Some(anchor.label);
        (!gapless).then_some(ChainNeeded { persona: *persona, from })
    };
    opened.personas.iter().filter_map(gap).collect()
}

/// Whether a listing can be what an honest server has, given what this device has seen. Labels
/// that [`chains_needed`] asked for must have been added, or chains count as broken.
pub fn check(state: &LocalState, opened: &Opened) -> Result<(), Contradiction> {
    check_account(state, opened)?;
    for (persona, listed) in &opened.personas {
        check_persona(state, opened, *persona, listed)?;
    }
    let indexed = opened.index.objects().keys();
    let gone = indexed.chain(state.personas.keys()).find(|id| !opened.personas.contains_key(id));
    gone.map_or(Ok(()), |persona| Err(missing(state, opened, *persona)))
}

fn check_account(state: &LocalState, opened: &Opened) -> Result<(), Contradiction> {
    if state.epoch != opened.epoch {
        return Err(Contradiction::Epoch { seen: state.epoch, listed: opened.epoch });
    }
    let listed = opened.keyring_version;
    if listed < state.keyring_version {
        return Err(Contradiction::KeyringRolledBack { seen: state.keyring_version, listed });
    }
    if opened.index.keyring_version() > listed {
        return Err(Contradiction::KeyringBehind { known: opened.index.keyring_version(), listed });
    }
    let (counter, seen_at) = (opened.index.counter(), state.seen_at);
    match counter.cmp(&state.index_counter) {
        Ordering::Less => {
            let seen = state.index_counter;
            Err(Contradiction::IndexRolledBack { seen, listed: counter, seen_at })
        }
        Ordering::Equal if state.index != Some(opened.index_hash) => {
            Err(Contradiction::IndexForked { counter, seen_at })
        }
        _ => Ok(()),
    }
}

/// Everything in a listing that contradicts, each by itself.
#[derive(Debug, Clone, Default)]
pub struct Contradictions {
    /// Of the account as a whole.
    pub account: Option<Contradiction>,
    /// Of single personas.
    pub personas: BTreeMap<PersonaId, Contradiction>,
}

impl Contradictions {
    /// Whether [`check`] would be content.
    pub fn is_empty(&self) -> bool {
        self.account.is_none() && self.personas.is_empty()
    }
}

/// All that [`check`] would stop at.
pub fn contradictions(state: &LocalState, opened: &Opened) -> Contradictions {
    let account = check_account(state, opened).err();
    let mut personas = BTreeMap::new();
    for (persona, listed) in &opened.personas {
        let checked = check_persona(state, opened, *persona, listed);
        personas.extend(checked.err().map(|contradiction| (*persona, contradiction)));
    }
    let known = opened.index.objects().keys().chain(state.personas.keys());
    for persona in known.filter(|id| !opened.personas.contains_key(id)) {
        personas.insert(*persona, missing(state, opened, *persona));
    }
    Contradictions { account, personas }
}

fn check_persona(
    state: &LocalState,
    opened: &Opened,
    persona: PersonaId,
    listed: &OpenedPersona,
) -> Result<(), Contradiction> {
    let Some(entry) = opened.index.get(&persona) else {
        return Err(Contradiction::NotIndexed { persona });
    };
    let mark = state.personas.get(&persona);
    Persona { id: persona, listed, entry, mark, keyring: opened.keyring_version }.check()
}

fn missing(state: &LocalState, opened: &Opened, persona: PersonaId) -> Contradiction {
    let entry = opened.index.get(&persona);
    let mark = state.personas.get(&persona);
    Contradiction::Missing {
        persona,
        name: entry.map(|entry| entry.name.clone()),
        seen: mark.map(|mark| mark.version),
        floor: entry.map(|entry| entry.floor),
        seen_at: mark.map(|mark| mark.seen_at),
    }
}

/// The highest version whose label is known for sure: the mark, or the index's floor.
struct Anchor {
    version: u64,
    label: Digest,
}

impl Anchor {
    fn of(mark: Option<&Mark>, entry: &IndexEntry) -> Self {
        match mark {
            Some(mark) if mark.version > entry.floor => {
                Self { version: mark.version, label: mark.label }
            }
            _ => Self { version: entry.floor, label: entry.label },
        }
    }
}

/// One persona of a listing, and all that is known of it.
struct Persona<'a> {
    id: PersonaId,
    listed: &'a OpenedPersona,
    entry: &'a IndexEntry,
    mark: Option<&'a Mark>,
    keyring: u64,
}

impl Persona<'_> {
    fn check(&self) -> Result<(), Contradiction> {
        self.check_mark()?;
        self.check_floor()?;
        self.check_above_floor(&self.listed.label)?;
        self.check_chain()
    }

    /// The newest is not below the mark, and the same where it is the same version. What lies
    /// between a mark and a higher floor the index answers for: a repair may have passed over it.
    fn check_mark(&self) -> Result<(), Contradiction> {
        let Some(mark) = self.mark else { return Ok(()) };
        let (persona, name, seen_at) = (self.id, self.entry.name.clone(), mark.seen_at);
        let newest = &self.listed.label;
        let (seen, listed) = (mark.version, newest.label.version);
        if listed < seen {
            return Err(Contradiction::RolledBack { persona, name, seen, listed, seen_at });
        }
        let forked = (listed == seen && newest.hash != mark.label)
            || (self.entry.floor == seen && self.entry.label != mark.label);
        if forked {
            return Err(Contradiction::Forked { persona, name, version: seen, seen_at });
        }
        Ok(())
    }

    /// The newest is not below the floor, and what the index says where it is at the floor.
    fn check_floor(&self) -> Result<(), Contradiction> {
        let (persona, entry, newest) = (self.id, self.entry, &self.listed.label);
        let (name, floor, version) = (entry.name.clone(), entry.floor, newest.label.version);
        if version < floor {
            return Err(Contradiction::BelowFloor { persona, name, floor, listed: version });
        }
        let known = newest.label.keyring_version;
        if known > self.keyring {
            return Err(Contradiction::KeyringBehind { known, listed: self.keyring });
        }
        let differs = newest.hash != entry.label || newest.label.removed != entry.removed;
        if version == floor && differs {
            return Err(Contradiction::NotAsIndexed { persona, name, version });
        }
        self.check_identity(newest)
    }

    /// Kind and name are the index's: whoever can't write the index can't change them.
    fn check_identity(&self, opened: &OpenedLabel) -> Result<(), Contradiction> {
        let label = &opened.label;
        if label.kind == self.entry.kind && label.name == self.entry.name {
            return Ok(());
        }
        let (persona, name) = (self.id, self.entry.name.clone());
        Err(Contradiction::NotAsIndexed { persona, name, version: label.version })
    }

    /// Above the floor only the active key seals, and nothing comes after a removal.
    fn check_above_floor(&self, opened: &OpenedLabel) -> Result<(), Contradiction> {
        let (persona, version) = (self.id, opened.label.version);
        if version <= self.entry.floor {
            return Ok(());
        }
        let name = self.entry.name.clone();
        if self.entry.removed {
            return Err(Contradiction::Resurrected { persona, name, version });
        }
        if opened.key_state == KeyState::OpenOnly {
            let key = opened.key_id;
            return Err(Contradiction::RetiredKey { persona, name, version, key });
        }
        Ok(())
    }

    /// From the anchor to the newest each label names the one before.
    fn check_chain(&self) -> Result<(), Contradiction> {
        let anchor = Anchor::of(self.mark, self.entry);
        let newest = &self.listed.label;
        if newest.label.version == anchor.version {
            return Ok(());
        }
        if newest.label.previous == Some(anchor.label) {
            return Ok(());
        }
        let (mut after, mut expected) = (anchor.version, anchor.label);
        let above = self.listed.chain.iter().filter(|label| label.label.version > anchor.version);
        for opened in above.chain([newest]) {
            let version = opened.label.version;
            if version <= after || opened.label.previous != Some(expected) {
                let (persona, name) = (self.id, self.entry.name.clone());
                return Err(Contradiction::ChainBroken { persona, name, version, after });
            }
            self.check_identity(opened)?;
            self.check_above_floor(opened)?;
            (after, expected) = (version, opened.hash);
        }
        Ok(())
    }
}

impl LocalState {
    /// Raises the marks to a listing that was checked; true if anything is news, and the state
    /// must be written back. A listing of another epoch leaves it as it is.
    pub fn absorb(&mut self, opened: &Opened, now: i64) -> bool {
        if self.epoch != opened.epoch {
            return false;
        }
        let mut news = opened.keyring_version > self.keyring_version;
        self.keyring_version = self.keyring_version.max(opened.keyring_version);
        news |= self.saw_index(opened.index.counter(), opened.index_hash, now);
        for (persona, listed) in &opened.personas {
            let OpenedLabel { label, hash, .. } = &listed.label;
            news |= self.saw_label(*persona, label.version, *hash, now);
        }
        news
    }
}

#[cfg(test)]
mod tests;
