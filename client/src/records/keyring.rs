//! The keyring: the vault keys of one epoch, newest first, one of them active.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keybackup_protocol::{AccountId, EpochId, KeyId, PersonaId};
use rand08::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::json::{decode, encode, writable};
use super::unknown::Unknown;
use super::{RecordError, Rule, WRITER, ordinal};
use crate::keys;
use crate::seal::{Binding, object};
use crate::secret::{DerivedKey, PersonaKey, RootKey, VaultKey};

/// Most keys of a keyring; each rotation and unlocking adds some.
const MAX_KEYS: usize = 1024;

/// What a vault key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens what it sealed; what is newer than that is refused.
    OpenOnly,
}

/// One key of a keyring.
pub struct KeyEntry {
    /// The key.
    pub key: VaultKey,
    /// What it may do.
    pub state: KeyState,
    unknown: Unknown,
}

/// The vault keys of one epoch. Keys are added and retired, never removed.
pub struct Keyring {
    version: u64,
    min_writer: u32,
    keys: Vec<KeyEntry>,
    unknown: Unknown,
}

/// Two keyrings that can't be of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// One id, two keys.
    #[error("key {0} is another one in the other keyring")]
    OtherKey(KeyId),
    /// Together there are too many.
    #[error("the keyrings have too many keys together")]
    TooMany,
}

impl Keyring {
    /// Version 1, with one fresh key.
    pub fn first(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let key = VaultKey::generate(rng);
        let entry = KeyEntry { key, state: KeyState::Active, unknown: Unknown::new() };
        Self { version: 1, min_writer: WRITER, keys: vec![entry], unknown: Unknown::new() }
    }

    /// Its version within the epoch, from 1.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// All keys, newest first.
    pub fn keys(&self) -> &[KeyEntry] {
        &self.keys
    }

    /// The key that seals.
    #[expect(clippy::missing_panics_doc, reason = "a keyring is made only with one active key")]
    pub fn active(&self) -> &VaultKey {
        let entry = self.keys.iter().find(|entry| entry.state == KeyState::Active);
        &entry.expect("a keyring is made only with one active key").key
    }

    /// The key with this id.
    pub fn find(&self, id: KeyId) -> Option<(&VaultKey, KeyState)> {
        let entry = self.keys.iter().find(|entry| entry.key.id() == id)?;
        Some((&entry.key, entry.state))
    }

    /// The key of `persona` under the active key.
    pub fn active_persona_key(&self, persona: PersonaId) -> PersonaKey {
        keys::persona_key(self.active(), persona)
    }

    /// The key of `persona` under the key with this id.
    pub fn persona_key(&self, id: KeyId, persona: PersonaId) -> Option<PersonaKey> {
        self.find(id).map(|(key, _)| keys::persona_key(key, persona))
    }

    /// Whether every key of `other` is here too, byte for byte.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.keys.iter().all(|theirs| {
            self.find(theirs.key.id()).is_some_and(|(ours, _)| ours.ct_eq(&theirs.key).into())
        })
    }

    /// The union with another keyring of the epoch, to be written as the next version: the keys of
    /// the one with the higher version first, its active key the active one, all others open-only.
    pub fn merge(self, other: Self) -> Result<Self, KeyringError> {
        let (mut newer, older) =
            if other.version > self.version { (other, self) } else { (self, other) };
        for mut entry in older.keys {
            let id = entry.key.id();
            match newer.find(id) {
                Some((key, _)) if bool::from(key.ct_eq(&entry.key)) => {}
                Some(_) => return Err(KeyringError::OtherKey(id)),
                None => {
                    entry.state = KeyState::OpenOnly;
                    newer.keys.push(entry);
                }
            }
        }
        for (field, value) in older.unknown {
            newer.unknown.entry(field).or_insert(value);
        }
        if newer.keys.len() > MAX_KEYS {
            return Err(KeyringError::TooMany);
        }
        newer.min_writer = newer.min_writer.max(older.min_writer);
        newer.version += 1;
        Ok(newer)
    }

    /// The union with the keyring of another epoch, to be written as this epoch's next version: its
    /// own keys first and as they are, the other's open-only. Its version is above both, since labels
    /// of the other epoch name that one's.
    pub fn union(&self, other: &Self) -> Result<Self, KeyringError> {
        let copied = |entry: &KeyEntry, state| KeyEntry {
            key: entry.key.copied(),
            state,
            unknown: entry.unknown.clone(),
        };
        let mut keys: Vec<_> = self.keys.iter().map(|entry| copied(entry, entry.state)).collect();
        for entry in &other.keys {
            let id = entry.key.id();
            match self.find(id) {
                Some((key, _)) if bool::from(key.ct_eq(&entry.key)) => {}
                Some(_) => return Err(KeyringError::OtherKey(id)),
                None => keys.push(copied(entry, KeyState::OpenOnly)),
            }
        }
        if keys.len() > MAX_KEYS {
            return Err(KeyringError::TooMany);
        }
        let mut unknown = self.unknown.clone();
        for (field, value) in &other.unknown {
            unknown.entry(field.clone()).or_insert_with(|| value.clone());
        }
        let version = self.version.max(other.version) + 1;
        let min_writer = self.min_writer.max(other.min_writer);
        Ok(Self { version, min_writer, keys, unknown })
    }

    /// Opens version `version` of the keyring of `epoch`.
    pub fn open(
        root: &RootKey,
        account: AccountId,
        epoch: EpochId,
        version: u64,
        sealed: &[u8],
    ) -> Result<Self, RecordError> {
        let binding = Binding::keyring(account, epoch, version);
        let json = object::open(&keys::keyring_key(root), &binding, sealed)?;
        let wire: Wire<'_> = decode(&json)?;
        let keyring = Self::try_from(wire)?;
        if keyring.version != version {
            return Err(Rule::Version.into());
        }
        Ok(keyring)
    }

    /// Seals it; refuses where only newer programs may write.
    pub fn seal(
        &self,
        rng: &mut (impl RngCore + CryptoRng),
        root: &RootKey,
        account: AccountId,
        epoch: EpochId,
    ) -> Result<Vec<u8>, RecordError> {
        writable(self.min_writer)?;
        let binding = Binding::keyring(account, epoch, self.version);
        let texts: Vec<_> = self.keys.iter().map(|entry| secret_text(entry.key.expose())).collect();
        let keys = self.keys.iter().zip(&texts).map(|(entry, text)| WireKey {
            id: entry.key.id(),
            key: SecretText(text),
            state: entry.state,
            unknown: entry.unknown.clone(),
        });
        let json = encode(&Wire {
            version: self.version,
            min_writer: self.min_writer,
            keys: keys.collect(),
            unknown: self.unknown.clone(),
        });
        Ok(object::seal(rng, &keys::keyring_key(root), &binding, &json)?)
    }
}

/// A keyring as JSON. Secrets are borrowed from the buffer that is wiped; so a key must stand
/// there without escapes, which base64url never needs.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    version: u64,
    min_writer: u32,
    #[serde(borrow)]
    keys: Vec<WireKey<'a>>,
    #[serde(flatten)]
    unknown: Unknown,
}

#[derive(Serialize, Deserialize)]
struct WireKey<'a> {
    id: KeyId,
    #[serde(borrow)]
    key: SecretText<'a>,
    state: KeyState,
    #[serde(flatten)]
    unknown: Unknown,
}

impl TryFrom<Wire<'_>> for Keyring {
    type Error = RecordError;

    fn try_from(wire: Wire<'_>) -> Result<Self, RecordError> {
        ordinal(wire.version)?;
        if wire.keys.len() > MAX_KEYS {
            return Err(Rule::TooMany.into());
        }
        let active = wire.keys.iter().filter(|key| key.state == KeyState::Active).count();
        if active != 1 {
            return Err(Rule::ActiveKeys.into());
        }
        let mut ids = HashSet::new();
        let mut keys = Vec::with_capacity(wire.keys.len());
        for WireKey { id, key, state, unknown } in wire.keys {
            if id == KeyId::NONE {
                return Err(Rule::KeyId.into());
            }
            if !ids.insert(id) {
                return Err(Rule::DuplicateId.into());
            }
            keys.push(KeyEntry { key: VaultKey::new(id, key.key()?), state, unknown });
        }
        Ok(Self { version: wire.version, min_writer: wire.min_writer, keys, unknown: wire.unknown })
    }
}

/// 43 characters of base64url that are a secret of 32 bytes.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SecretText<'a>(pub(super) &'a str);

impl SecretText<'_> {
    /// The secret, decoded where it stays.
    pub(super) fn key(&self) -> Result<DerivedKey<32>, RecordError> {
        let mut length = Err(base64::DecodeSliceError::OutputSliceTooSmall);
        let key = DerivedKey::init_with(|bytes| {
            length = URL_SAFE_NO_PAD.decode_slice(self.0, bytes);
        });
        if length == Ok(32) { Ok(key) } else { Err(RecordError::Json { line: 0, column: 0 }) }
    }
}

/// The text of a secret, in a buffer that is wiped.
pub(super) fn secret_text(bytes: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(44));
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    text
}

#[cfg(test)]
mod tests;
