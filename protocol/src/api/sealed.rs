//! Sealed objects of an epoch, as both sides hand them on.

use serde::{Deserialize, Serialize};

use crate::encoding::B64;
use crate::ids::{DeviceId, EpochId};

/// A sealed root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// What opens it.
    pub kind: SlotKind,
    /// Counts up with each replacement; the object version it is sealed for.
    pub generation: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotKind {
    /// The password's OPAQUE export key.
    Password,
    /// The recovery phrase.
    Recovery,
}

/// A sealed keyring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    /// Counts from 1 within the epoch.
    pub version: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// `GET /keyring`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyringAnswer {
    /// The epoch it belongs to.
    pub epoch: EpochId,
    /// The newest keyring of that epoch.
    pub keyring: Keyring,
}

/// A sealed index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Counts from 1 within the epoch.
    pub counter: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// A device's sealed record; `PUT /devices/<id>` takes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Made by the client.
    pub id: DeviceId,
    /// Counts from 1; a put must raise it.
    pub revision: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// `GET /devices`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Devices {
    /// The account's device records.
    pub devices: Vec<DeviceRecord>,
}
