//! Sealed objects, opened as the records that they are.

use keybackup::keys;
use keybackup::records::{DeviceRecord, Index, Keyring, Label, LocalState, RecordError, slot};
use keybackup::seal::OpenError;
use keybackup::seal::object::{self, Binding};
use keybackup::secret::{DerivedKey, ExportKey, Phrase, RootKey, VaultKey};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId, KeyId, PersonaId};
use rand08::rngs::OsRng;

use crate::vector::{Vector, Verdict};

pub(crate) fn open(vector: &Vector) -> Verdict {
    let account: AccountId = vector.text("account").parse().expect("an id");
    let version = vector.number("version");
    let sealed = vector.body();
    let object = vector.text("object");
    let epoch: EpochId = object.parse().expect("an id");
    let persona: PersonaId = object.parse().expect("an id");
    let device: DeviceId = object.parse().expect("an id");
    let open_slot = |key: &keys::SealingKey| {
        let root = slot::open(key, account, epoch, version, sealed)?;
        let json = format!("{{\"root\":\"{}\"}}", B64::from(&root.expose()[..]).to_text());
        assert_eq!(json, vector.text("json"));
        Ok(())
    };
    let result = match vector.text("type") {
        "password-slot" => {
            let export_key = ExportKey::from_slice(&vector.bytes("export-key")).expect("64 bytes");
            open_slot(&keys::password_slot_key(&export_key))
        }
        "recovery-slot" => {
            let phrase = Phrase::from_slice(&vector.bytes("phrase")).expect("16 bytes");
            open_slot(&keys::recovery_slot_key(&phrase))
        }
        "keyring" => {
            let root = RootKey::from_slice(&vector.bytes("root")).expect("32 bytes");
            Keyring::open(&root, account, epoch, version, sealed).map(|_| {
                let binding = Binding::keyring(account, epoch, version);
                assert_json(vector, object::open(&keys::keyring_key(&root), &binding, sealed));
            })
        }
        "index" => Index::open(&keyring(vector), account, epoch, version, sealed).map(|_| {
            let binding = Binding::index(account, epoch, version);
            assert_json(vector, object::open(&keys::index_key(&vault(vector)), &binding, sealed));
        }),
        "label" => Label::open(&keyring(vector), account, persona, version, sealed).map(|_| {
            let binding = Binding::label(account, persona, version);
            let key = keys::label_key(&keys::persona_key(&vault(vector), persona));
            assert_json(vector, object::open(&key, &binding, sealed));
        }),
        "device-record" => DeviceRecord::open(&keyring(vector), account, device, version, sealed)
            .map(|_| {
                let binding = Binding::device_record(account, device, version);
                let key = keys::device_record_key(&vault(vector));
                assert_json(vector, object::open(&key, &binding, sealed));
            }),
        "local-state" => LocalState::open(&keyring(vector), account, device, sealed).map(|_| {
            let key = keys::local_state_key(&vault(vector));
            let binding = Binding::local_state(account, device);
            assert_json(vector, object::open(&key, &binding, sealed));
        }),
        other => panic!("no such type: {other}"),
    };
    // Some vectors that must fail show what is inside, to people.
    let _ = vector.find("json");
    for field in ["key-id", "vault-key"] {
        let _ = vector.find(field);
    }
    result.map_err(|error| slug(&error).to_owned())
}

fn assert_json(vector: &Vector, opened: Result<zeroize::Zeroizing<Vec<u8>>, OpenError>) {
    assert_eq!(*opened.expect("it opened as a record"), vector.text("json").as_bytes());
}

fn vault(vector: &Vector) -> VaultKey {
    let id = vector.text("key-id").parse().expect("an id");
    VaultKey::new(id, DerivedKey::from_slice(&vector.bytes("vault-key")).expect("32 bytes"))
}

/// A keyring that holds the vector's key.
fn keyring(vector: &Vector) -> Keyring {
    let state = vector.find("key-state").unwrap_or("active");
    let entry = |id: KeyId, key: &[u8], state: &str| {
        format!(
            "{{\"id\":\"{id}\",\"key\":\"{}\",\"state\":\"{state}\"}}",
            B64::from(key).to_text()
        )
    };
    let vault = vault(vector);
    let mut keys = vec![entry(vault.id(), vault.expose(), state)];
    if state != "active" {
        keys.push(entry(KeyId::from_bytes([0xff; 8]), &[0xff; 32], "active"));
    }
    let json = format!("{{\"version\":1,\"min_writer\":1,\"keys\":[{}]}}", keys.join(","));
    let (account, epoch) = (AccountId::from_bytes([0; 16]), EpochId::from_bytes([0; 16]));
    let root = RootKey::generate(&mut OsRng);
    let binding = Binding::keyring(account, epoch, 1);
    let sealed = object::seal(&mut OsRng, &keys::keyring_key(&root), &binding, json.as_bytes());
    Keyring::open(&root, account, epoch, 1, &sealed.expect("it fits")).expect("it is sound")
}

pub(crate) fn slug(error: &RecordError) -> &'static str {
    match error {
        RecordError::Open(OpenError::TooShort) => "too-short",
        RecordError::Open(OpenError::TooLong) => "too-long",
        RecordError::Open(OpenError::UnknownVersion { .. }) => "unknown-version",
        RecordError::Open(OpenError::UnknownType { .. }) => "unknown-type",
        RecordError::Open(OpenError::WrongType { .. }) => "wrong-type",
        RecordError::Open(OpenError::WrongKeyId { .. }) => "wrong-key-id",
        RecordError::Open(OpenError::Commitment) => "commitment",
        RecordError::Open(OpenError::Damaged) => "damaged",
        RecordError::Open(OpenError::Padding) => "padding",
        RecordError::Json { .. } => "json",
        RecordError::Rule(_) => "rule",
        RecordError::UnknownKey(_) => "unknown-key",
        RecordError::RetiredKey(_) => "retired-key",
        other => panic!("no slug for {other:?}"),
    }
}
