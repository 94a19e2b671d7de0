//! What a server says of a change: that it made another, that it made none and did, that it made
//! one and did not, and that somebody else was faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keybackup_tests::{Reply, Response, tree};
use serde_json::{Value, json};

use super::victim::{Lie, Victim, judge, kept, lie};

const RULES: &[u8] = &[13, 15, 17];

/// A lie about a commit that is not carried out.
fn refused(name: &str, exits: &'static [i32], say: fn() -> Reply) -> Lie {
    lie(name, RULES, exits, move |request, upstream| {
        if request.is_commit() { say() } else { Reply::Answer(upstream.ask(request)) }
    })
}

/// A lie about a commit that is carried out.
fn made(name: &str, exits: &'static [i32], say: fn() -> Reply) -> Lie {
    lie(name, RULES, exits, move |request, upstream| {
        let response = upstream.ask(request);
        if request.is_commit() { say() } else { Reply::Answer(response) }
    })
}

fn json_answer(status: u16, body: &str) -> Reply {
    Reply::Answer(Response::new(status, "application/json", body))
}

fn error(status: u16, code: &str) -> Reply {
    Reply::Answer(Response::error(status, code))
}

/// Holds rules 13, 15 and 17.
#[test]
fn a_change_that_was_not_made() {
    let victim = Victim::new();
    let lies = [
        refused("another version than asked for", &[13], || {
            json_answer(200, r#"{"version":7,"stored_at":1}"#)
        }),
        refused("the version before", &[13], || json_answer(200, r#"{"version":1,"stored_at":1}"#)),
        refused("a success that says nothing", &[13], || json_answer(200, "")),
        refused("a success that is a page", &[13], || {
            Reply::Answer(Response::new(200, "text/html", "<h1>Thank you</h1>"))
        }),
        refused("no content", &[13], || json_answer(204, "")),
        refused("not modified", &[13], || json_answer(304, "")),
        refused("a version that is a text", &[13], || json_answer(200, r#"{"version":"2"}"#)),
        refused("a conflict although nothing moved", &[11], || error(412, "conflict")),
        refused("keys that are stale although they are not", &[11], || error(409, "stale")),
        refused("a taken name in a commit", &[13], || error(409, "taken")),
        refused("no precondition although there was one", &[13], || {
            error(428, "precondition_required")
        }),
        refused("nothing said", &[13], || Reply::Raw(Vec::new())),
        refused("half an answer", &[13], || {
            Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"ver".to_vec())
        }),
        refused("a failure of the server", &[13], || error(500, "internal")),
        refused("a failure of a proxy", &[13], || {
            Reply::Answer(Response::new(502, "text/html", "<h1>Bad gateway</h1>"))
        }),
    ];
    let marks = victim.marks();
    for told in lies {
        let before = unsealed(&victim);
        let output = victim.told(&told, &["push", "a"]);
        judge(&told, &output);
        let commits = victim.middleman.take_seen().iter().filter(|it| it.is_commit()).count();
        assert_eq!(commits, 1, "{told}");
        before.assert_same(&unsealed(&victim));
        // What it has seen is what there is, and no more.
        assert_eq!(victim.marks(), marks, "{told}");
        assert_eq!(victim.listing()["personas"].as_array().map(Vec::len), Some(2));
        victim.device.run(["verify", "--all"]).expect(0);
    }
    assert_eq!(victim.device.one(["push", "a"])["version"], 2);
}

/// All but the state, which is sealed anew after every commit that was tried.
fn unsealed(victim: &Victim) -> keybackup_tests::Tree {
    let mut tree = kept(&victim.device);
    tree.0.retain(|path, _| !path.ends_with("state.sealed"));
    tree
}

/// Holds rules 13, 15 and 17.
#[test]
fn a_change_that_was_made_after_all() {
    let victim = Victim::new();
    let lies = [
        made("a failure of the server", &[0], || error(500, "internal")),
        made("nothing said", &[0], || Reply::Raw(Vec::new())),
        made("a conflict", &[0], || error(412, "conflict")),
        made("a page", &[0], || Reply::Answer(Response::new(200, "text/html", "<h1>Hi</h1>"))),
        made("another version", &[0], || json_answer(200, r#"{"version":99,"stored_at":1}"#)),
    ];
    for (version, told) in (2..).zip(lies) {
        let output = victim.told(&told, &["push", "a"]).expect(0);
        assert_eq!(output.json()["personas"][0]["version"], version, "{told}");
        victim.middleman.honest();
        victim.device.run(["verify", "--all"]).expect(0);
        victim.change();
    }
    // What is no doubt is believed: nothing is lost, since the next push sees what stands.
    let told = made("the disk is full", &[1], || error(507, "full"));
    judge(&told, &victim.told(&told, &["push", "a"]));
    victim.middleman.honest();
    victim.change();
    assert_eq!(victim.device.one(["push", "a"])["version"], 8);
}

/// Makes a lie of a listing and an older one.
type Alter = fn(&mut Value, &Value);

/// After a commit in doubt the device looks again, and is lied to once more.
///
/// Holds rules 9, 13 and 15.
#[test]
fn a_change_in_doubt_is_looked_for_with_open_eyes() {
    const RULES: &[u8] = &[9, 13, 15];
    let victim = Victim::new();
    let old = victim.listing();
    victim.push();
    let marks = victim.marks();
    let second: [(&str, Alter); 4] = [
        ("all of yesterday", |now, old| *now = old.clone()),
        ("a persona less", |now, _| drop(now["personas"].as_array_mut().expect("a list").pop())),
        ("a damaged index", |now, _| {
            super::damage::damage_text(&mut now["index"]["sealed"], |bytes| bytes[80] ^= 1);
        }),
        ("another epoch", |now, _| now["epoch"] = json!("00112233445566778899aabbccddeeff")),
    ];
    for (name, alter) in second {
        let (tried, old) = (Arc::new(AtomicBool::new(false)), old.clone());
        let told = lie(format!("nothing, then {name}"), RULES, &[14], move |request, upstream| {
            if request.is_commit() {
                tried.store(true, Ordering::SeqCst);
                return Reply::Raw(Vec::new());
            }
            let mut request = request.clone();
            if request.is_listing() && tried.load(Ordering::SeqCst) {
                request.headers.retain(|(name, _)| name != "if-none-match");
                let mut listing = upstream.ask(&request).json();
                alter(&mut listing, &old);
                return json_answer(200, &listing.to_string());
            }
            Reply::Answer(upstream.ask(&request))
        });
        judge(&told, &victim.told(&told, &["push", "a"]));
        let seen = victim.middleman.take_seen();
        let after = seen.iter().skip_while(|request| !request.is_commit()).skip(1);
        assert!(after.clone().count() > 0, "{told}");
        assert!(after.into_iter().all(|request| request.method == "GET"), "{told}");
        assert_eq!(victim.marks(), marks, "{told}");
        victim.device.run(["verify", "--all"]).expect(0);
    }
}

/// Holds rules 13, 14 and 17.
#[test]
fn a_change_that_is_taken_back() {
    const RULES: &[u8] = &[13, 14, 17];
    let victim = Victim::new();
    // It was stored, and then hidden.
    let old = victim.listing().to_string();
    victim.push();
    let told = lie("the push is gone again", RULES, &[14], move |request, upstream| {
        if request.is_listing() {
            return json_answer(200, &old);
        }
        Reply::Answer(upstream.ask(request))
    });
    victim.suffers(&told, &[&["list"], &["push", "a"], &["pull", "a", "new"]]);

    // It was never stored, and said to be: the device knows better from then on. This is what a
    // server does that loses what it acknowledged.
    let told = refused("stored, and it was not", &[0], || {
        json_answer(200, r#"{"version":3,"stored_at":1}"#)
    });
    victim.told(&told, &["push", "a"]).expect(0);
    victim.middleman.honest();
    for command in ["list", "push", "verify"] {
        let all = if command == "list" { None } else { Some("--all") };
        let run = victim.device.command([command].into_iter().chain(all)).arg("--json").run();
        assert_eq!(run.expect(14).error()["code"], "rollback");
    }
}

/// Holds rule 17.
#[test]
fn an_upload_that_is_not_there() {
    const RULES: &[u8] = &[17];
    let victim = Victim::new();
    tree::large(&victim.device.persona("a").join("large"), 9);
    let lies: [(&str, &'static [i32], &str); 4] = [
        (
            "an upload that is none",
            &[10],
            r#"{"upload":"00112233445566778899aabbccddeeff","expires_at":1}"#,
        ),
        ("an id that is none", &[13], r#"{"upload":"../../etc","expires_at":1}"#),
        ("no id", &[13], "{}"),
        ("a page", &[13], "<h1>Thank you</h1>"),
    ];
    for (name, exits, body) in lies {
        let told = lie(name, RULES, exits, move |request, upstream| {
            if request.path() == "/uploads" {
                let elsewhere = "http://192.0.2.1/uploads/1";
                let created = Response::new(201, "application/json", body);
                return Reply::Answer(created.header("location", elsewhere));
            }
            Reply::Answer(upstream.ask(request))
        });
        judge(&told, &victim.told(&told, &["push", "a"]));
        victim.middleman.honest();
        victim.device.run(["verify", "--all"]).expect(0);
    }
    assert_eq!(victim.device.one(["push", "a"])["version"], 2);
}
