//! The account that the vectors are of, and sealing in it.

use std::collections::BTreeMap;

use keybackup::keys::{self, SealingKey};
use keybackup::seal::padding;
use keybackup::secret::{DerivedKey, ExportKey, PersonaKey, Phrase, RootKey, VaultKey};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId, KeyId, PersonaId};
use rand08::RngCore as _;
use serde_json::{Value, json};

use crate::case::{Case, VectorRng};
use crate::raw::{self, Bound};

pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes(*b"account id 16 B.");
pub(crate) const EPOCH: EpochId = EpochId::from_bytes(*b"epoch id 16 byte");
pub(crate) const PERSONA: PersonaId = PersonaId::from_bytes(*b"persona id 16 B.");
pub(crate) const DEVICE: DeviceId = DeviceId::from_bytes(*b"device id 16 by.");
pub(crate) const KEY_ID: KeyId = KeyId::from_bytes(*b"vault ky");

pub(crate) fn export_key() -> ExportKey {
    ExportKey::generate(&mut VectorRng::of("world: export key"))
}

pub(crate) fn phrase() -> Phrase {
    Phrase::generate(&mut VectorRng::of("world: phrase"))
}

pub(crate) fn root() -> RootKey {
    RootKey::generate(&mut VectorRng::of("world: root key"))
}

pub(crate) fn vault() -> VaultKey {
    VaultKey::new(KEY_ID, DerivedKey::generate(&mut VectorRng::of("world: vault key")))
}

pub(crate) fn persona_key() -> PersonaKey {
    keys::persona_key(&vault(), PERSONA)
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    B64::from(bytes).to_text()
}

pub(crate) fn digest(text: &str) -> String {
    b64(blake3::hash(text.as_bytes()).as_bytes())
}

/// JSON with the fields of every map in order, whatever order the library keeps.
pub(crate) fn text(json: &Value) -> String {
    match json {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let field = |(name, value)| format!("{}:{}", json!(name), text(value));
            format!("{{{}}}", sorted.into_iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// The types that have vectors, with their names in the vectors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    PasswordSlot,
    RecoverySlot,
    Keyring,
    Index,
    Label,
    DeviceRecord,
    LocalState,
}

impl Type {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PasswordSlot => "password-slot",
            Self::RecoverySlot => "recovery-slot",
            Self::Keyring => "keyring",
            Self::Index => "index",
            Self::Label => "label",
            Self::DeviceRecord => "device-record",
            Self::LocalState => "local-state",
        }
    }

    pub(crate) fn key(self) -> SealingKey {
        match self {
            Self::PasswordSlot => keys::password_slot_key(&export_key()),
            Self::RecoverySlot => keys::recovery_slot_key(&phrase()),
            Self::Keyring => keys::keyring_key(&root()),
            Self::Index => keys::index_key(&vault()),
            Self::Label => keys::label_key(&persona_key()),
            Self::DeviceRecord => keys::device_record_key(&vault()),
            Self::LocalState => keys::local_state_key(&vault()),
        }
    }

    /// What an object with this version is bound to.
    pub(crate) const fn bound(self, version: u64) -> Bound {
        let object = match self {
            Self::Label => *PERSONA.as_bytes(),
            Self::DeviceRecord | Self::LocalState => *DEVICE.as_bytes(),
            _ => *EPOCH.as_bytes(),
        };
        Bound { account: ACCOUNT, object, version }
    }

    pub(crate) fn padded_bytes(self, json_bytes: usize) -> usize {
        match self {
            Self::PasswordSlot | Self::RecoverySlot => 256,
            Self::Keyring | Self::Label | Self::DeviceRecord => {
                (4 + json_bytes).next_multiple_of(1024)
            }
            Self::Index | Self::LocalState => {
                let padded = padding::padme(4 + json_bytes as u64);
                usize::try_from(padded).expect("it is short").max(4096)
            }
        }
    }

    /// The header of a case, up to what is sealed: how it is to be opened.
    pub(crate) fn case(self, name: &str, expect: &str, bound: Bound) -> Case {
        let case = Case::new("object", format!("{}-{name}", self.name()), expect)
            .text("type", self.name())
            .text("account", bound.account)
            .text("object", PersonaId::from_bytes(bound.object))
            .text("version", bound.version);
        match self {
            Self::PasswordSlot => case.bytes("export-key", export_key().expose()),
            Self::RecoverySlot => case.bytes("phrase", phrase().expose()),
            Self::Keyring => case.bytes("root", root().expose()),
            Self::Index | Self::Label | Self::DeviceRecord | Self::LocalState => {
                case.text("key-id", KEY_ID).bytes("vault-key", vault().expose())
            }
        }
    }

    /// The object around `json`, as it should be.
    pub(crate) fn seal(self, name: &str, version: u64, json: &str) -> Vec<u8> {
        let plaintext = raw::padded(json.as_bytes(), self.padded_bytes(json.len()));
        raw::object(&self.key(), self.bound(version), self.nonce(name), &plaintext)
    }

    pub(crate) fn nonce(self, name: &str) -> [u8; 24] {
        let mut nonce = [0; 24];
        VectorRng::of(&format!("object/{}-{name}", self.name())).fill_bytes(&mut nonce);
        nonce
    }
}

/// A header for a label to name: of [`PERSONA`]'s content version `version`.
pub(crate) fn header(version: u64) -> Vec<u8> {
    let key = persona_key();
    let of = raw::BlobOf {
        key_id: KEY_ID,
        account: ACCOUNT,
        persona: PERSONA,
        persona_key: key.expose(),
        version,
        salt: [5; 32],
    };
    raw::blob(of, &[])
}

/// A sound label.
pub(crate) fn label(version: u64, previous: Option<&str>) -> Value {
    json!({
        "kind": "directory",
        "name": "work",
        "nickname": null,
        "version": version,
        "content_version": version,
        "removed": false,
        "content": {
            "header": b64(&header(version)),
            "blake3": digest("blob"),
            "blob_bytes": 16_521,
            "zip_bytes": 1000,
            "fingerprint": digest("tree"),
            "files": 2,
            "directories": 1,
            "bytes": 900,
        },
        "device": DEVICE,
        "time": 1_700_000_000,
        "previous": previous.map(digest),
        "keyring_version": 1,
        "supersedes": [],
    })
}

/// A sound index, with counter 7.
pub(crate) fn index() -> Value {
    json!({
        "counter": 7,
        "keyring_version": 2,
        "min_writer": 1,
        "objects": [
            { "id": PersonaId::from_bytes([1; 16]), "kind": "directory", "name": "work",
              "floor": 3, "label": digest("work 3"), "removed": false },
            { "id": PersonaId::from_bytes([2; 16]), "kind": "directory", "name": "work",
              "floor": 1, "label": digest("old work 1"), "removed": true },
        ],
    })
}

/// A sound keyring, version 3.
pub(crate) fn keyring() -> Value {
    json!({
        "version": 3,
        "min_writer": 1,
        "keys": [
            { "id": KEY_ID, "key": b64(vault().expose()), "state": "active" },
            { "id": KeyId::from_bytes([2; 8]), "key": b64(&[2; 32]), "state": "open-only" },
        ],
    })
}
