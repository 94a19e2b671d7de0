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

#[cfg(test)]
mod tests {
    use rand08::rngs::OsRng;

    use super::*;
    use crate::records::{MAX_INTEGER, Rule};

    #[test]
    fn refuses_what_breaks_a_rule() {
        let checked = |revision, platform: &str, created_at| {
            let platform = platform.to_owned();
            let name = "laptop".parse().expect("a name");
            DeviceRecord { name, platform, created_at }.check(revision)
        };
        let limit = i64::try_from(MAX_INTEGER).expect("it fits");
        assert!(checked(1, &"p".repeat(64), -limit).is_ok());
        for (revision, platform, created_at, expected) in [
            (0, "linux", 0, Rule::Range),
            (1, "linux", -limit - 1, Rule::Range),
            (1, "linux\u{1b}", 0, Rule::Text),
            (1, &"p".repeat(65), 0, Rule::Text),
        ] {
            let error = checked(revision, platform, created_at).err();
            let rule = matches!(error, Some(RecordError::Rule(rule)) if rule == expected);
            assert!(rule, "{revision}, {platform:?}, {created_at}: {error:?}");
        }
    }

    #[test]
    fn is_checked_when_it_opens_too() {
        let (account, device) = (AccountId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        let keyring = Keyring::first(&mut OsRng);
        let name = "laptop".parse().expect("a name");
        let record = DeviceRecord { name, platform: "linux".into(), created_at: 5 };
        let open = |record: &DeviceRecord, revision| {
            let key = keys::device_record_key(keyring.active());
            let binding = Binding::device_record(account, device, revision);
            let sealed = object::seal(&mut OsRng, &key, &binding, &encode(record)).expect("ok");
            DeviceRecord::open(&keyring, account, device, revision, &sealed)
        };
        assert_eq!(open(&record, 3).expect("it opens"), record);
        assert!(matches!(open(&record, 0), Err(RecordError::Rule(Rule::Range))));
    }
}
