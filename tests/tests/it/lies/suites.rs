//! Suites, protocols and costs that a server would like a client to take.

use keybackup_tests::{Device, Middleman, PASSWORD, Reply, Request, Response, Server, cheap};
use serde_json::{Value, json};

use super::login::Account;
use super::victim::{EMAIL, Lie, altered, instead, lie, route};

const RULES: &[u8] = &[1, 3];
const RULES_OF_COSTS: &[u8] = &[1, 2];

fn status(name: &'static str, alter: impl Fn(&mut Value) + Send + Sync + 'static) -> Lie {
    lie(name, RULES, &[13], altered(route("GET", "/status"), alter))
}

/// Holds rules 1 and 3.
#[test]
fn nothing_of_a_password_is_sent_to_an_unknown_suite() {
    let account = Account::new();
    let lies = [
        status("a later suite", |it| it["suites"] = json!([2])),
        status("an earlier suite", |it| it["suites"] = json!([0])),
        status("no suite", |it| it["suites"] = json!([])),
        status("suites left out", |it| drop(it.as_object_mut().map(|it| it.remove("suites")))),
        status("a suite that is a text", |it| it["suites"] = json!(["1"])),
        status("a suite beyond a byte", |it| it["suites"] = json!([257])),
        status("a later protocol", |it| it["protocols"] = json!([2])),
        status("no protocol", |it| it["protocols"] = json!([])),
        status("protocols left out", |it| {
            drop(it.as_object_mut().map(|it| it.remove("protocols")));
        }),
        status("another service", |it| it["service"] = "keybackup2".into()),
        status("another service's spelling", |it| it["service"] = "KeyBackup".into()),
    ];
    for told in lies {
        let seen = account.suffers(&told);
        assert_eq!(seen.iter().map(Request::path).collect::<Vec<_>>(), ["/status"], "{told}");
        // A registration sends nothing either.
        let refused = cheap::try_register(&account.middleman.url, "new@example.org");
        assert!(refused.is_err_and(|failure| failure.exit().code() == 13), "{told}");
        let seen = account.middleman.take_seen();
        assert_eq!(seen.iter().map(Request::path).collect::<Vec<_>>(), ["/status"], "{told}");
    }
    account.opens();
}

/// What a server says of costs is not read: the program takes its 256 MiB.
///
/// Holds rules 1 and 2.
#[test]
fn costs_are_not_the_servers_to_choose() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let cheap = |it: &mut Value| {
        for name in ["kdf", "ksf", "argon2", "params"] {
            it[name] = json!({"algorithm": "pbkdf2", "m": 8, "t": 1, "p": 1, "iterations": 1});
        }
        it["suite"] = json!(0);
        it["kdfIterations"] = json!(1);
    };
    let hook = altered(
        |request| request.path() == "/status" || request.path().starts_with("/login"),
        cheap,
    );
    lie("a cheap key stretching", RULES_OF_COSTS, &[0], hook).tell(&middleman);
    let login = device.command(["login", EMAIL, "--json"]).password(PASSWORD).measured().expect(0);
    assert!(login.peak_kib > 256 * 1024, "{} KiB", login.peak_kib);
    // What it was registered with is what it is logged in with: no other cost opens the slot.
    middleman.honest();
    device.run(["list"]).expect(0);
    // And whatever an error says about costs is only said.
    let hook = instead(route("POST", "/login/start"), |_, _| {
        let body = r#"{"error":{"code":"protocol_unsupported","message":"use pbkdf2"},"suite":0}"#;
        Reply::Answer(Response::new(400, "application/json", body))
    });
    lie("another suite, please", RULES_OF_COSTS, &[13], hook).tell(&middleman);
    let refused = device.command(["login", EMAIL, "--json"]).password(PASSWORD).run().expect(13);
    assert_eq!(refused.error()["code"], "protocol");
}
