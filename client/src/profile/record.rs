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
    /// Where the login was last kept.
    pub stored: Option<StoreKind>,
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
