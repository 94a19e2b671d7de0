//! Changing the password, and the logins of all devices, with both programs.

use std::sync::atomic::{AtomicU32, Ordering};

use keybackup_tests::terminal::Terminal;
use keybackup_tests::trace::can_trace;
use keybackup_tests::{Device, Middleman, Output, PASSWORD, Reply, Response, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";
const NEW: &str = "another quite good passphrase";

/// Changes the password without a terminal.
fn change(device: &Device, old: &str, new: &str) -> Output {
    let command = device.command(["password", "change", "--json"]);
    command.password(old).env("KEYBACKUP_NEW_PASSWORD", new).run()
}

/// Holds rule 30.
#[test]
fn a_new_password_opens_everything_and_ends_other_logins() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    one.run(["push"]).expect(0);
    let two = Device::logged_in(&server.url, EMAIL);

    // What is wrong changes nothing.
    change(&one, "wrong horse battery", NEW).expect(12);
    change(&one, PASSWORD, PASSWORD).expect(2);
    change(&one, PASSWORD, "password").expect(2);
    let both = ["password", "change", "--password-stdin", "--new-password-stdin"];
    one.command(both).stdin(PASSWORD).run().expect(2);
    let nobody = one.command(["password", "change"]).password(PASSWORD).run().expect(2);
    assert!(nobody.stderr.contains("--new-password-file"), "{nobody}");
    two.run(["list"]).expect(0);

    let changed = change(&one, PASSWORD, NEW).expect(0);
    assert_eq!(changed.stdout, "{\"schema\":1,\"changed\":true}\n");
    one.run(["push"]).expect(0);
    two.run(["list"]).expect(4);
    two.login(EMAIL, PASSWORD).expect(12);
    two.login(EMAIL, NEW).expect(0);
    two.run(["pull", "--all"]).expect(0);
    Tree::read(&one.persona("work")).assert_same(&Tree::read(&two.persona("work")));
    // From files, and without the weak one being refused.
    std::fs::write(two.path("old"), NEW).expect("writable");
    let again = ["password", "change", "--password-file", "old", "--allow-weak-password"];
    let weak = two.command(again).env("KEYBACKUP_NEW_PASSWORD", "weak").run().expect(0);
    assert!(weak.stdout.contains("the password is changed"), "{weak}");
    two.login(EMAIL, "weak").expect(0);
}

#[test]
fn a_terminal_is_asked_for_both_and_shows_neither() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let mut terminal = Terminal::start(device.command(["password", "change"]));
    terminal.expect("Password of alice@example.org at ");
    terminal.line(PASSWORD);
    terminal.expect("New password: ");
    terminal.line(NEW);
    terminal.expect("The same again: ");
    terminal.line(NEW);
    let output = terminal.wait("password change").expect(0);
    assert!(!output.stderr.contains(NEW) && !output.stderr.contains(PASSWORD), "{output}");
    device.login(EMAIL, NEW).expect(0);
}

/// An answer that is lost is asked for again; one that never comes leaves the old or the new.
#[test]
fn a_lost_answer_is_asked_for_again() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let lost = |most: u32| {
        let count = AtomicU32::new(0);
        middleman.set(move |request, upstream| {
            let answer = upstream.ask(request);
            let is_change = request.method == "PUT" && request.path() == "/password";
            if is_change && count.fetch_add(1, Ordering::Relaxed) < most {
                return Reply::Raw(Vec::new());
            }
            Reply::Answer(answer)
        });
    };
    lost(1);
    change(&device, PASSWORD, NEW).expect(0);
    lost(99);
    let doubt = change(&device, NEW, PASSWORD).expect(13);
    assert!(doubt.error()["hint"].as_str().expect("a hint").contains("keybackup login"), "{doubt}");
    middleman.honest();
    device.login(EMAIL, PASSWORD).expect(0);
}

/// What refuses the same bytes after a lost answer does not say that they changed nothing.
///
/// Holds rule 30.
#[test]
fn a_refusal_after_a_lost_answer_leaves_doubt() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let (mut current, mut next) = (PASSWORD, NEW);
    for (status, code) in [(401, "login_failed"), (409, "stale"), (429, "too_many")] {
        let count = AtomicU32::new(0);
        middleman.set(move |request, upstream| {
            if request.method != "PUT" || request.path() != "/password" {
                return Reply::Answer(upstream.ask(request));
            }
            if count.fetch_add(1, Ordering::Relaxed) > 0 {
                return Reply::Answer(Response::error(status, code));
            }
            upstream.ask(request);
            Reply::Raw(Vec::new())
        });
        let doubt = change(&device, current, next).expect(13);
        let message = doubt.error()["message"].as_str().expect("a text").to_owned();
        assert!(message.contains("the old one or the new one"), "{code}: {doubt}");
        middleman.honest();
        std::mem::swap(&mut current, &mut next);
        device.login(EMAIL, current).expect(0);
    }
}

/// Times and counts that nobody could mean are told, and end nothing.
///
/// Holds rule 21.
#[test]
fn what_a_server_says_of_sessions_and_account_is_only_shown() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    for time in [i64::MIN, -1, 0, i64::MAX] {
        middleman.alter(move |request, response| {
            let path = request.path();
            if path != "/sessions" && path != "/account" {
                return;
            }
            let mut answer = response.json();
            if request.method == "DELETE" {
                answer["ended"] = u64::MAX.into();
            }
            if let Some(sessions) = answer["sessions"].as_array_mut() {
                for field in ["created_at", "last_used_at", "expires_at", "idle_ttl_s"] {
                    sessions[0][field] = time.into();
                }
            }
            if path == "/account" {
                answer["created_at"] = time.into();
                answer["password"]["changed_at"] = time.into();
                answer["held_bytes"] = u64::MAX.into();
            }
            let body = serde_json::to_vec(&answer).expect("JSON");
            *response = Response::new(200, "application/json", body);
        });
        for arguments in
            [&["session", "list"][..], &["account", "show"], &["session", "revoke", "--others"]]
        {
            device.run(arguments).expect(0);
            device.run([arguments, &["--json"]].concat()).expect(0);
        }
    }
}

/// Holds rule 30.
#[test]
fn a_client_that_is_killed_at_every_message_leaves_the_old_one_or_the_new() {
    if !can_trace("kills at system calls") {
        return;
    }
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let (mut current, mut next) = (PASSWORD, NEW);
    let (mut kills, mut nth, mut changes) = (0, 1, 0);
    loop {
        let inject = format!("inject=writev,sendto,recvfrom:signal=KILL:when={nth}");
        let trace =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=writev,sendto,recvfrom"];
        let wrapper = [&trace[..], &["-e", &inject]].concat();
        let command = device.command(["password", "change", "--json"]).under(&wrapper);
        let output = command.password(current).env("KEYBACKUP_NEW_PASSWORD", next).run();
        let killed = output.code == 137;
        assert!(killed || output.code == 0, "{output}");
        let changed =
            server.sql("SELECT generation FROM credentials").trim() != format!("{}", changes + 1);
        assert!(killed || changed, "it said that it did");
        if changed {
            changes += 1;
            std::mem::swap(&mut current, &mut next);
        }
        device.login(EMAIL, current).expect(0);
        if !killed {
            break;
        }
        (kills, nth) = (kills + 1, nth + 1);
    }
    assert!(kills >= 4, "{kills} kills");
    device.login(EMAIL, next).expect(12);
}

/// Holds rule 33.
#[test]
fn logins_are_listed_and_ended() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    let two = Device::logged_in(&server.url, EMAIL);
    let three = Device::logged_in(&server.url, EMAIL);
    let listed = one.json(["session", "list"]);
    let listed = listed["sessions"].as_array().expect("a list").clone();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed.iter().filter(|session| session["current"] == true).count(), 1);
    assert!(listed.iter().all(|session| session["device"]["name"].is_string()));
    let table = one.run(["session", "list"]).expect(0);
    assert!(table.stdout.contains("(this one)"), "{table}");

    one.run(["session", "revoke"]).expect(2);
    one.run(["session", "revoke", "zz"]).expect(10);
    one.run(["session", "revoke", ""]).expect(2);
    // Logins of one second are in no order.
    let device = three.json(["status"])["device"]["id"].clone();
    let of_three = listed.iter().find(|session| session["device"]["id"] == device);
    let id = of_three.expect("it is listed")["id"].as_str().expect("an id");
    one.run(["session", "revoke", &id[..8]]).expect(0);
    three.run(["list"]).expect(4);
    two.run(["list"]).expect(0);
    assert_eq!(one.json(["session", "revoke", "--others"])["revoked"], 1);
    two.run(["list"]).expect(4);
    one.run(["list"]).expect(0);
    assert_eq!(one.json(["session", "revoke", "--others"])["revoked"], 0);

    let shown = one.json(["account", "show"]);
    assert_eq!((&shown["email"], &shown["personas"]), (&EMAIL.into(), &0.into()));
    assert!(shown["quota_bytes"].as_u64() > shown["held_bytes"].as_u64(), "{shown}");
    one.run(["account", "show"]).expect(0);
}
