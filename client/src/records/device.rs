//! Device records: what a device is called, for the account's other devices.

use keybackup_protocol::{AccountId, DeviceId};
use rand08::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::json::{check_text, decode, encode};
use super::{Keyring, Name, RecordError, SealedRecord, moment, ordinal};
use crate::keys;
use crate::seal::{Binding, object};

/// Longest platform text, in bytes.
const MAX_PLATFORM_BYTES: usize = 64;

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Its name, from its owner.
    pub name: Name,
    /// Its operating system.
    pub platform: String,
    /// When it first logged in, by its own clock, in unix seconds.
    pub created_at: i64,
}

impl DeviceRecord {
    /// Opens revision `revision` of a device's record, under whichever key sealed it.
    pub fn open(
        keyring: &Keyring,
        account: AccountId,
        device: DeviceId,
        revision: u64,
        sealed: &[u8],
    ) -> Result<Self, RecordError> {
        let (_, key_id) = object::head(sealed)?;
        let (key, _) = keyring.find(key_id).ok_or(RecordError::UnknownKey(key_id))?;
        let binding = Binding::device_record(account, device, revision);
        let record: Self = decode(&object::open(&keys::device_record_key(key), &binding, sealed)?)?;
        record.check(revision)?;
        Ok(record)
    }

    /// Seals it under the active key.
    pub fn seal(
        &self,
        rng: &mut (impl RngCore + CryptoRng),
        keyring: &Keyring,
        account: AccountId,
        device: DeviceId,
        revision: u64,
    ) -> Result<SealedRecord, RecordError> {
        self.check(revision)?;
        let key = keys::device_record_key(keyring.active());
        let binding = Binding::device_record(account, device, revision);
        Ok(SealedRecord::new(object::seal(rng, &key, &binding, &encode(self))?))
    }

    fn check(&self, revision: u64) -> Result<(), RecordError> {
        ordinal(revision)?;
        moment(self.created_at)?;
        Ok(check_text(&self.platform, MAX_PLATFORM_BYTES)?)
    }
}
