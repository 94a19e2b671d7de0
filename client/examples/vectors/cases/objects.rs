//! Sealed objects as such: what is checked before there is JSON.

use keybackup::keys;
use keybackup::seal::object;
use keybackup::secret::Phrase;
use keybackup_protocol::AccountId;

use super::world::{self, Type};
use crate::case::{Case, VectorRng};
use crate::raw;

type Fault = (&'static str, &'static str, &'static str, fn(&mut Vec<u8>));

/// Faults that any type can have.
const FAULTS: [Fault; 12] = [
    ("no-bytes", "too-short", "nothing at all", Vec::clear),
    ("only-head", "too-short", "it ends before the ciphertext", |sealed| sealed.truncate(66)),
    ("unknown-version", "unknown-version", "version byte 2", |sealed| sealed[0] = 2),
    ("version-0", "unknown-version", "version byte 0", |sealed| sealed[0] = 0),
    ("unknown-type", "unknown-type", "a type that is not assigned", |sealed| sealed[1] = 0x0c),
    ("blob-type", "unknown-type", "the type of a blob", |sealed| sealed[1] = 0x20),
    ("other-type", "wrong-type", "served as a stat cache", |sealed| sealed[1] = 0x0b),
    ("nonce-changed", "commitment", "one bit of the nonce", |sealed| sealed[10] ^= 1),
    ("commitment-changed", "commitment", "its last bit", |sealed| sealed[65] ^= 1),
    ("ciphertext-changed", "damaged", "one bit of the first byte", |sealed| sealed[66] ^= 128),
    ("tag-changed", "damaged", "the last bit", |sealed| {
        if let Some(last) = sealed.last_mut() {
            *last ^= 1;
        }
    }),
    ("cut", "damaged", "the last byte is missing", |sealed| {
        sealed.pop();
    }),
];

pub(crate) fn cases() -> Vec<Case> {
    let samples = [
        (Type::RecoverySlot, 1, slot_json()),
        (Type::Keyring, 3, world::text(&world::keyring())),
        (Type::Index, 7, world::text(&world::index())),
        (Type::Label, 1, world::text(&world::label(1, None))),
    ];
    let mut cases = Vec::new();
    for (object_type, version, json) in &samples {
        let (object_type, version) = (*object_type, *version);
        for (name, expect, comment, change) in FAULTS {
            let mut sealed = object_type.seal(name, version, json);
            change(&mut sealed);
            let case = object_type.case(name, expect, object_type.bound(version));
            cases.push(case.comment(comment).body(sealed));
        }
        cases.extend(elsewhere(object_type, version, json));
        cases.extend(padding(object_type, version, json));
    }
    cases.push(wrong_phrase());
    cases.push(wrong_key_id());
    check_against_the_program();
    cases
}

pub(crate) fn slot_json() -> String {
    format!("{{\"root\":\"{}\"}}", world::b64(world::root().expose()))
}

/// Sound, but asked for as something else.
fn elsewhere(object_type: Type, version: u64, json: &str) -> [Case; 3] {
    let right = object_type.bound(version);
    [
        ("other-account", raw::Bound { account: AccountId::from_bytes([9; 16]), ..right }),
        ("other-object", raw::Bound { object: [9; 16], ..right }),
        ("other-version", raw::Bound { version: version + 1, ..right }),
    ]
    .map(|(name, bound)| {
        // Another persona has other keys already.
        let other_key = object_type == Type::Label && name == "other-object";
        object_type
            .case(name, if other_key { "commitment" } else { "damaged" }, bound)
            .comment("sealed for another account, object or version than it is opened for")
            .body(object_type.seal(name, version, json))
    })
}

/// Authentic, but not padded as the format says.
fn padding(object_type: Type, version: u64, json: &str) -> Vec<Case> {
    let length = object_type.padded_bytes(json.len());
    let sound = raw::padded(json.as_bytes(), length);
    let mut dirty = sound.clone();
    dirty[length - 1] = 1;
    let mut beyond = sound.clone();
    beyond[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    let faults = [
        ("padding-dirty", "the last byte of the padding is 1", dirty),
        (
            "padding-none",
            "the plaintext ends with the JSON",
            raw::padded(json.as_bytes(), 4 + json.len()),
        ),
        (
            "padding-twice",
            "twice as long as it should be",
            raw::padded(json.as_bytes(), 2 * length),
        ),
        ("json-beyond", "the JSON is said to be longer than the plaintext", beyond),
    ];
    let bound = object_type.bound(version);
    faults
        .map(|(name, comment, plaintext)| {
            let sealed =
                raw::object(&object_type.key(), bound, object_type.nonce(name), &plaintext);
            object_type.case(name, "padding", bound).comment(comment).body(sealed)
        })
        .into()
}

fn wrong_phrase() -> Case {
    let (object_type, name) = (Type::RecoverySlot, "other-phrase");
    let other = Phrase::init_with(|bytes| bytes.fill(9));
    let plaintext = raw::padded(slot_json().as_bytes(), 256);
    let key = keys::recovery_slot_key(&other);
    let bound = object_type.bound(1);
    let sealed = raw::object(&key, bound, object_type.nonce(name), &plaintext);
    object_type
        .case(name, "commitment", bound)
        .comment("sealed under another phrase than it is opened with")
        .body(sealed)
}

fn wrong_key_id() -> Case {
    let (object_type, name) = (Type::Index, "other-key-id");
    let mut sealed = object_type.seal(name, 7, &world::text(&world::index()));
    sealed[2] ^= 1;
    object_type
        .case(name, "unknown-key", object_type.bound(7))
        .comment("it names a vault key that the keyring does not hold")
        .body(sealed)
}

/// What the program seals with the same nonce is the same.
fn check_against_the_program() {
    let json = world::text(&world::index());
    let sealed = object::seal(
        &mut VectorRng::of("object/index-same"),
        &Type::Index.key(),
        &object::Binding::index(world::ACCOUNT, world::EPOCH, 7),
        json.as_bytes(),
    );
    assert_eq!(sealed.expect("it fits"), Type::Index.seal("same", 7, &json));
}
