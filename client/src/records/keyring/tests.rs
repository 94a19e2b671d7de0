//! What a keyring takes, keeps and refuses.

use rand08::rngs::OsRng;
use serde_json::json;

use super::*;

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const EPOCH: EpochId = EpochId::from_bytes([2; 16]);

fn root() -> RootKey {
    RootKey::init_with(|bytes| bytes.fill(3))
}

fn key_text(byte: u8) -> String {
    secret_text(&[byte; 32]).to_string()
}

fn seal_json(version: u64, value: &serde_json::Value) -> Vec<u8> {
    let binding = Binding::keyring(ACCOUNT, EPOCH, version);
    let json = value.to_string();
    object::seal(&mut OsRng, &keys::keyring_key(&root()), &binding, json.as_bytes())
        .expect("it fits")
}

fn open_json(value: &serde_json::Value) -> Result<Keyring, RecordError> {
    Keyring::open(&root(), ACCOUNT, EPOCH, 7, &seal_json(7, value))
}

fn sample() -> serde_json::Value {
    json!({ "version": 7, "min_writer": 1, "later": { "a": [1] }, "keys": [
        { "id": "0101010101010101", "key": key_text(1), "state": "active", "note": "new" },
        { "id": "0202020202020202", "key": key_text(2), "state": "open-only" },
    ]})
}

#[test]
fn opens_and_keeps_what_it_does_not_know() {
    let keyring = open_json(&sample()).expect("it is sound");
    assert_eq!(keyring.active().id(), KeyId::from_bytes([1; 8]));
    let (old, state) = keyring.find(KeyId::from_bytes([2; 8])).expect("it is there");
    assert_eq!((old.expose(), state), (&[2; 32], KeyState::OpenOnly));
    let persona = PersonaId::from_bytes([5; 16]);
    let of_old = keyring.persona_key(old.id(), persona).expect("the key is there");
    assert_eq!(of_old.expose(), keys::persona_key(old, persona).expose());
    assert!(keyring.persona_key(KeyId::from_bytes([9; 8]), persona).is_none());
    let sealed = keyring.seal(&mut OsRng, &root(), ACCOUNT, EPOCH).expect("it may be written");
    let binding = Binding::keyring(ACCOUNT, EPOCH, 7);
    let json = object::open(&keys::keyring_key(&root()), &binding, &sealed).expect("it opens");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).expect("JSON"), sample());
}

#[test]
fn the_first_keyring_round_trips() {
    let keyring = Keyring::first(&mut OsRng);
    let sealed = keyring.seal(&mut OsRng, &root(), ACCOUNT, EPOCH).expect("sealed");
    assert_eq!(sealed.len(), 66 + 1024 + 16);
    let opened = Keyring::open(&root(), ACCOUNT, EPOCH, 1, &sealed).expect("opened");
    assert!(opened.contains_all(&keyring) && keyring.contains_all(&opened));
}

/// Holds rules 2 and 8.
#[test]
fn refuses_what_breaks_a_rule() {
    let with = |change: fn(&mut serde_json::Value)| {
        let mut value = sample();
        change(&mut value);
        open_json(&value).err().map(|error| error.to_string())
    };
    let rule = |rule: Rule| Some(RecordError::Rule(rule).to_string());
    assert_eq!(with(|value| value["version"] = json!(8)), rule(Rule::Version));
    assert_eq!(with(|value| value["version"] = json!(0)), rule(Rule::Range));
    let two_active = with(|value| value["keys"][1]["state"] = json!("active"));
    assert_eq!(two_active, rule(Rule::ActiveKeys));
    let none_active = with(|value| value["keys"][0]["state"] = json!("open-only"));
    assert_eq!(none_active, rule(Rule::ActiveKeys));
    let same_id = with(|value| value["keys"][1]["id"] = json!("0101010101010101"));
    assert_eq!(same_id, rule(Rule::DuplicateId));
    let no_id = with(|value| value["keys"][1]["id"] = json!("0000000000000000"));
    assert_eq!(no_id, rule(Rule::KeyId));
    for broken in [
        with(|value| value["keys"][0]["key"] = json!("AAAA")),
        with(|value| value["keys"][0]["key"] = json!(7)),
        with(|value| value["keys"][0]["state"] = json!("retired")),
        with(|value| drop(value["keys"][0].as_object_mut().map(|key| key.remove("state")))),
        with(|value| drop(value.as_object_mut().map(|keyring| keyring.remove("min_writer")))),
    ] {
        assert!(broken.expect("refused").contains("JSON"));
    }
}

#[test]
fn a_keyring_has_1024_keys_at_most() {
    // The keys of `numbers`, of which the first is the active one.
    let with_keys = |numbers: std::ops::Range<u64>| {
        let mut value = sample();
        let keys = numbers.clone().map(|number| {
            let state = if number == numbers.start { "active" } else { "open-only" };
            json!({ "id": format!("{number:016x}"), "key": key_text(1), "state": state })
        });
        value["keys"] = keys.collect();
        open_json(&value)
    };
    assert_eq!(with_keys(1..1025).expect("they fit").keys().len(), 1024);
    let error = with_keys(1..1026).err();
    assert!(matches!(error, Some(RecordError::Rule(Rule::TooMany))));

    let merged = |numbers| {
        let (ours, theirs) = (with_keys(1..1024), with_keys(numbers));
        ours.expect("it is sound").merge(theirs.expect("it is sound"))
    };
    assert_eq!(merged(1024..1025).expect("they fit").keys().len(), 1024);
    assert_eq!(merged(1024..1026).err(), Some(KeyringError::TooMany));
}

/// Holds rule 34.
#[test]
fn an_error_shows_nothing_of_a_key() {
    let mut value = sample();
    value["keys"][0]["state"] = json!(key_text(1));
    let error = open_json(&value).err().expect("no such state");
    assert!(!format!("{error:?} {error}").contains(&key_text(1)[..8]));
}

/// Holds rule 3.
#[test]
fn a_newer_writers_keyring_is_read_and_not_rewritten() {
    let mut value = sample();
    value["min_writer"] = json!(2);
    let keyring = open_json(&value).expect("it is sound");
    let error = keyring.seal(&mut OsRng, &root(), ACCOUNT, EPOCH).err();
    assert!(matches!(error, Some(RecordError::MinWriter { needed: 2 })));
}

#[test]
fn merging_is_union_and_leaves_one_active_key() {
    let ours = open_json(&sample()).expect("it is sound");
    let mut theirs = sample();
    theirs["version"] = json!(9);
    theirs["keys"][0]["id"] = json!("0303030303030303");
    theirs["keys"][0]["key"] = json!(key_text(3));
    let theirs = Keyring::open(&root(), ACCOUNT, EPOCH, 9, &seal_json(9, &theirs)).expect("ok");
    let merged = ours.merge(theirs).expect("they belong together");
    assert_eq!(merged.version(), 10);
    let states: Vec<_> = merged.keys().iter().map(|entry| entry.state).collect();
    assert_eq!(states, [KeyState::Active, KeyState::OpenOnly, KeyState::OpenOnly]);
    assert_eq!(merged.active().id(), KeyId::from_bytes([3; 8]));
    assert!(merged.find(KeyId::from_bytes([1; 8])).is_some());

    let mut other = sample();
    other["keys"][1]["key"] = json!(key_text(9));
    let other = open_json(&other).expect("it is sound");
    assert!(!merged.contains_all(&other));
    let error = merged.merge(other).err();
    assert_eq!(error, Some(KeyringError::OtherKey(KeyId::from_bytes([2; 8]))));
}
