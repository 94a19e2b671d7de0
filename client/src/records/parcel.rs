//! A parcel: a blob that a device has sealed, kept whole in a file until its commit is made, so that a
//! process that is killed meanwhile need not seal again, nor send again what has arrived.

use keybackup_protocol::{AccountId, DeviceId, EpochId, PersonaId};
use rand08::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::json::{decode, encode};
use super::{Content, Keyring, Name, RecordError, ordinal};
use crate::keys;
use crate::seal::{Binding, object};

/// What is known of a blob that is sealed and not yet committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The epoch that it was sealed in.
    pub epoch: EpochId,
    /// Whose it is.
    pub persona: PersonaId,
    /// What that is called.
    pub name: Name,
    /// The version that it was sealed for.
    pub version: u64,
    /// What its label will say of it.
    pub content: Content,
    /// The file that it is in.
    pub file: String,
}

impl Parcel {
    /// Opens a device's parcel, under whichever key of the keyring sealed it.
    pub fn open(
        keyring: &Keyring,
        account: AccountId,
        device: DeviceId,
        sealed: &[u8],
    ) -> Result<Self, RecordError> {
        let (_, key_id) = object::head(sealed)?;
        let (key, _) = keyring.find(key_id).ok_or(RecordError::UnknownKey(key_id))?;
        let binding = Binding::parcel(account, device);
        let parcel: Self = decode(&object::open(&keys::parcel_key(key), &binding, sealed)?)?;
        ordinal(parcel.version)?;
        Ok(parcel)
    }

    /// Seals it under the active key.
    pub fn seal(
        &self,
        rng: &mut (impl RngCore + CryptoRng),
        keyring: &Keyring,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Vec<u8>, RecordError> {
        let key = keys::parcel_key(keyring.active());
        Ok(object::seal(rng, &key, &Binding::parcel(account, device), &encode(self))?)
    }
}

#[cfg(test)]
mod tests {
    use rand08::rngs::OsRng;

    use super::super::labels;
    use super::*;

    #[test]
    fn opens_on_the_device_that_sealed_it_and_nowhere_else() {
        let (account, device) = (AccountId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
        let keyring = Keyring::first(&mut OsRng);
        let parcel = Parcel {
            epoch: EpochId::from_bytes([3; 16]),
            persona: PersonaId::from_bytes([4; 16]),
            name: "work".parse().expect("a name"),
            version: 7,
            content: labels::label("work", 7, None).content.expect("it has content"),
            file: "/var/tmp/parcel".to_owned(),
        };
        let sealed = parcel.seal(&mut OsRng, &keyring, account, device).expect("sealed");
        assert_eq!(Parcel::open(&keyring, account, device, &sealed).expect("opens"), parcel);
        let other = DeviceId::from_bytes([5; 16]);
        assert!(Parcel::open(&keyring, account, other, &sealed).is_err());
        let stranger = Keyring::first(&mut OsRng);
        assert!(Parcel::open(&stranger, account, device, &sealed).is_err());
        let none = Parcel { version: 0, ..parcel };
        let sealed = none.seal(&mut OsRng, &keyring, account, device).expect("sealed");
        assert!(matches!(
            Parcel::open(&keyring, account, device, &sealed),
            Err(RecordError::Rule(_))
        ));
    }
}
