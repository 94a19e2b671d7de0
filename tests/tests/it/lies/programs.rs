//! Logins of the program itself, on a device that knows the account: what it keeps stays what it
//! was. The table of all lies to a login is in `login.rs`; here each kind is told once.

use keybackup_tests::{Device, PASSWORD, Reply, Request, Response, Tree};
use serde_json::{Value, json};

use super::damage::damage_text;
use super::victim::{EMAIL, Lie, Victim, altered, judge, kept, lie, route};

const RULES: &[u8] = &[4, 5, 7, 14];

fn finished(
    name: &'static str,
    exits: &'static [i32],
    alter: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Lie {
    lie(name, RULES, exits, altered(route("POST", "/login/finish"), alter))
}

fn recovery_slot(answer: &mut Value) -> &mut Value {
    let slots = answer["slots"].as_array_mut().expect("a list");
    slots.iter_mut().find(|slot| slot["kind"] == "recovery").expect("there is one")
}

/// Holds rules 4, 5, 7 and 14.
#[test]
fn a_login_that_does_not_open_changes_nothing() {
    let victim = Victim::new();
    let lies = [
        finished("another account", &[14], |it| {
            it["account_id"] = "00112233445566778899aabbccddeeff".into();
        }),
        finished("no slots", &[14], |it| it["slots"] = json!([])),
        finished("a damaged keyring", &[14], |it| {
            damage_text(&mut it["keyring"]["sealed"], |bytes| bytes[99] ^= 1);
        }),
        finished("a token with a line break", &[13], |it| {
            it["session"]["token"] = "kb_\nauthorization: none".into();
        }),
        finished("a damaged recovery slot", &[14], |it| {
            damage_text(&mut recovery_slot(it)["sealed"], |bytes| bytes[99] ^= 1);
        }),
    ];
    let before = kept(&victim.device);
    for told in lies {
        victim.middleman.take_seen();
        told.tell(&victim.middleman);
        let login = victim.device.command(["login", EMAIL, "--json"]).password(PASSWORD).run();
        judge(&told, &login);
        let seen = victim.middleman.take_seen();
        let sent: Vec<_> = seen.iter().filter(|it| it.method != "GET").map(Request::path).collect();
        assert_eq!(sent, ["/login/start", "/login/finish"], "{told}");
        before.assert_same(&kept(&victim.device));
    }
    // Nothing is made where nothing was, either.
    let fresh = Device::new(&victim.middleman.url);
    finished("no slots", &[14], |it| it["slots"] = json!([])).tell(&victim.middleman);
    fresh.login(EMAIL, PASSWORD).expect(14);
    for name in ["profile.json", "login.json", "state.sealed"] {
        assert!(!fresh.profiles().join("default").join(name).exists(), "{name}");
    }
    victim.middleman.honest();
    victim.device.run(["verify", "--all"]).expect(0);
}

/// Times that a server says are only said: no program stops over them.
///
/// Holds rules 7 and 17.
#[test]
fn a_session_ends_when_it_likes() {
    const RULES: &[u8] = &[7, 17];
    let victim = Victim::new();
    let before = marks_and_keys(&victim);
    for (at, valid) in [(i64::MAX, true), (i64::MIN, false), (0, false)] {
        let hook = altered(route("POST", "/login/finish"), move |it| {
            it["session"]["expires_at"] = json!(at);
            it["session"]["idle_ttl_s"] = json!(i64::MIN);
            it["device"] = json!({
                "id": "00112233445566778899aabbccddeeff", "revision": u64::MAX, "sealed": "AAAA"
            });
        });
        lie(format!("a session until {at}"), RULES, &[0], hook).tell(&victim.middleman);
        let login = victim.device.command(["login", EMAIL, "--json"]).password(PASSWORD).run();
        assert_eq!(login.expect(0).json()["expires_at"], at);
        victim.middleman.honest();
        assert_eq!(victim.device.json(["status"])["login"]["valid"], valid, "{at}");
        victim.device.run(["status"]).expect(0);
        victim.device.run(["list"]).expect(if valid { 0 } else { 4 });
        before.assert_same(&marks_and_keys(&victim));
    }
    victim.device.login(EMAIL, PASSWORD).expect(0);
    victim.device.run(["verify", "--all"]).expect(0);
}

/// What a device must never lose: personas, keyring and slots in the profile.
fn marks_and_keys(victim: &Victim) -> Tree {
    let mut tree = kept(&victim.device);
    tree.0.retain(|path, _| !path.ends_with("state.sealed") && !path.ends_with("login.json"));
    // The name of the device is this login's.
    tree.0.retain(|path, _| !path.ends_with("profile.json"));
    let profile = victim.device.profiles().join("default/profile.json");
    let profile: Value =
        serde_json::from_slice(&std::fs::read(profile).expect("it is there")).expect("JSON");
    assert!(profile["keyring"]["sealed"].is_string() && profile["recovery_slot"].is_object());
    tree
}

/// Logging out is the person's wish, and what the server says to it does not matter.
///
/// Holds rule 7.
#[test]
fn logging_out_needs_nobodys_consent() {
    let victim = Victim::new();
    let before = marks_and_keys(&victim);
    for reply in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", "HTTP/1.1 403 No\r\n\r\n", ""] {
        victim.middleman.set(move |request, upstream| {
            if request.path() == "/session" {
                return Reply::Raw(reply.as_bytes().to_vec());
            }
            Reply::Answer(upstream.ask(request))
        });
        let out = victim.device.json(["logout"]);
        assert_eq!((&out["changed"], &out["server_told"]), (&json!(true), &json!(false)), "{out}");
        before.assert_same(&marks_and_keys(&victim));
        victim.middleman.honest();
        victim.device.run(["list"]).expect(4);
        victim.device.login(EMAIL, PASSWORD).expect(0);
    }
    victim.device.run(["verify", "--all"]).expect(0);
}

/// A name that the account was not told of is told of at the next login.
///
/// Holds rule 17.
#[test]
fn a_device_record_that_was_not_taken_is_no_secret() {
    const RULES: &[u8] = &[17];
    let victim = Victim::new();
    for (name, status, body) in [("not modified", 304, ""), ("a page", 200, "<h1>Thank you</h1>")] {
        let told = lie(name, RULES, &[0], move |request, upstream| {
            if request.method == "PUT" {
                return Reply::Answer(Response::new(status, "text/html", body));
            }
            Reply::Answer(upstream.ask(request))
        });
        told.tell(&victim.middleman);
        let login = victim.device.login(EMAIL, PASSWORD).expect(0);
        assert!(login.stderr.contains("could not be told this device's name"), "{told}: {login}");
        victim.middleman.honest();
    }
    victim.device.login(EMAIL, PASSWORD).expect(0);
    assert_eq!(victim.device.json(["list"])["personas"][0]["device"], "second device");
}
