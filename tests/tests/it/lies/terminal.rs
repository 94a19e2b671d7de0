//! What a server says reaches a terminal as text, and what it says of the trash as its word alone.

use keybackup_tests::{Reply, Request, Response};
use serde_json::json;

use super::victim::{Victim, altered, kept, lie, route};

const RULES: &[u8] = &[17, 21];

/// Clears the screen, writes a title, forges lines, turns the direction of writing.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\r\nerror: nothing is wrong\u{9b}31m\u{202e}\0";

#[track_caller]
fn plain(text: &str) {
    let acts = |it: char| (it.is_control() && it != '\n') || it == '\u{202e}';
    assert!(!text.contains(acts), "{text:?}");
}

/// Holds rules 17 and 21.
#[test]
fn words_of_a_server_do_not_act_on_a_terminal() {
    let victim = Victim::new();
    let before = kept(&victim.device);
    for (status, code) in [
        (403, "forbidden"),
        (413, "too_large"),
        (400, "protocol_unsupported"),
        (418, ESCAPES),
        (500, "internal"),
    ] {
        let body = json!({"error": {"code": code, "message": ESCAPES.repeat(500)}}).to_string();
        let told = lie(format!("{status} {code:?}"), RULES, &[1, 4, 13], move |_, _| {
            let response = Response::new(status, "application/json", body.clone());
            Reply::Answer(response.header("retry-after", "99999999999999999999"))
        });
        told.tell(&victim.middleman);
        for arguments in [&["list"][..], &["push", "a"], &["pull", "a", "new"], &["doctor"]] {
            let output = victim.device.run(arguments);
            let exits = [told.exits, &[1]].concat();
            assert!(exits.contains(&output.code), "{told}: {output}");
            plain(&output.stdout);
            plain(&output.stderr);
            // One line of an error, and not as much as a server would like to say.
            assert!(output.stderr.len() < 4_000, "{told}: {output}");
            assert!(!output.stderr.contains("\nerror: nothing"), "{told}: {output}");
        }
        before.assert_same(&kept(&victim.device));
    }
    // What a success says of itself is text, too.
    let hook = altered(route("GET", "/status"), |status| status["version"] = ESCAPES.into());
    lie("a version that acts", RULES, &[0], hook).tell(&victim.middleman);
    for command in ["status", "doctor"] {
        let output = victim.device.run([command]);
        plain(&output.stdout);
        plain(&output.stderr);
    }
    victim.middleman.honest();
    victim.device.run(["verify", "--all"]).expect(0);
}

/// `trashed` is under no seal: it is shown as the server's word, and asked about before anything is
/// pushed over it. It takes nothing away.
///
/// Holds rules 7, 13 and 17.
#[test]
fn what_is_called_deleted_is_still_there() {
    const RULES: &[u8] = &[7, 13, 17];
    let victim = Victim::new();
    let told = lie(
        "everything is deleted",
        RULES,
        &[11],
        altered(Request::is_listing, |listing| {
            for persona in listing["personas"].as_array_mut().expect("a list") {
                persona["trashed"] = json!(true);
                persona["stored_at"] = json!(i64::MIN);
            }
        }),
    );
    let before = kept(&victim.device);
    let listed = victim.told(&told, &["list"]).expect(0).json();
    for persona in listed["personas"].as_array().expect("a list") {
        assert_eq!((&persona["trashed"], &persona["removed"]), (&json!(true), &json!(false)));
    }
    victim.told(&told, &["status"]).expect(0);
    // Its files here stay, and a push asks.
    let refused = victim.told(&told, &["push", "a"]).expect(11).error();
    assert!(refused["message"].as_str().expect("text").contains("without a seal"), "{refused}");
    assert!(victim.middleman.take_seen().iter().all(|request| request.method == "GET"));
    before.assert_same(&kept(&victim.device));
    // The bytes are sealed as before: what comes back is what was pushed.
    assert_eq!(
        victim.told(&told, &["verify", "--all"]).expect(0).json()["personas"][0]["verified"],
        true
    );
    // And the other way: what is in the trash is called there. The bytes do not come, and say so.
    victim.middleman.honest();
    let listed = victim.device.json(["list"]);
    assert_eq!(listed["personas"][0]["trashed"], false);
    assert_eq!(victim.device.one(["push", "a"])["version"], 2);
}
