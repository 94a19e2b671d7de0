//! Slots: the root key, sealed under what a person has or knows.

use keybackup_protocol::{AccountId, EpochId, KeyId};
use rand08::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::RecordError;
use super::json::{decode, encode};
use super::keyring::{SecretText, secret_text};
use crate::keys::{ObjectType, SealingKey};
use crate::seal::{Binding, object};
use crate::secret::{DerivedKey, RootKey};

#[derive(Serialize, Deserialize)]
struct Slot<'a> {
    #[serde(borrow)]
    root: SecretText<'a>,
}

/// Seals the root of `epoch` under a slot's key; `generation` counts up with each replacement.
pub fn seal(
    rng: &mut (impl RngCore + CryptoRng),
    key: &SealingKey,
    account: AccountId,
    epoch: EpochId,
    generation: u64,
    root: &RootKey,
) -> Result<Vec<u8>, RecordError> {
    super::ordinal(generation)?;
    let text = secret_text(root.expose());
    let json = encode(&Slot { root: SecretText(&text) });
    Ok(object::seal(rng, key, &Binding::slot(account, epoch, generation), &json)?)
}

/// Checks what can be seen of a recovery slot without its phrase: version, type, key id, length.
pub fn check_recovery(sealed: &[u8]) -> Result<(), RecordError> {
    Ok(object::check_shape(sealed, ObjectType::RecoverySlot, KeyId::NONE)?)
}

/// Opens a slot.
pub fn open(
    key: &SealingKey,
    account: AccountId,
    epoch: EpochId,
    generation: u64,
    sealed: &[u8],
) -> Result<RootKey, RecordError> {
    let json = object::open(key, &Binding::slot(account, epoch, generation), sealed)?;
    let slot: Slot<'_> = decode(&json)?;
    let root: DerivedKey<32> = slot.root.key()?;
    super::ordinal(generation)?;
    Ok(root.into())
}

#[cfg(test)]
mod tests {
    use rand08::rngs::OsRng;

    use super::*;
    use crate::keys::{password_slot_key, recovery_slot_key};
    use crate::seal::OpenError;
    use crate::secret::{ExportKey, Phrase};

    #[test]
    fn a_recovery_slot_is_told_without_its_phrase() {
        let (account, epoch) = (AccountId::from_bytes([1; 16]), EpochId::from_bytes([2; 16]));
        let root = RootKey::generate(&mut OsRng);
        let sealed = |key, generation| seal(&mut OsRng, &key, account, epoch, generation, &root);
        let phrase = Phrase::generate(&mut OsRng);
        let slot = sealed(recovery_slot_key(&phrase), 1).expect("it fits");
        assert!(check_recovery(&slot).is_ok());
        let cut = check_recovery(&slot[..slot.len() - 1]).err();
        assert!(matches!(cut, Some(RecordError::Open(OpenError::Padding))));
        let other = sealed(password_slot_key(&ExportKey::generate(&mut OsRng)), 1).expect("fits");
        let other = check_recovery(&other).err();
        assert!(matches!(other, Some(RecordError::Open(OpenError::WrongType { .. }))));
        let zero = sealed(recovery_slot_key(&phrase), 0).err();
        assert!(matches!(zero, Some(RecordError::Rule(super::super::Rule::Range))));
    }
}
