//! FORMAT.md section 6 once more, over JSON as any program reads it: what our parser took must keep
//! all of it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use keybackup::seal::padding;
use keybackup_protocol::B64;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::{Map, Value};

use super::world::{ACCOUNT, PERSONA, Sealed};

const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Panics unless this JSON is a record of that type and version.
pub(super) fn check(sealed_type: Sealed, version: u64, json: &[u8]) {
    let value: Value = match serde_json::from_slice(json) {
        Ok(value) => value,
        // In a field that nobody asks for half a surrogate pair is no matter: RFC 8259 leaves it open.
        Err(error) if error.to_string().contains("surrogate") => return,
        Err(error) => panic!("no JSON: {error}"),
    };
    let record = object(&value);
    let fields = match sealed_type {
        Sealed::PasswordSlot | Sealed::RecoverySlot => slot(record),
        Sealed::Keyring => keyring(record, version),
        Sealed::Index => index(record, version),
        Sealed::Label => label(record, version),
        Sealed::DeviceRecord => device(record),
        Sealed::LocalState => state(record),
    };
    let found = fields_of(json);
    for field in fields {
        let times = found.iter().filter(|found| found == field).count();
        assert_eq!(times, 1, "{field} stands there once");
    }
}

/// Panics unless a rewritten keyring or index keeps the fields that nobody here knows.
pub(super) fn assert_kept(sealed_type: Sealed, before: &[u8], after: &[u8]) {
    if matches!(sealed_type, Sealed::Keyring | Sealed::Index) {
        let read = |json: &[u8]| serde_json::from_slice::<Json>(json).expect("JSON").sorted();
        assert_eq!(read(before), read(after));
    }
}

/// JSON without the one key that `Value` reads in its own way.
#[derive(Debug, Clone, PartialEq, PartialOrd, Deserialize)]
#[serde(untagged)]
enum Json {
    Null,
    Truth(bool),
    Natural(u64),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Json {
    /// The same with the objects of an index in order of their ids, which is the writer's choice.
    fn sorted(mut self) -> Self {
        if let Self::Object(fields) = &mut self
            && let Some(Self::List(objects)) = fields.get_mut("objects")
        {
            let id = |json: &Self| match json {
                Self::Object(fields) => fields.get("id").cloned(),
                _ => None,
            };
            objects
                .sort_by(|one, other| id(one).partial_cmp(&id(other)).unwrap_or(Ordering::Equal));
        }
        self
    }
}

fn slot(record: &Map<String, Value>) -> &'static [&'static str] {
    bytes(&record["root"], 32);
    &["root"]
}

fn keyring(record: &Map<String, Value>, version: u64) -> &'static [&'static str] {
    assert_eq!(ordinal(&record["version"]), version);
    assert!(record["min_writer"].is_u64());
    let keys = list(&record["keys"], 1024);
    let mut ids = HashSet::new();
    let mut active = 0;
    for key in keys.iter().map(object) {
        let id = hex(&key["id"], 16);
        assert!(id.bytes().any(|digit| digit != b'0') && ids.insert(id), "{id}");
        bytes(&key["key"], 32);
        match text(&key["state"]) {
            "active" => active += 1,
            state => assert_eq!(state, "open-only"),
        }
    }
    assert_eq!(active, 1);
    &["version", "min_writer", "keys"]
}

fn index(record: &Map<String, Value>, version: u64) -> &'static [&'static str] {
    assert_eq!(ordinal(&record["counter"]), version);
    ordinal(&record["keyring_version"]);
    assert!(record["min_writer"].is_u64());
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    for entry in list(&record["objects"], 100_000).iter().map(object) {
        assert!(ids.insert(hex(&entry["id"], 32)));
        kind(&entry["kind"]);
        let name = name(&entry["name"]);
        let removed = entry["removed"].as_bool().expect("a truth value");
        assert!(removed || names.insert(name), "{name:?}");
        ordinal(&entry["floor"]);
        bytes(&entry["label"], 32);
    }
    &["counter", "keyring_version", "min_writer", "objects"]
}

fn label(record: &Map<String, Value>, version: u64) -> &'static [&'static str] {
    let kind = kind(&record["kind"]);
    name(&record["name"]);
    if !record["nickname"].is_null() {
        shown(&record["nickname"], 1, 255);
    }
    assert_eq!(ordinal(&record["version"]), version);
    hex(&record["device"], 32);
    time(&record["time"]);
    ordinal(&record["keyring_version"]);
    if !record["previous"].is_null() {
        assert!(version > 1);
        bytes(&record["previous"], 32);
    }
    for passed in list(&record["supersedes"], 64).iter().map(object) {
        assert!(ordinal(&passed["version"]) < version);
        bytes(&passed["label"], 32);
    }
    if record["removed"].as_bool().expect("a truth value") {
        assert!(record["content"].is_null() && record["content_version"].is_null());
    } else {
        let content_version = ordinal(&record["content_version"]);
        assert!(content_version <= version);
        content(object(&record["content"]), kind, content_version);
    }
    &[
        "kind",
        "name",
        "nickname",
        "version",
        "content_version",
        "removed",
        "content",
        "device",
        "time",
        "previous",
        "keyring_version",
        "supersedes",
    ]
}

fn content(content: &Map<String, Value>, kind: &str, content_version: u64) {
    let header = bytes(&content["header"], 121);
    assert_eq!(header[..8], *b"KEYBKUP\x01");
    assert_eq!(header[8], if kind == "otp" { 0x21 } else { 0x20 });
    assert_eq!(header[17..33], *ACCOUNT.as_bytes());
    assert_eq!(header[33..49], *PERSONA.as_bytes());
    assert_eq!(header[49..57], content_version.to_be_bytes());
    bytes(&content["blake3"], 32);
    bytes(&content["fingerprint"], 32);
    let [blob_bytes, zip_bytes, _, _, _] =
        ["blob_bytes", "zip_bytes", "files", "directories", "bytes"]
            .map(|field| integer(&content[field]));
    assert_eq!(padding::blob_bytes(zip_bytes), blob_bytes);
}

fn device(record: &Map<String, Value>) -> &'static [&'static str] {
    name(&record["name"]);
    shown(&record["platform"], 0, 64);
    time(&record["created_at"]);
    &["name", "platform", "created_at"]
}

fn state(record: &Map<String, Value>) -> &'static [&'static str] {
    hex(&record["epoch"], 32);
    integer(&record["keyring_version"]);
    let counter = integer(&record["index_counter"]);
    assert_eq!(counter == 0, record["index"].is_null());
    for (persona, mark) in object(&record["personas"]) {
        hex(&Value::from(persona.as_str()), 32);
        ordinal(&mark["version"]);
        bytes(&mark["label"], 32);
        if !mark["base"].is_null() {
            ordinal(&mark["base"]["version"]);
            bytes(&mark["base"]["fingerprint"], 32);
        }
    }
    &["epoch", "keyring_version", "index_counter", "index", "seen_at", "personas"]
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn list(value: &Value, most: usize) -> &[Value] {
    let list = value.as_array().expect("a list");
    assert!(list.len() <= most);
    list
}

fn integer(value: &Value) -> u64 {
    let integer = value.as_u64().expect("an integer");
    assert!(integer <= MAX_INTEGER, "{integer}");
    integer
}

fn ordinal(value: &Value) -> u64 {
    let ordinal = integer(value);
    assert!(ordinal > 0);
    ordinal
}

fn time(value: &Value) {
    let time = value.as_i64().expect("a time");
    assert!(time.unsigned_abs() <= MAX_INTEGER, "{time}");
}

fn bytes(value: &Value, length: usize) -> Vec<u8> {
    let bytes = B64::from_text(text(value)).expect("base64url").0;
    assert_eq!(bytes.len(), length);
    assert_eq!(B64(bytes.clone()).to_text(), text(value), "there is one text for bytes");
    bytes
}

fn hex(value: &Value, digits: usize) -> &str {
    let id = text(value);
    assert_eq!(id.len(), digits);
    assert!(id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    id
}

fn kind(value: &Value) -> &str {
    let kind = text(value);
    assert!(matches!(kind, "directory" | "otp"));
    kind
}

/// Text for people.
fn shown(value: &Value, least: usize, most: usize) -> &str {
    let shown = text(value);
    assert!((least..=most).contains(&shown.len()) && !shown.chars().any(char::is_control));
    shown
}

fn name(value: &Value) -> &str {
    let name = shown(value, 1, 255);
    assert!(name != "." && name != ".." && !name.contains('/') && !name.contains(".keybackup-"));
    name
}

/// The names of an object's fields, as often as they stand there.
fn fields_of(json: &[u8]) -> Vec<String> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut fields = Vec::new();
            while let Some((field, IgnoredAny)) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }
    let mut parser = serde_json::Deserializer::from_slice(json);
    parser.deserialize_map(Fields).expect("it was parsed before")
}
