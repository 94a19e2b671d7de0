//! A new epoch, all of it made on the device: root key, phrase, keyring 1, index 1, and the two
//! slots. What a registration brings, and a reset without the old phrase.

use keybackup_protocol::api::{self, NewEpoch, Slot, SlotKind};
use keybackup_protocol::{AccountId, B64, EpochId};
use rand08::rngs::OsRng;

use super::random;
use crate::keys;
use crate::records::{Digest, Index, Keyring, RecordError, slot};
use crate::secret::{ExportKey, Phrase, RootKey};

/// An epoch that no server knows yet.
pub struct FreshEpoch {
    /// Its id.
    pub id: EpochId,
    /// Its root key.
    pub root: RootKey,
    /// Its first keyring.
    pub keyring: Keyring,
    /// Hash of its first, empty index.
    pub index_hash: Digest,
    /// What opens it when the password is lost.
    pub(super) phrase: Phrase,
    /// All of it, for the server.
    pub(super) sealed: NewEpoch,
}

impl FreshEpoch {
    /// Makes one for an account, with the record and export key of its password.
    pub(super) fn make(
        account: AccountId,
        record: Vec<u8>,
        export_key: &ExportKey,
    ) -> Result<Self, RecordError> {
        let id = EpochId::from_bytes(random());
        let root = RootKey::generate(&mut OsRng);
        let phrase = keys::phrase::generate(&mut OsRng);
        let keyring = Keyring::first(&mut OsRng);
        let slot = |kind, key: &keys::SealingKey| {
            let generation = 1;
            let sealed = slot::seal(&mut OsRng, key, account, id, generation, &root)?;
            Ok::<_, RecordError>(Slot { kind, generation, sealed: B64(sealed) })
        };
        let sealed_keyring = keyring.seal(&mut OsRng, &root, account, id)?;
        let index = Index::new(keyring.version());
        let sealed_index = index.seal(&mut OsRng, &keyring, account, id)?;
        let sealed = NewEpoch {
            id,
            record: B64(record),
            slots: vec![
                slot(SlotKind::Password, &keys::password_slot_key(export_key))?,
                slot(SlotKind::Recovery, &keys::recovery_slot_key(&phrase))?,
            ],
            phrase_verifier: B64(keys::verifier(&keys::phrase_proof(&phrase)).to_vec()),
            root_verifier: B64(keys::verifier(&keys::root_proof(&root)).to_vec()),
            keyring: api::Keyring { version: keyring.version(), sealed: B64(sealed_keyring) },
            index: api::Index { counter: index.counter(), sealed: B64(sealed_index.bytes) },
        };
        Ok(Self { id, root, keyring, index_hash: sealed_index.hash, phrase, sealed })
    }

    /// The keyring as it is sealed, to be kept on the device.
    pub fn sealed_keyring(&self) -> api::Keyring {
        self.sealed.keyring.clone()
    }

    /// The recovery slot, to be kept on the device.
    ///
    /// # Panics
    /// Never: it was made with one.
    pub fn recovery_slot(&self) -> Slot {
        let slot = self.sealed.slots.iter().find(|slot| slot.kind == SlotKind::Recovery);
        slot.expect("it was made with one").clone()
    }
}
