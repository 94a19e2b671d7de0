//! Every sealed object served in place of every other, and every bit and every length of each
//! changed: nothing of it opens (ADVERSARY 4, 9, 11).

use keybackup_protocol::{AccountId, DeviceId, EpochId, PersonaId};
use rand08::rngs::OsRng;

use super::{DeviceRecord, Index, Keyring, Label, LocalState, labels, slot};
use crate::keys::{self, ObjectType, SealingKey};
use crate::seal::object::{Binding, open, seal};
use crate::secret::{ExportKey, Phrase, RootKey};

/// Everything that opens things in one account.
struct World {
    account: AccountId,
    epoch: EpochId,
    persona: PersonaId,
    device: DeviceId,
    root: RootKey,
    export_key: ExportKey,
    phrase: Phrase,
    keyring: Keyring,
}

/// Alike ids in all roles, so that only what is meant to tell objects apart can.
const ID: [u8; 16] = [7; 16];

impl World {
    fn new() -> Self {
        Self {
            account: AccountId::from_bytes(ID),
            epoch: EpochId::from_bytes(ID),
            persona: PersonaId::from_bytes(ID),
            device: DeviceId::from_bytes(ID),
            root: RootKey::generate(&mut OsRng),
            export_key: ExportKey::generate(&mut OsRng),
            phrase: Phrase::generate(&mut OsRng),
            keyring: Keyring::first(&mut OsRng),
        }
    }

    fn key(&self, object_type: ObjectType) -> Option<SealingKey> {
        let vault = self.keyring.active();
        Some(match object_type {
            ObjectType::PasswordSlot => keys::password_slot_key(&self.export_key),
            ObjectType::RecoverySlot => keys::recovery_slot_key(&self.phrase),
            ObjectType::Keyring => keys::keyring_key(&self.root),
            ObjectType::Index => keys::index_key(vault),
            ObjectType::Label => keys::label_key(&keys::persona_key(vault, self.persona)),
            ObjectType::DeviceRecord => keys::device_record_key(vault),
            ObjectType::TokenRecord => keys::token_record_key(vault),
            ObjectType::LocalState => keys::local_state_key(vault),
            ObjectType::StatCache => keys::stat_cache_key(vault),
            ObjectType::Parcel => keys::parcel_key(vault),
            ObjectType::DeviceSlot | ObjectType::Invitation => return None,
        })
    }

    /// One of each record, version 1 where it has one.
    fn records(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Self { account, epoch, persona, device, root, export_key, phrase, keyring } = self;
        let label = labels::label("work", 1, None);
        let header = super::HeaderBytes::from(crate::seal::Header {
            account: *account,
            persona: *persona,
            ..*label.content.as_ref().expect("it has content").header.header()
        });
        let content = label.content.clone().map(|content| super::Content { header, ..content });
        let label = Label { content, ..label };
        let record = DeviceRecord {
            name: "laptop".parse().expect("a name"),
            platform: "linux".into(),
            created_at: 0,
        };
        let slot = |key| slot::seal(&mut OsRng, &key, *account, *epoch, 1, root).expect("sealed");
        vec![
            ("password slot", slot(keys::password_slot_key(export_key))),
            ("recovery slot", slot(keys::recovery_slot_key(phrase))),
            ("keyring", keyring.seal(&mut OsRng, root, *account, *epoch).expect("sealed")),
            ("index", Index::new(1).seal(&mut OsRng, keyring, *account, *epoch).expect("ok").bytes),
            ("label", label.seal(&mut OsRng, keyring, *account, *persona).expect("sealed").bytes),
            (
                "device record",
                record.seal(&mut OsRng, keyring, *account, *device, 1).expect("sealed").bytes,
            ),
            (
                "local state",
                LocalState::new(*epoch)
                    .seal(&mut OsRng, keyring, *account, *device)
                    .expect("sealed"),
            ),
        ]
    }

    /// Opens `sealed` as the named record of this world; `version` 1 is the right one.
    fn opens(&self, record: &str, sealed: &[u8], version: u64) -> bool {
        let Self { account, epoch, persona, device, root, export_key, phrase, keyring } = self;
        let slot = |key| slot::open(&key, *account, *epoch, version, sealed).is_ok();
        match record {
            "password slot" => slot(keys::password_slot_key(export_key)),
            "recovery slot" => slot(keys::recovery_slot_key(phrase)),
            "keyring" => Keyring::open(root, *account, *epoch, version, sealed).is_ok(),
            "index" => Index::open(keyring, *account, *epoch, version, sealed).is_ok(),
            "label" => Label::open(keyring, *account, *persona, version, sealed).is_ok(),
            "device record" => {
                DeviceRecord::open(keyring, *account, *device, version, sealed).is_ok()
            }
            "local state" => LocalState::open(keyring, *account, *device, sealed).is_ok(),
            other => unreachable!("{other} is not in the list"),
        }
    }
}

/// Holds rule 9.
#[test]
fn no_record_stands_in_for_another() {
    let world = World::new();
    let records = world.records();
    for (served, sealed) in &records {
        for (expected, _) in &records {
            let opens = world.opens(expected, sealed, 1);
            assert_eq!(opens, served == expected, "{served} served as {expected}");
        }
        // Local state has no version: what it is bound to is the device alone.
        if *served != "local state" {
            for version in [0, 2, u64::MAX] {
                assert!(!world.opens(served, sealed, version), "{served} as version {version}");
            }
        }
    }
}

/// Holds rule 9.
#[test]
fn no_record_opens_in_another_account_epoch_persona_or_device() {
    let mut world = World::new();
    let records = world.records();
    let other = [8; 16];
    let opened = |world: &World| -> Vec<&str> {
        let open = records.iter().filter(|(record, sealed)| world.opens(record, sealed, 1));
        open.map(|(record, _)| *record).collect()
    };
    assert_eq!(opened(&world).len(), records.len());
    world.account = AccountId::from_bytes(other);
    assert_eq!(opened(&world), [""; 0], "another account");
    world.account = AccountId::from_bytes(ID);
    world.epoch = EpochId::from_bytes(other);
    assert_eq!(opened(&world), ["label", "device record", "local state"], "another epoch");
    world.epoch = EpochId::from_bytes(ID);
    world.persona = PersonaId::from_bytes(other);
    assert!(!opened(&world).contains(&"label"), "another persona");
    world.persona = PersonaId::from_bytes(ID);
    world.device = DeviceId::from_bytes(other);
    let left = opened(&world);
    assert!(!left.contains(&"device record") && !left.contains(&"local state"));
    // The other secrets of another account, with all ids alike.
    assert_eq!(opened(&World::new()), [""; 0], "other keys");
}

/// The full cross product over types, accounts, object ids and versions, below the records: the
/// key of one type asked to open an object of another never does, even where both are one key.
///
/// Holds rule 9.
#[test]
fn the_cross_product_of_types_and_bindings() {
    let world = World::new();
    let bindings = |id: [u8; 16], account: [u8; 16], version| {
        Binding::label(AccountId::from_bytes(account), PersonaId::from_bytes(id), version)
    };
    let mut objects = Vec::new();
    for key in ObjectType::ALL.into_iter().filter_map(|object_type| world.key(object_type)) {
        for (id, account, version) in [(ID, ID, 1), ([8; 16], ID, 1), (ID, [8; 16], 1), (ID, ID, 2)]
        {
            let binding = bindings(id, account, version);
            let sealed = seal(&mut OsRng, &key, &binding, b"{}").expect("it fits");
            objects.push((key.object_type(), binding, sealed));
        }
    }
    assert_eq!(objects.len(), 10 * 4);
    for (served_type, served_binding, sealed) in &objects {
        for (expected_type, expected_binding, _) in &objects {
            let key = world.key(*expected_type).expect("it sealed one");
            let opened = open(&key, expected_binding, sealed);
            let same = served_type == expected_type && served_binding == expected_binding;
            assert_eq!(opened.is_ok(), same, "{served_type:?} as {expected_type:?}: {opened:?}");
        }
    }
}

/// Holds rules 4 and 11.
#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let world = World::new();
    for (record, sealed) in world.records() {
        let mut changed = sealed.clone();
        for bit in 0..sealed.len() * 8 {
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!world.opens(record, &changed, 1), "{record}, bit {bit}");
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..sealed.len() {
            assert!(!world.opens(record, &sealed[..length], 1), "{record}, {length} bytes");
        }
        changed.push(0);
        assert!(!world.opens(record, &changed, 1), "{record}, one byte more");
        assert!(world.opens(record, &sealed, 1), "{record} as it was");
    }
}
