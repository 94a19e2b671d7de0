//! What an index takes, keeps and refuses.

use rand08::rngs::OsRng;
use serde_json::{Value, json};

use super::*;
use crate::records::label::tests::label;

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const EPOCH: EpochId = EpochId::from_bytes([2; 16]);

fn id(byte: u8) -> PersonaId {
    PersonaId::from_bytes([byte; 16])
}

fn hash(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn sample() -> Value {
    json!({ "counter": 7, "keyring_version": 2, "min_writer": 1, "later": [1], "objects": [
        { "id": id(1), "kind": "directory", "name": "work", "floor": 3, "label": hash("w3"),
          "removed": false, "note": "kept" },
        { "id": id(2), "kind": "otp", "name": "work", "floor": 1, "label": hash("o1"),
          "removed": true },
    ]})
}

fn open_json(keyring: &Keyring, value: &Value) -> Result<Index, RecordError> {
    let binding = Binding::index(ACCOUNT, EPOCH, 7);
    let key = keys::index_key(keyring.active());
    let json = value.to_string();
    let sealed = object::seal(&mut OsRng, &key, &binding, json.as_bytes()).expect("it fits");
    Index::open(keyring, ACCOUNT, EPOCH, 7, &sealed)
}

#[test]
fn opens_and_keeps_what_it_does_not_know() {
    let keyring = Keyring::first(&mut OsRng);
    let mut index = open_json(&keyring, &sample()).expect("it is sound");
    let put = index.put(id(1), &label("home", 4, Some(hash("w3"))), hash("w4"));
    assert_eq!(put, Ok(()));
    index.next(3);
    let sealed = index.seal(&mut OsRng, &keyring, ACCOUNT, EPOCH).expect("sealed");
    let key = keys::index_key(keyring.active());
    let json = object::open(&key, &Binding::index(ACCOUNT, EPOCH, 8), &sealed.bytes);
    let mut expected = sample();
    (expected["counter"], expected["keyring_version"]) = (json!(8), json!(3));
    expected["objects"][0]["name"] = json!("home");
    expected["objects"][0]["floor"] = json!(4);
    expected["objects"][0]["label"] = json!(hash("w4"));
    let json = serde_json::from_slice::<Value>(&json.expect("it opens")).expect("JSON");
    assert_eq!(json, expected);
}

/// Holds rules 2 and 8.
#[test]
fn refuses_what_breaks_a_rule() {
    let keyring = Keyring::first(&mut OsRng);
    let with = |change: fn(&mut Value)| {
        let mut value = sample();
        change(&mut value);
        open_json(&keyring, &value).err().map(|error| error.to_string())
    };
    let rule = |rule: Rule| Some(RecordError::Rule(rule).to_string());
    assert_eq!(with(|_| ()), None);
    assert_eq!(with(|value| value["counter"] = json!(8)), rule(Rule::Version));
    assert_eq!(with(|value| value["keyring_version"] = json!(0)), rule(Rule::Range));
    assert_eq!(with(|value| value["objects"][0]["floor"] = json!(0)), rule(Rule::Range));
    let same_id = with(|value| value["objects"][1]["id"] = json!(id(1)));
    assert_eq!(same_id, rule(Rule::DuplicateId));
    let same_name = with(|value| value["objects"][1]["removed"] = json!(false));
    assert_eq!(same_name, rule(Rule::DuplicateName));
    for broken in [
        with(|value| value["objects"][0]["name"] = json!("../etc")),
        with(|value| value["objects"][0]["kind"] = json!("symlink")),
        with(|value| value["objects"][0]["label"] = json!("AAAA")),
        with(|value| drop(value.as_object_mut().map(|index| index.remove("min_writer")))),
    ] {
        assert!(broken.expect("refused").contains("JSON"));
    }
}

/// As many objects as there may be, under ids that count up.
fn full() -> Index {
    let mut index = Index::new(1);
    index.objects = (0..MAX_PERSONAS)
        .map(|number| {
            let entry = IndexEntry {
                kind: Kind::Directory,
                name: number.to_string().parse().expect("a name"),
                floor: 1,
                label: hash("1"),
                removed: false,
                unknown: Unknown::new(),
            };
            (PersonaId::from_bytes((number as u128).to_be_bytes()), entry)
        })
        .collect();
    index
}

#[test]
fn an_account_has_100_000_personas_at_most() {
    let mut index = full();
    let parse = |index: &Index| Index::try_from(Wire::from(index.clone())).err();
    assert_eq!((index.objects.len(), parse(&index)), (100_000, None));
    let (one_more, work) = (PersonaId::from_bytes([9; 16]), label("work", 1, None));
    assert_eq!(index.put(one_more, &work, hash("1")), Err(IndexError::TooMany));
    let mut other = Index::new(1);
    assert_eq!(index.merge(&other), Ok(()));
    other.put(one_more, &work, hash("1")).expect("free");
    assert_eq!(index.merge(&other), Err(IndexError::TooMany));

    let (first, entry) = index.objects.pop_first().expect("it is full");
    assert_eq!(index.put(one_more, &work, hash("1")), Ok(()), "there is room again");
    index.objects.insert(first, entry);
    assert_eq!(parse(&index), Some(Rule::TooMany));
}

/// Holds rule 15.
#[test]
fn only_the_active_key_seals_an_index() {
    let ours = Keyring::first(&mut OsRng);
    let theirs = Keyring::first(&mut OsRng);
    let key_id = theirs.active().id();
    let sealed = Index::new(1).seal(&mut OsRng, &theirs, ACCOUNT, EPOCH).expect("sealed").bytes;
    let unknown = Index::open(&ours, ACCOUNT, EPOCH, 1, &sealed).err();
    assert!(matches!(unknown, Some(RecordError::UnknownKey(id)) if id == key_id));
    let both = ours.merge(theirs).expect("they are of one epoch");
    let retired = Index::open(&both, ACCOUNT, EPOCH, 1, &sealed).err();
    assert!(matches!(retired, Some(RecordError::RetiredKey(id)) if id == key_id));
}

/// Holds rule 3.
#[test]
fn a_newer_writers_index_is_read_and_not_rewritten() {
    let keyring = Keyring::first(&mut OsRng);
    let mut value = sample();
    value["min_writer"] = json!(2);
    let index = open_json(&keyring, &value).expect("it is sound");
    let error = index.seal(&mut OsRng, &keyring, ACCOUNT, EPOCH).err();
    assert!(matches!(error, Some(RecordError::MinWriter { needed: 2 })));
}

/// Holds rule 13.
#[test]
fn names_are_unique_among_what_is_not_removed_and_floors_rise() {
    let mut index = Index::new(1);
    let mut tombstone = label("work", 2, Some(hash("1")));
    (tombstone.removed, tombstone.content, tombstone.content_version) = (true, None, None);
    let work = label("work", 1, None);
    assert_eq!(index.put(id(1), &work, hash("1")), Ok(()));
    let taken = IndexError::NameTaken { name: work.name.clone(), by: id(1) };
    assert_eq!(index.put(id(2), &work, hash("x")), Err(taken));
    let low = IndexError::NotAboveFloor { version: 1, floor: 1 };
    assert_eq!(index.put(id(1), &work, hash("1")), Err(low));
    assert_eq!(index.put(id(1), &tombstone, hash("2")), Ok(()));
    assert_eq!(index.put(id(2), &work, hash("x")), Ok(()));
    let otp = Label { kind: Kind::Otp, ..label("work", 2, None) };
    assert_eq!(index.put(id(2), &otp, hash("y")), Err(IndexError::OtherKind));
    assert_eq!(index.by_name("work").map(|(id, _)| id), Some(id(2)));
}

/// Holds rule 15.
#[test]
fn merging_takes_the_higher_floor_and_checks_names_again() {
    let mut base = Index::new(1);
    base.put(id(1), &label("one", 1, None), hash("1")).expect("free");
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.put(id(1), &label("uno", 2, Some(hash("1"))), hash("2")).expect("higher");
    theirs.put(id(3), &label("three", 1, None), hash("3")).expect("free");
    theirs.next(5);
    let (ours_first, theirs_first) = (ours.clone(), theirs.clone());
    ours.merge(&theirs).expect("they fit");
    theirs.merge(&ours_first).expect("they fit");
    assert_eq!(ours, theirs, "in either order");
    assert_eq!(ours.get(&id(1)).map(|entry| entry.floor), Some(2));
    assert_eq!((ours.objects().len(), ours.counter(), ours.keyring_version()), (2, 2, 5));

    let mut clash = base.clone();
    clash.put(id(4), &label("three", 1, None), hash("4")).expect("free");
    let error = clash.clone().merge(&theirs_first).err();
    assert!(matches!(error, Some(IndexError::NameTaken { .. })));
    let mut fork = base;
    fork.put(id(1), &label("one", 2, Some(hash("1"))), hash("2'")).expect("higher");
    let error = fork.merge(&ours_first).err();
    assert_eq!(error, Some(IndexError::Fork { persona: id(1), floor: 2 }));
    let mut otp = Index::new(1);
    let other_kind = Label { kind: Kind::Otp, ..label("vault", 3, None) };
    otp.put(id(1), &other_kind, hash("3")).expect("free");
    assert_eq!(otp.merge(&ours_first), Err(IndexError::OtherKind));
}
