//! `profile.json`: what is known of account and device. Nothing in it is secret.

use std::path::PathBuf;

use keybackup_protocol::api::{Keyring, Slot};
use keybackup_protocol::{AccountId, Address, DeviceId, EpochId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ProfileError;
use crate::config::{ServerUrl, StoreKind};

/// Schema of the file.
const SCHEMA: u32 = 1;

/// What is known of account and device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The server it belongs to.
    pub server: ServerUrl,
    /// The account's address.
    #[serde(serialize_with = "write_address", deserialize_with = "read_address")]
    pub email: Address,
    /// The account.
    pub account_id: AccountId,
    /// The epoch that this device is in.
    pub epoch_id: EpochId,
    /// This device; made once, and kept through logout.
    pub device_id: DeviceId,
    /// What this device is called.
    pub device_name: String,
    /// The newest keyring that this device has opened, sealed.
    pub keyring: Keyring,
    /// The root key sealed under the recovery phrase.
    pub recovery_slot: Slot,
    /// One of a higher generation that a server has served since. Until its phrase has opened it
    /// nobody knows whether it is one, and the other stays.
    #[serde(default)]
    pub newer_recovery_slot: Option<Slot>,
    /// Epochs that this device was in before, and that are not known to be unlocked.
    #[serde(default)]
    pub former: Vec<FormerEpoch>,
    /// Epochs whose personas this device knows to have moved: nothing goes back to them.
    #[serde(default)]
    pub closed: Vec<EpochId>,
    /// Where the login was last kept.
    pub stored: Option<StoreKind>,
}

/// What a device keeps of an epoch that it was in before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerEpoch {
    /// The epoch.
    pub epoch_id: EpochId,
    /// Its newest keyring that this device has opened, sealed.
    pub keyring: Keyring,
    /// Its root key sealed under its phrase.
    pub recovery_slot: Slot,
    /// As in the record.
    #[serde(default)]
    pub newer_recovery_slot: Option<Slot>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    schema: u32,
    #[serde(flatten)]
    record: T,
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

impl Record {
    /// Keeps a recovery slot that a server serves. It never takes the place of the first: calling
    /// something newer would be a way to take away what the phrase opens.
    pub fn keep_recovery_slot(&mut self, served: Slot) {
        if served.generation > self.recovery_slot.generation {
            self.newer_recovery_slot = Some(served);
        }
    }

    /// Takes a proven slot as the one that the phrase opens.
    pub fn adopt_recovery_slot(&mut self, slot: Slot) {
        self.newer_recovery_slot =
            self.newer_recovery_slot.take().filter(|newer| newer.generation > slot.generation);
        self.recovery_slot = slot;
    }

    /// The slots that a phrase may open, newest first.
    pub fn recovery_slots(&self) -> impl Iterator<Item = &Slot> {
        self.newer_recovery_slot.iter().chain([&self.recovery_slot])
    }

    /// Moves to another epoch of the account, and keeps what belongs to the one before; or back to
    /// one that was kept.
    pub fn move_to(&mut self, epoch: EpochId, keyring: Keyring, recovery_slot: Slot) {
        let left = FormerEpoch {
            epoch_id: self.epoch_id,
            keyring: std::mem::replace(&mut self.keyring, keyring),
            recovery_slot: self.recovery_slot.clone(),
            newer_recovery_slot: self.newer_recovery_slot.take(),
        };
        self.former.push(left);
        self.epoch_id = epoch;
        let kept = self.former.iter().position(|former| former.epoch_id == epoch);
        match kept.map(|place| self.former.remove(place)) {
            None => self.recovery_slot = recovery_slot,
            Some(kept) => {
                self.recovery_slot = kept.recovery_slot;
                self.newer_recovery_slot = kept.newer_recovery_slot;
                self.keep_recovery_slot(recovery_slot);
            }
        }
    }

    /// Forgets a former epoch that is unlocked.
    pub fn close(&mut self, epoch: EpochId) {
        self.former.retain(|former| former.epoch_id != epoch);
        if !self.closed.contains(&epoch) {
            self.closed.push(epoch);
        }
    }

    pub(super) fn parse(bytes: &[u8], path: PathBuf) -> Result<Self, ProfileError> {
        let damaged = |path: &PathBuf, source| ProfileError::Damaged { path: path.clone(), source };
        let Schema { schema } = serde_json::from_slice(bytes).map_err(|e| damaged(&path, e))?;
        if schema > SCHEMA {
            return Err(ProfileError::Newer { path, schema });
        }
        let Versioned { record, .. } =
            serde_json::from_slice(bytes).map_err(|error| damaged(&path, error))?;
        Ok(record)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let versioned = Versioned { schema: SCHEMA, record: self };
        let mut bytes = serde_json::to_vec_pretty(&versioned)
            .expect("strings, numbers and lists are all that it holds");
        bytes.push(b'\n');
        bytes
    }
}

fn write_address<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(address.as_str())
}

fn read_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
