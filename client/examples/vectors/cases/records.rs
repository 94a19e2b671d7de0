//! Records: what the JSON inside may say.

use keybackup_protocol::PersonaId;
use serde_json::{Value, json};

use super::objects::slot_json;
use super::world::{self, EPOCH, Type};
use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [slots(), keyrings(), indexes(), labels(), devices(), states()].into_iter().flatten().collect()
}

/// What a variant of a record is called, what must come of it, and what is changed.
type Variant = (&'static str, &'static str, fn(&mut Value));

/// One sealed record; on success the case has its JSON.
fn record(object_type: Type, name: &str, expect: &str, version: u64, json: &str) -> Case {
    let case = object_type.case(name, expect, object_type.bound(version)).text("json", json);
    case.body(object_type.seal(name, version, json))
}

/// Sound and unsound variants of one record.
fn variants(object_type: Type, version: u64, sound: &Value, list: &[Variant]) -> Vec<Case> {
    let variant = |(name, expect, change): &Variant| {
        let mut json = sound.clone();
        change(&mut json);
        record(object_type, name, expect, version, &world::text(&json))
    };
    list.iter().map(variant).collect()
}

fn remove(json: &mut Value, field: &str) {
    json.as_object_mut().expect("a map").remove(field).expect("it was there");
}

fn slots() -> Vec<Case> {
    vec![
        record(Type::PasswordSlot, "sound", "success", 1, &slot_json()),
        record(Type::RecoverySlot, "sound", "success", 4, &slot_json()),
        record(Type::RecoverySlot, "no-root", "json", 1, "{}"),
        record(Type::RecoverySlot, "short-root", "json", 1, "{\"root\":\"AAAA\"}"),
        record(Type::RecoverySlot, "not-json", "json", 1, "root"),
    ]
}

fn keyrings() -> Vec<Case> {
    let sound = world::keyring();
    let list: [Variant; 10] = [
        ("sound", "success", |_| ()),
        ("unknown-fields", "success", |json| {
            json["later"] = json!([1, { "a": null }]);
            json["keys"][0]["note"] = json!("kept");
        }),
        ("newer-writer", "success", |json| json["min_writer"] = json!(2)),
        ("version-inside", "rule", |json| json["version"] = json!(4)),
        ("two-active", "rule", |json| json["keys"][1]["state"] = json!("active")),
        ("none-active", "rule", |json| json["keys"][0]["state"] = json!("open-only")),
        ("id-twice", "rule", |json| json["keys"][1]["id"] = json["keys"][0]["id"].clone()),
        ("id-zero", "rule", |json| json["keys"][1]["id"] = json!("0000000000000000")),
        ("short-key", "json", |json| json["keys"][1]["key"] = json!("AAAA")),
        ("no-min-writer", "json", |json| remove(json, "min_writer")),
    ];
    variants(Type::Keyring, 3, &sound, &list)
}

fn indexes() -> Vec<Case> {
    let sound = world::index();
    let list: [Variant; 9] = [
        ("sound", "success", |_| ()),
        ("unknown-fields", "success", |json| {
            json["later"] = json!({ "x": 1 });
            json["objects"][1]["note"] = json!("kept");
        }),
        ("empty", "success", |json| json["objects"] = json!([])),
        ("counter-inside", "rule", |json| json["counter"] = json!(8)),
        ("floor-zero", "rule", |json| json["objects"][0]["floor"] = json!(0)),
        ("id-twice", "rule", |json| json["objects"][1]["id"] = json["objects"][0]["id"].clone()),
        ("name-twice", "rule", |json| json["objects"][1]["removed"] = json!(false)),
        ("bad-name", "json", |json| json["objects"][0]["name"] = json!("../work")),
        ("unknown-kind", "json", |json| json["objects"][0]["kind"] = json!("symlink")),
    ];
    let mut cases = variants(Type::Index, 7, &sound, &list);
    let retired = record(Type::Index, "retired-key", "retired-key", 7, &world::text(&sound));
    cases.push(retired.text("key-state", "open-only"));
    cases
}

fn labels() -> Vec<Case> {
    let first = world::label(1, None);
    let fifth = world::label(5, Some("4"));
    let list: [Variant; 18] = [
        ("next", "success", |_| ()),
        ("nickname", "success", |json| json["nickname"] = json!("Zoë")),
        ("unknown-field", "success", |json| json["later"] = json!(1)),
        ("renamed", "success", |json| {
            json["name"] = json!("Büro");
            json["content_version"] = json!(4);
            json["content"]["header"] = json!(world::b64(&world::header(4)));
        }),
        ("tombstone", "success", |json| {
            (json["removed"], json["content"]) = (json!(true), Value::Null);
            json["content_version"] = Value::Null;
        }),
        ("repair", "success", |json| {
            json["supersedes"] = json!([{ "version": 4, "label": world::digest("other 4") }]);
        }),
        ("version-inside", "rule", |json| json["version"] = json!(6)),
        ("removed-with-content", "rule", |json| json["removed"] = json!(true)),
        ("content-missing", "rule", |json| json["content"] = Value::Null),
        ("content-version-above", "rule", |json| json["content_version"] = json!(6)),
        ("header-of-another-version", "rule", |json| json["content_version"] = json!(4)),
        ("header-of-another-kind", "rule", |json| json["kind"] = json!("otp")),
        ("sizes", "rule", |json| json["content"]["blob_bytes"] = json!(16_522)),
        ("supersedes-itself", "rule", |json| {
            json["supersedes"] = json!([{ "version": 5, "label": world::digest("5") }]);
        }),
        ("time-beyond", "rule", |json| json["time"] = json!(i64::MIN)),
        ("no-previous", "json", |json| remove(json, "previous")),
        ("name-of-dots", "json", |json| json["name"] = json!("..")),
        ("name-with-escape", "json", |json| json["name"] = json!("a\u{1b}[2J")),
    ];
    let mut cases = variants(Type::Label, 5, &fifth, &list);
    cases.push(record(Type::Label, "first", "success", 1, &world::text(&first)));
    let mut led = first;
    led["previous"] = json!(world::digest("0"));
    cases.push(record(Type::Label, "first-with-previous", "rule", 1, &world::text(&led)));
    cases
}

fn devices() -> Vec<Case> {
    let sound = json!({ "name": "laptop", "platform": "linux", "created_at": 1_700_000_000 });
    variants(
        Type::DeviceRecord,
        2,
        &sound,
        &[
            ("sound", "success", |_| ()),
            ("no-name", "json", |json| remove(json, "name")),
            ("time-beyond", "rule", |json| json["created_at"] = json!(1_i64 << 53)),
            ("control-in-platform", "rule", |json| json["platform"] = json!("a\u{7}")),
        ],
    )
}

fn states() -> Vec<Case> {
    let persona = PersonaId::from_bytes([1; 16]).to_string();
    let sound = json!({
        "epoch": EPOCH,
        "keyring_version": 2,
        "index_counter": 7,
        "index": world::digest("index 7"),
        "seen_at": 1_700_000_000,
        "personas": {
            persona: { "version": 3, "label": world::digest("work 3"), "seen_at": 1_700_000_000,
                "base": { "version": 3, "fingerprint": world::digest("tree"),
                          "directory": "/home/alice/.cryptomessaging/personas/work" } },
        },
    });
    variants(
        Type::LocalState,
        0,
        &sound,
        &[
            ("sound", "success", |_| ()),
            ("fresh", "success", |json| {
                (json["index_counter"], json["index"]) = (json!(0), Value::Null);
                (json["keyring_version"], json["personas"]) = (json!(0), json!({}));
            }),
            ("counter-without-index", "rule", |json| json["index"] = Value::Null),
            ("no-epoch", "json", |json| remove(json, "epoch")),
        ],
    )
}
