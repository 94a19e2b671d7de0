//! The key tree of FORMAT.md. What seals an object is a [`SealingKey`], which knows the type that
//! it seals and the key id that it writes, so that no key is used for two things.

use keybackup_protocol::{KeyId, PersonaId};
use sha2::{Digest as _, Sha256};

use super::derive::derive;
use super::labels::{Label, ObjectType};
use crate::secret::{DerivedKey, ExportKey, PersonaKey, Phrase, Proof, RootKey, VaultKey};

/// The key of one type of sealed object.
pub struct SealingKey {
    object_type: ObjectType,
    key_id: KeyId,
    key: DerivedKey<32>,
}

impl SealingKey {
    /// The only type that it seals and opens.
    pub const fn object_type(&self) -> ObjectType {
        self.object_type
    }

    /// The vault key that it comes from, or [`KeyId::NONE`].
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }

    fn of_vault(vault: &VaultKey, object_type: ObjectType, label: Label) -> Self {
        Self { object_type, key_id: vault.id(), key: derive(vault.expose(), b"", label, &[]) }
    }
}

/// Seals the root under the password.
pub fn password_slot_key(export_key: &ExportKey) -> SealingKey {
    SealingKey {
        object_type: ObjectType::PasswordSlot,
        key_id: KeyId::NONE,
        key: derive(export_key.expose(), b"", Label::PasswordSlot, &[]),
    }
}

/// Seals the root under the phrase.
pub fn recovery_slot_key(phrase: &Phrase) -> SealingKey {
    SealingKey {
        object_type: ObjectType::RecoverySlot,
        key_id: KeyId::NONE,
        key: derive(phrase.expose(), b"", Label::RecoverySlot, &[]),
    }
}

/// Seals the keyring: the root key itself, which seals nothing else.
pub fn keyring_key(root: &RootKey) -> SealingKey {
    SealingKey {
        object_type: ObjectType::Keyring,
        key_id: KeyId::NONE,
        key: DerivedKey::init_with(|key| key.copy_from_slice(root.expose())),
    }
}

/// Shown to the server to prove that the root is held.
pub fn root_proof(root: &RootKey) -> Proof {
    derive(root.expose(), b"", Label::RootProof, &[]).into()
}

/// Shown to the server to prove that the phrase is held.
pub fn phrase_proof(phrase: &Phrase) -> Proof {
    derive(phrase.expose(), b"", Label::PhraseProof, &[]).into()
}

/// What the server keeps of a proof: its SHA-256. Not secret.
pub fn verifier(proof: &Proof) -> [u8; 32] {
    Sha256::digest(proof.expose()).into()
}

/// The key of one persona.
pub fn persona_key(vault: &VaultKey, persona: PersonaId) -> PersonaKey {
    let key = derive(vault.expose(), b"", Label::Persona, &[persona.as_bytes()]);
    PersonaKey::new(vault.id(), persona, key)
}

/// Seals a persona's labels.
pub fn label_key(persona: &PersonaKey) -> SealingKey {
    SealingKey {
        object_type: ObjectType::Label,
        key_id: persona.key_id(),
        key: derive(persona.expose(), b"", Label::Label, &[]),
    }
}

/// Seals the index; never in a token.
pub fn index_key(vault: &VaultKey) -> SealingKey {
    SealingKey::of_vault(vault, ObjectType::Index, Label::Index)
}

/// Seals the names of devices.
pub fn device_record_key(vault: &VaultKey) -> SealingKey {
    SealingKey::of_vault(vault, ObjectType::DeviceRecord, Label::Device)
}

/// Seals the names of tokens.
pub fn token_record_key(vault: &VaultKey) -> SealingKey {
    SealingKey::of_vault(vault, ObjectType::TokenRecord, Label::Device)
}

/// Seals what a device has seen.
pub fn local_state_key(vault: &VaultKey) -> SealingKey {
    SealingKey::of_vault(vault, ObjectType::LocalState, Label::LocalState)
}

/// Seals what a device knows of unchanged files.
pub fn stat_cache_key(vault: &VaultKey) -> SealingKey {
    SealingKey::of_vault(vault, ObjectType::StatCache, Label::LocalState)
}

/// Seals what a device knows of a blob that it has sealed and not yet sent.
pub fn parcel_key(vault: &VaultKey) -> SealingKey {
    SealingKey::of_vault(vault, ObjectType::Parcel, Label::LocalState)
}

/// The keys of one blob, from one derivation of 83 bytes.
pub struct BlobKeys(DerivedKey<83>);

impl BlobKeys {
    /// Of the blob with this salt and header, the header being that before the commitment.
    pub fn derive(persona: &PersonaKey, salt: &[u8; 32], header: &[u8]) -> Self {
        Self(derive(persona.expose(), salt, Label::Blob, &[header]))
    }

    /// The cipher's key, the nonce prefix, and the commitment that the header carries.
    #[expect(clippy::missing_panics_doc, reason = "32 + 19 + 32 = 83")]
    pub fn parts(&self) -> (&[u8; 32], &[u8; 19], &[u8; 32]) {
        let bytes = self.0.expose();
        let (key, rest) = bytes.split_first_chunk().expect("83 bytes hold 32");
        let (prefix, rest) = rest.split_first_chunk().expect("51 bytes hold 19");
        (key, prefix, rest.first_chunk().expect("32 bytes are left"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Holds rule 10.
    #[test]
    fn no_two_keys_of_the_tree_are_alike() {
        let root = RootKey::init_with(|bytes| bytes.fill(1));
        let phrase = Phrase::init_with(|bytes| bytes.fill(1));
        let export_key = ExportKey::init_with(|bytes| bytes.fill(1));
        let vault = VaultKey::new(KeyId::from_bytes([1; 8]), DerivedKey::init_with(|b| b.fill(1)));
        let one = persona_key(&vault, PersonaId::from_bytes([1; 16]));
        let two = persona_key(&vault, PersonaId::from_bytes([2; 16]));
        let keys = [
            *root.expose(),
            *root_proof(&root).expose(),
            *phrase_proof(&phrase).expose(),
            verifier(&root_proof(&root)),
            *one.expose(),
            *two.expose(),
            *label_key(&one).expose(),
            *label_key(&two).expose(),
            *password_slot_key(&export_key).expose(),
            *recovery_slot_key(&phrase).expose(),
            *index_key(&vault).expose(),
            *device_record_key(&vault).expose(),
            *local_state_key(&vault).expose(),
            *BlobKeys::derive(&one, &[0; 32], b"").parts().0,
            *BlobKeys::derive(&one, &[0; 32], b"").parts().2,
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    }
}
