//! Bodies that are no JSON, other JSON, or too much of it.

use keybackup_tests::{Reply, Request, Response};
use serde_json::{Value, json};

use super::victim::{LOOKS, Lie, Victim, altered, instead, lie};

const RULES: &[u8] = &[7, 8, 17];

fn listed(name: &str, alter: impl Fn(&mut Value) + Send + Sync + 'static) -> Lie {
    lie(name, RULES, &[13], altered(Request::is_listing, alter))
}

/// Another text for the true one.
fn spelled(
    name: &str,
    exits: &'static [i32],
    spell: impl Fn(String) -> Vec<u8> + Send + Sync + 'static,
) -> Lie {
    let hook = instead(Request::is_listing, move |_, response| {
        let text = String::from_utf8(response.body).expect("JSON is UTF-8");
        Reply::Answer(Response::new(200, "application/json", spell(text)))
    });
    lie(name, RULES, exits, hook)
}

/// Absent is not empty: each field that the API names has to be there.
///
/// Holds rules 7, 8 and 17.
#[test]
fn no_field_is_optional() {
    let victim = Victim::new();
    let fields = [
        "/account_id",
        "/epoch",
        "/keyring_version",
        "/index",
        "/index/counter",
        "/index/sealed",
        "/personas",
        "/personas/0/id",
        "/personas/0/version",
        "/personas/0/label",
        "/personas/0/stored_at",
    ];
    for field in fields {
        let (parent, name) = field.rsplit_once('/').expect("a pointer");
        let told = listed(&format!("without {field}"), move |listing| {
            let parent = listing.pointer_mut(parent).expect("it is there");
            parent.as_object_mut().expect("an object").remove(name).expect("it was there");
        });
        victim.suffers(&told, &LOOKS[..3]);
        for value in [Value::Null, json!({}), json!("no such thing"), json!(-1), json!(1.5)] {
            // A time may be negative.
            if field.ends_with("stored_at") && value == json!(-1) {
                continue;
            }
            let told = listed(&format!("{value} for {field}"), move |listing| {
                *listing.pointer_mut(field).expect("it is there") = value.clone();
            });
            victim.suffers(&told, &LOOKS[..1]);
        }
    }
}

/// Holds rules 7, 8 and 17.
#[test]
fn what_is_no_json_is_no_answer() {
    let victim = Victim::new();
    let lies = [
        spelled("nothing", &[13], |_| Vec::new()),
        spelled("a page", &[13], |_| b"<!doctype html><title>Sign in</title>".to_vec()),
        spelled("null", &[13], |_| b"null".to_vec()),
        spelled("a list", &[13], |_| b"[]".to_vec()),
        spelled("a text", &[13], |text| Value::from(text).to_string().into_bytes()),
        spelled("a truth", &[13], |_| b"true".to_vec()),
        spelled("an empty object", &[13], |_| b"{}".to_vec()),
        spelled("half of it", &[13], |text| text.as_bytes()[..text.len() / 2].to_vec()),
        spelled("it, and more", &[13], |text| format!("{text}{text}").into_bytes()),
        spelled("it, and a brace", &[13], |text| format!("{text}}}").into_bytes()),
        spelled("a byte order mark", &[13], |text| format!("\u{feff}{text}").into_bytes()),
        spelled("UTF-16", &[13], |text| {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        }),
        spelled("what is no UTF-8", &[13], |text| {
            let mut bytes = text.replacen("\"epoch\":\"", "\"epoch\":\"\u{1}", 1).into_bytes();
            bytes.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0xff);
            bytes
        }),
        spelled("a comment", &[13], |text| format!("/* */{text}").into_bytes()),
        spelled("a field twice", &[13], |text| {
            text.replacen('{', "{\"keyring_version\":1,", 1).into_bytes()
        }),
        spelled("the index twice", &[13], |text| {
            text.replacen('{', "{\"index\":{\"counter\":1,\"sealed\":\"\"},", 1).into_bytes()
        }),
        spelled("the personas twice", &[13], |text| {
            text.replacen('{', "{\"personas\":[],", 1).into_bytes()
        }),
        spelled("a huge number", &[13], |text| number(&text, "1e999")),
        spelled("a number beyond 64 bits", &[13], |text| number(&text, "18446744073709551617")),
        spelled("a long number", &[13], |text| number(&text, &"9".repeat(100_000))),
        spelled("a number with a fraction", &[13], |text| number(&text, "1.0")),
        spelled("a number that is none", &[13], |text| number(&text, "NaN")),
        spelled("a number with a zero before it", &[13], |text| number(&text, "01")),
        spelled("deep lists", &[13], |_| "[".repeat(1 << 20).into_bytes()),
        spelled("deep objects", &[13], |_| "{\"a\":".repeat(1 << 18).into_bytes()),
        spelled("deep lists in a known field", &[13], |text| {
            let deep = format!("{}{}", "[".repeat(1 << 18), "]".repeat(1 << 18));
            number(&text, &deep)
        }),
        spelled("base64 with padding", &[13], |text| {
            text.replacen("\"label\":\"", "\"label\":\"=", 1).into_bytes()
        }),
        spelled("base64 of another alphabet", &[13], |text| {
            text.replacen("\"label\":\"A", "\"label\":\"+", 1).into_bytes()
        }),
        spelled("an id in capitals", &[13], |text| id(&text, "ABCDEF0123456789ABCDEF0123456789")),
        spelled("an id that is short", &[13], |text| id(&text, "00")),
        spelled("an id that is a path", &[13], |text| id(&text, "../../../../etc/passwd")),
    ];
    for told in lies {
        victim.suffers(&told, &LOOKS[..2]);
    }
}

/// With another number for the version of the keyring.
fn number(text: &str, number: &str) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    value["keyring_version"] = json!("@");
    value.to_string().replacen("\"@\"", number, 1).into_bytes()
}

/// With another id for the first persona.
fn id(text: &str, id: &str) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    value["personas"][0]["id"] = id.into();
    value.to_string().into_bytes()
}

/// What a newer server may add is ignored, however much it is, and means nothing.
///
/// Holds rule 17.
#[test]
fn what_nobody_knows_is_ignored() {
    const RULES: &[u8] = &[17];
    let victim = Victim::new();
    let honest = victim.device.json(["list"]);
    for (name, more) in [
        ("a command", json!({"erase": true, "reset": "now", "root": "please"})),
        ("a long text", json!("x".repeat(1 << 20))),
        ("a long list", json!(vec![0; 100_000])),
    ] {
        let told = lie(
            name,
            RULES,
            &[0],
            altered(Request::is_listing, move |listing| {
                listing["more"] = more.clone();
                listing["personas"][0]["name"] = "forged".into();
                listing["personas"][0]["more"] = more.clone();
            }),
        );
        assert_eq!(victim.told(&told, &["list"]).expect(0).json(), honest, "{told}");
    }
    let deep = format!("{{\"x\":{}{},", "[".repeat(1 << 18), "]".repeat(1 << 18));
    let hook = instead(Request::is_listing, move |_, response| {
        let text = String::from_utf8(response.body).expect("JSON is UTF-8");
        Reply::Answer(Response::new(200, "application/json", text.replacen('{', &deep, 1)))
    });
    let told = lie("deep lists in an unknown field", RULES, &[0, 13], hook);
    let output = victim.told(&told, &["list"]);
    assert!(told.exits.contains(&output.code), "{told}: {output}");
}
