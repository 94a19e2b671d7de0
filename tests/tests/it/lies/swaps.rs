//! Every sealed object served in place of every other: the full cross product over what a device
//! asks for once it is logged in. The objects of a login are in `login.rs`.

use keybackup_protocol::B64;
use keybackup_tests::{PASSWORD, Reply, Request, Response};
use serde_json::{Value, json};

use super::victim::{Commands, EMAIL, LOOKS, Lie, PULLS, Victim, altered, instead, lie, route};

const RULES: &[u8] = &[5, 7, 9];

/// Everything sealed in an account, as bytes.
fn objects(victim: &Victim) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = |value: &Value| B64::from_text(value.as_str().expect("text")).expect("base64").0;
    let old = victim.listing();
    victim.push();
    let now = victim.listing();
    let [a, b] = &victim.ids;
    let label = |listing: &Value, id: &str| {
        let personas = listing["personas"].as_array().expect("a list");
        bytes(&personas.iter().find(|it| it["id"] == id).expect("it is listed")["label"])
    };
    let profile = std::fs::read(victim.device.profiles().join("default/profile.json"));
    let profile: Value = serde_json::from_slice(&profile.expect("it is there")).expect("JSON");
    vec![
        ("the password slot", password_slot(victim)),
        ("the recovery slot", bytes(&profile["recovery_slot"]["sealed"])),
        ("the keyring", bytes(&profile["keyring"]["sealed"])),
        ("the index", bytes(&now["index"]["sealed"])),
        ("the old index", bytes(&old["index"]["sealed"])),
        ("the label of a", label(&now, a)),
        ("the old label of a", label(&old, a)),
        ("the label of b", label(&now, b)),
        ("the device record", bytes(&victim.ask("/devices").json()["devices"][0]["sealed"])),
        ("the bytes of a", victim.ask(&format!("/personas/{a}?version=2")).body),
        ("the old bytes of a", victim.ask(&format!("/personas/{a}?version=1")).body),
        ("the bytes of b", victim.ask(&format!("/personas/{b}?version=1")).body),
    ]
}

/// It travels in logins only.
fn password_slot(victim: &Victim) -> Vec<u8> {
    let (sender, slots) = std::sync::mpsc::channel();
    victim.middleman.set(move |request, upstream| {
        let response = upstream.ask(request);
        if request.path() == "/login/finish" {
            sender.send(response.json()["slots"].clone()).expect("it is waited for");
        }
        Reply::Answer(response)
    });
    victim.device.login(EMAIL, PASSWORD).expect(0);
    victim.middleman.honest();
    let slots = slots.recv().expect("it was sent");
    let slot = slots.as_array().expect("a list").iter().find(|slot| slot["kind"] == "password");
    let sealed = slot.expect("there is one")["sealed"].as_str().expect("text").to_owned();
    B64::from_text(&sealed).expect("base64").0
}

fn text(bytes: &[u8]) -> Value {
    B64(bytes.to_vec()).to_text().into()
}

/// A place that an object is served in, and what looks there.
type Place = (&'static str, fn(&Victim, String, Vec<u8>) -> Lie, Commands);

fn in_label(victim: &Victim, name: String, bytes: Vec<u8>, which: usize) -> Lie {
    let id = victim.ids[which].clone();
    let alter = move |listing: &mut Value| {
        let personas = listing["personas"].as_array_mut().expect("a list");
        let persona = personas.iter_mut().find(|it| it["id"] == id.as_str());
        persona.expect("it is listed")["label"] = text(&bytes);
    };
    lie(name, RULES, &[14], altered(Request::is_listing, alter))
}

/// Made as long as what belongs there, since a wrong length alone would be seen sooner.
fn in_blob(victim: &Victim, name: String, bytes: Vec<u8>, which: usize) -> Lie {
    let id = victim.ids[which].clone();
    let hook = instead(
        move |request| request.is_blob() && request.path().contains(&id),
        move |request, response| {
            let mut body: Vec<u8> = bytes.iter().copied().cycle().take(1 << 20).collect();
            let range = request.headers.iter().find(|(name, _)| name == "range");
            let from = range.map_or(0, |(_, range)| {
                let from = range.strip_prefix("bytes=").and_then(|it| it.split('-').next());
                from.and_then(|it| it.parse().ok()).expect("a range")
            });
            body.drain(..from);
            body.truncate(response.body.len());
            Reply::Answer(Response { body, ..response })
        },
    );
    lie(name, RULES, &[14], hook)
}

fn in_keyring(_: &Victim, name: String, bytes: Vec<u8>) -> Lie {
    let new = altered(route("GET", "/keyring"), move |answer| {
        answer["keyring"] = json!({"version": 2, "sealed": text(&bytes)});
    });
    let announced = altered(Request::is_listing, |it| it["keyring_version"] = json!(2));
    lie(name, RULES, &[14], move |request, upstream| {
        if request.is_listing() { announced(request, upstream) } else { new(request, upstream) }
    })
}

fn in_index(_: &Victim, name: String, bytes: Vec<u8>) -> Lie {
    let alter = move |listing: &mut Value| listing["index"]["sealed"] = text(&bytes);
    lie(name, RULES, &[14], altered(Request::is_listing, alter))
}

/// Holds rules 5, 7 and 9.
#[test]
fn every_object_in_place_of_every_other() {
    let victim = Victim::new();
    let objects = objects(&victim);
    let places: [Place; 6] = [
        ("a newer keyring", in_keyring, LOOKS),
        ("the index", in_index, LOOKS),
        ("the label of a", |v, name, bytes| in_label(v, name, bytes, 0), LOOKS),
        ("the label of b", |v, name, bytes| in_label(v, name, bytes, 1), LOOKS),
        ("the bytes of a", |v, name, bytes| in_blob(v, name, bytes, 0), PULLS),
        ("the bytes of b", |v, name, bytes| in_blob(v, name, bytes, 1), &[&["verify", "b"]]),
    ];
    let mut count = 0;
    for (place, put, commands) in places {
        for (object, bytes) in &objects {
            if *object != place {
                let name = format!("{object} in place of {place}");
                victim.suffers(&put(&victim, name, bytes.clone()), commands);
                count += 1;
            }
        }
    }
    assert_eq!(count, 6 * objects.len() - 5);
}

/// A record that does not open gives a device no name, and nothing else.
///
/// Holds rule 9.
#[test]
fn a_device_has_the_name_that_it_sealed() {
    let victim = Victim::new();
    let objects = objects(&victim);
    let id = victim.ask("/devices").json()["devices"][0]["id"].clone();
    assert_eq!(victim.device.json(["list"])["personas"][0]["device"], "second device");
    for (object, bytes) in objects {
        if object == "the device record" {
            continue;
        }
        let alter = move |answer: &mut Value| answer["devices"][0]["sealed"] = text(&bytes);
        let hook = altered(route("GET", "/devices"), alter);
        let told = lie(format!("{object} for the device record"), RULES, &[0], hook);
        let listed = victim.told(&told, &["list"]).expect(0).json();
        assert_eq!(listed["personas"][0]["device"], id, "{told}");
    }
    // Its own record as another's: nobody else has its name, and it has none.
    let hook = altered(route("GET", "/devices"), |answer| {
        answer["devices"][0]["id"] = "00112233445566778899aabbccddeeff".into();
    });
    let told = lie("a device record under another id", RULES, &[0], hook);
    let listed = victim.told(&told, &["list"]).expect(0).json();
    assert_eq!(listed["personas"][0]["device"], id, "{told}");
}
