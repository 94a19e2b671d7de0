//! Yesterday shown as today, in whole and in halves; what is missing; what differs between two
//! looks; and what the listing says of keys and account beside it.

use std::sync::atomic::{AtomicUsize, Ordering};

use keybackup_tests::{Device, Reply, Request, Response};
use serde_json::{Value, json};

use super::victim::{EMAIL, LOOKS, Lie, Victim, altered, instead, kept, lie};

const RULES: &[u8] = &[13, 14, 15];

/// A lie about listings.
fn listed(
    name: &'static str,
    exits: &'static [i32],
    alter: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Lie {
    lie(name, RULES, exits, altered(Request::is_listing, alter))
}

/// The persona with an id, in a listing.
fn persona<'a>(listing: &'a mut Value, id: &str) -> &'a mut Value {
    let personas = listing["personas"].as_array_mut().expect("a list");
    personas.iter_mut().find(|persona| persona["id"] == id).expect("it is listed")
}

/// Indexes, labels and numbers of two states, mixed.
fn mixed(first: &Value, a: &str) -> Vec<Lie> {
    let old = |what: fn(&mut Value, &Value, &str)| {
        let (old, a) = (first.clone(), a.to_owned());
        move |listing: &mut Value| what(listing, &old, &a)
    };
    vec![
        listed("the whole account of yesterday", &[14], old(|now, old, _| *now = old.clone())),
        listed("yesterday's index", &[14], old(|now, old, _| now["index"] = old["index"].clone())),
        listed(
            "yesterday's index under today's counter",
            &[14],
            old(|now, old, _| now["index"]["sealed"] = old["index"]["sealed"].clone()),
        ),
        listed(
            "today's index under a higher counter",
            &[14],
            old(|now, _, _| now["index"]["counter"] = json!(999)),
        ),
        listed(
            "yesterday's labels",
            &[14],
            old(|now, old, _| now["personas"] = old["personas"].clone()),
        ),
        listed(
            "yesterday's label of one persona",
            &[14],
            old(|now, old, a| *persona(now, a) = persona(&mut old.clone(), a).clone()),
        ),
        listed(
            "yesterday's label under today's number",
            &[14],
            old(|now, old, a| {
                persona(now, a)["label"] = persona(&mut old.clone(), a)["label"].clone();
            }),
        ),
        listed(
            "today's label under yesterday's number",
            &[14],
            old(|now, _, a| persona(now, a)["version"] = json!(1)),
        ),
        listed(
            "today's label under tomorrow's number",
            &[14],
            old(|now, _, a| persona(now, a)["version"] = json!(4)),
        ),
        listed(
            "a number beyond all others",
            &[14],
            old(|now, _, a| persona(now, a)["version"] = json!(u64::MAX)),
        ),
        listed(
            "a persona twice",
            &[14],
            old(|now, _, a| {
                let twice = persona(now, a).clone();
                now["personas"].as_array_mut().expect("a list").push(twice);
            }),
        ),
        listed(
            "a persona twice, new and old",
            &[14],
            old(|now, old, a| {
                let twice = persona(&mut old.clone(), a).clone();
                now["personas"].as_array_mut().expect("a list").push(twice);
            }),
        ),
    ]
}

/// What is missing, and what stands beside the personas.
fn beside([a, b]: &[String; 2], second: &Value) -> Vec<Lie> {
    let mut lies = vec![
        listed("no persona at all", &[14], |now| now["personas"] = json!([])),
        listed("another epoch", &[14], |now| {
            now["epoch"] = "00112233445566778899aabbccddeeff".into();
        }),
        listed("another account", &[14], |now| {
            now["account_id"] = "00112233445566778899aabbccddeeff".into();
        }),
        listed("a keyring before the first", &[14], |now| now["keyring_version"] = json!(0)),
        listed("a keyring that is not there", &[14], |now| now["keyring_version"] = json!(2)),
        listed("a keyring beyond all others", &[14], |now| {
            now["keyring_version"] = json!(u64::MAX);
        }),
    ];
    for id in [a.clone(), b.clone()] {
        lies.push(listed("one persona less", &[14], move |now| {
            let personas = now["personas"].as_array_mut().expect("a list");
            personas.retain(|persona| persona["id"] != id.as_str());
        }));
    }
    // Forks: the second version's label with what was first or third about it.
    let fork = second.clone();
    let id = a.clone();
    lies.push(listed("the second version with the third one's index", &[14], move |now| {
        *persona(now, &id) = persona(&mut fork.clone(), &id).clone();
    }));
    let fork = second.clone();
    lies.push(listed(
        "the second version's index with the third one's labels",
        &[14],
        move |now| {
            now["index"] = fork["index"].clone();
        },
    ));
    lies
}

/// Holds rules 13, 14 and 15.
#[test]
fn yesterday_is_not_today() {
    let victim = Victim::new();
    let first = victim.listing();
    victim.push();
    let second = victim.listing();
    victim.push();
    let before = kept(&victim.device);
    let lies = mixed(&first, &victim.ids[0]).into_iter().chain(beside(&victim.ids, &second));
    for told in lies {
        victim.suffers(&told, LOOKS);
    }
    before.assert_same(&kept(&victim.device));

    // What went back has a code of its own, so that a script can tell it from damage.
    let rolled = listed("a keyring before the first", &[14], |now| {
        now["keyring_version"] = json!(0);
    });
    for told in [rolled, listed("all of yesterday", &[14], move |now| *now = first.clone())] {
        let error = victim.told(&told, &["list"]).expect(14).error();
        assert_eq!(error["code"], "rollback", "{told}: {error}");
    }

    // A device that is new knows nothing of yesterday, but index and labels have to agree.
    victim.middleman.honest();
    let fresh = Device::logged_in(&victim.middleman.url, EMAIL);
    listed("one less", &[14], |now| drop(now["personas"].as_array_mut().expect("a list").pop()))
        .tell(&victim.middleman);
    fresh.run(["list"]).expect(14);
    victim.middleman.honest();
    fresh.run(["pull", "--all"]).expect(0);
}

/// Makes another answer of one.
type Say = fn(Response) -> Response;

/// Holds rules 13, 14 and 15.
#[test]
fn two_looks_that_differ() {
    let victim = Victim::new();
    let old = victim.listing();
    victim.push();
    // First yesterday, and then something else: the second look decides, where there is one.
    let second: [(&str, Say); 5] = [
        ("a failure", |_| Response::error(500, "internal")),
        ("not modified", |_| Response::new(304, "application/json", "")),
        ("a session that is over", |_| Response::error(401, "unauthenticated")),
        ("nonsense", |_| Response::new(200, "application/json", "{}")),
        ("another lie", |response| {
            let mut listing = response.json();
            listing["personas"] = json!([]);
            Response::new(200, "application/json", listing.to_string())
        }),
    ];
    for (name, say) in second {
        let (old, looks) = (old.to_string(), AtomicUsize::new(0));
        let hook = instead(Request::is_listing, move |_, response| {
            Reply::Answer(if looks.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                Response::new(200, "application/json", old.clone())
            } else {
                say(response)
            })
        });
        victim.suffers(&lie(format!("yesterday, then {name}"), RULES, &[14], hook), LOOKS);
    }
    // Read between two commits, an honest server looks like that: the truth at the second look.
    let looks = AtomicUsize::new(0);
    let hook = instead(Request::is_listing, move |_, response| {
        Reply::Answer(if looks.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            Response::new(200, "application/json", old.to_string())
        } else {
            response
        })
    });
    let told = lie("yesterday, then today", RULES, &[0], hook);
    let before = kept(&victim.device);
    assert_eq!(victim.told(&told, &["list"]).expect(0).json()["personas"][0]["version"], 2);
    before.assert_same(&kept(&victim.device));
}
