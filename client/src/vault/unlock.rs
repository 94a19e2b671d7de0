//! Unlocking: keyring and index of a locked epoch join those of the current one, and its personas
//! move, in one transaction at the server.

use std::collections::HashSet;

use keybackup_protocol::api::{self, CommitIndex, EpochOpen, EpochProof, MovedLabel, Unlock};
use keybackup_protocol::{B64, EpochId, PersonaId};
use rand08::rngs::OsRng;

use super::{Notes, Vault, VaultError};
use crate::keys;
use crate::marks::{self, Opened};
use crate::records::{
    Digest, Index, Keyring, Label, LocalState, Name, OpenedLabel, RecordError, slot,
};
use crate::seal::OpenError;
use crate::secret::{Phrase, RootKey};

/// How often an unlocking is tried again because another device changed the account meanwhile.
const MAX_TRIES: u32 = 4;

/// What a locked epoch is opened with.
#[derive(Clone, Copy)]
pub enum UnlockKey<'a> {
    /// Its recovery phrase.
    Phrase(&'a Phrase),
    /// Its root key, which this device still holds.
    Root(&'a RootKey),
}

/// A locked epoch, opened on this device: checked against what was seen of it.
pub struct LockedEpoch {
    /// Its id.
    pub id: EpochId,
    /// Its personas.
    pub opened: Opened,
    keyring: Keyring,
    proof: EpochProof,
}

/// What an unlocking has brought.
#[derive(Debug, Clone, Default)]
pub struct Unlocked {
    /// Personas that are not removed, by their names now.
    pub personas: Vec<(PersonaId, Name)>,
    /// Those of them that had to take another name, with the one they had.
    pub renamed: Vec<(PersonaId, Name)>,
}

impl UnlockKey<'_> {
    fn proof(self) -> EpochProof {
        let proof = |proof: crate::secret::Proof| Some(B64(proof.expose().to_vec()));
        match self {
            Self::Phrase(phrase) => {
                EpochProof { phrase: proof(keys::phrase_proof(phrase)), root: None }
            }
            Self::Root(root) => EpochProof { phrase: None, root: proof(keys::root_proof(root)) },
        }
    }
}

impl Vault {
    /// Opens a locked epoch. `seen` is what this device has seen of it, if it was there.
    pub fn open_locked(
        &self,
        epoch: EpochId,
        key: UnlockKey<'_>,
        seen: impl FnOnce(&Keyring) -> Result<Option<LocalState>, VaultError>,
    ) -> Result<LockedEpoch, VaultError> {
        let proof = key.proof();
        let answer = self.remote.open_epoch(&epoch, &EpochOpen { proof: proof.clone() })?;
        let from_phrase;
        let root =
            match key {
                UnlockKey::Root(root) => root,
                UnlockKey::Phrase(phrase) => {
                    let slot = &answer.recovery_slot;
                    let key = keys::recovery_slot_key(phrase);
                    let (generation, sealed) = (slot.generation, &slot.sealed.0);
                    from_phrase = slot::open(&key, self.account, epoch, generation, sealed)
                        .map_err(|error| match error {
                            RecordError::Open(OpenError::Commitment) => VaultError::WrongPhrase,
                            other => other.into(),
                        })?;
                    &from_phrase
                }
            };
        let api::Keyring { version, sealed } = &answer.keyring;
        let keyring = Keyring::open(root, self.account, epoch, *version, &sealed.0)?;
        let listing = self.remote.epoch_listing(&epoch)?;
        if listing.epoch != epoch {
            return Err(VaultError::OtherEpoch { held: epoch, served: listing.epoch });
        }
        let mut opened = Opened::open(&listing, &keyring, self.account)?;
        // Without marks the listing is held against its own index.
        let seen = seen(&keyring)?.unwrap_or_else(|| LocalState::new(epoch));
        for need in marks::chains_needed(&seen, &opened) {
            self.fetch_chain(&mut opened, &keyring, need.persona, need.from)?;
        }
        marks::check(&seen, &opened).map_err(Box::new)?;
        Ok(LockedEpoch { id: epoch, opened, keyring, proof })
    }

    /// Takes a locked epoch into the current one: all of it, or nothing. Equal names keep both: what
    /// was locked gets a number behind its name.
    pub fn unlock(
        &mut self,
        locked: &LockedEpoch,
        notes: &mut dyn Notes,
        now: i64,
    ) -> Result<Unlocked, VaultError> {
        for _ in 0..MAX_TRIES {
            let standing = self.snapshot(notes)?;
            self.state.absorb(&standing, now);
            let plan = Plan::make(self, &standing, locked, now)?;
            match self.remote.unlock(&locked.id, &plan.request) {
                Ok(_) => return self.unlocked(plan, notes, now),
                Err(error) if error.leaves_doubt() => {
                    // It was made if the index that stands is the one that was sent.
                    let Ok(now_standing) = self.snapshot(notes) else { return Err(error.into()) };
                    if now_standing.index_hash == plan.index_hash {
                        return self.unlocked(plan, notes, now);
                    }
                    return Err(error.into());
                }
                Err(error) if error.is(api::code::CONFLICT) || error.is(api::code::STALE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(VaultError::Busy)
    }

    /// Reads back what was made: only then is anything sealed under the new keyring.
    fn unlocked(
        &mut self,
        plan: Plan,
        notes: &mut dyn Notes,
        now: i64,
    ) -> Result<Unlocked, VaultError> {
        let opened = self.snapshot(notes)?;
        self.state.absorb(&opened, now);
        Ok(plan.unlocked)
    }
}

/// An unlocking, sealed.
struct Plan {
    request: Unlock,
    index_hash: Digest,
    unlocked: Unlocked,
}

impl Plan {
    fn make(
        vault: &Vault,
        standing: &Opened,
        locked: &LockedEpoch,
        now: i64,
    ) -> Result<Self, VaultError> {
        let keyring = vault.keyring.union(&locked.keyring)?;
        let mut index = standing.index.clone();
        let mut unlocked = Unlocked::default();
        let mut labels = Vec::new();
        let standing_there = |index: &Index| {
            let there = index.objects().values().filter(|entry| !entry.removed);
            there.map(|entry| entry.name.clone()).collect::<HashSet<_>>()
        };
        let mut taken = standing_there(&index);
        taken.extend(standing_there(&locked.opened.index));
        let mut theirs = locked.opened.index.clone();
        for (id, entry) in theirs.entries_mut() {
            let listed = &locked.opened.personas[id].label;
            // What the newest label says is the floor now: its chain was checked.
            (entry.floor, entry.label, entry.removed) =
                (listed.label.version, listed.hash, listed.label.removed);
            if entry.removed {
                continue;
            }
            if index.by_name(entry.name.as_str()).is_some() {
                let label = relabel(vault, &taken, &keyring, listed, now);
                let sealed = label.seal(&mut OsRng, &keyring, vault.account, *id)?;
                unlocked.renamed.push((*id, entry.name.clone()));
                (entry.name, entry.floor, entry.label) =
                    (label.name.clone(), label.version, sealed.hash);
                taken.insert(label.name.clone());
                labels.push(MovedLabel {
                    persona: *id,
                    base: listed.label.version,
                    version: label.version,
                    label: B64(sealed.bytes),
                    content_version: label.content_version.unwrap_or(label.version),
                });
            }
            unlocked.personas.push((*id, entry.name.clone()));
        }
        index.take_in(&theirs)?;
        let base = index.counter();
        index.next(keyring.version());
        let sealed_index = index.seal(&mut OsRng, &keyring, vault.account, vault.epoch)?;
        let sealed_keyring = keyring.seal(&mut OsRng, &vault.root, vault.account, vault.epoch)?;
        let request = Unlock {
            proof: locked.proof.clone(),
            keyring: api::Keyring { version: keyring.version(), sealed: B64(sealed_keyring) },
            index: CommitIndex { base, counter: index.counter(), sealed: B64(sealed_index.bytes) },
            locked_counter: locked.opened.index.counter(),
            labels,
        };
        Ok(Self { request, index_hash: sealed_index.hash, unlocked })
    }
}

/// The same content under a name that is free.
fn relabel(
    vault: &Vault,
    taken: &HashSet<Name>,
    keyring: &Keyring,
    listed: &OpenedLabel,
    now: i64,
) -> Label {
    let newest = &listed.label;
    let mut number = 2;
    let mut name = newest.name.numbered(number);
    while taken.contains(&name) {
        number += 1;
        name = newest.name.numbered(number);
    }
    Label {
        name,
        version: newest.version + 1,
        device: vault.device,
        time: now,
        previous: Some(listed.hash),
        keyring_version: keyring.version(),
        supersedes: Vec::new(),
        ..newest.clone()
    }
}
