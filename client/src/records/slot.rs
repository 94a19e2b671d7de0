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
