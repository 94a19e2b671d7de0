//! A server whose data were put back: every device that has seen newer stops, and `repair` brings
//! all back, after consent to what was seen and nothing else.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keybackup_tests::terminal::Terminal;
use keybackup_tests::{Device, Output, Request, Server, Tree, tree};
use serde_json::Value;

const EMAIL: &str = "alice@example.org";

fn put(device: &Device, name: &str, content: &str, second: u64) {
    let path = device.persona(name).join("note");
    tree::put(&path, content.as_bytes(), 0o600, Duration::from_secs(second));
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).expect("removes");
    }
    assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("runs").success());
}

/// A copy of a server's data, to be put back later.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(server: &Server) -> Self {
        let kept = tempfile::tempdir().expect("a directory");
        server.terminate();
        copy(server.data(), &kept.path().join("data"));
        server.restart();
        Self(kept)
    }

    fn put_back(&self, server: &Server) {
        server.terminate();
        copy(&self.0.path().join("data"), server.data());
        server.restart();
    }
}

fn look(device: &Device, code: i32) -> Value {
    device.run(["repair", "--json"]).expect(code).json()
}

fn row<'a>(document: &'a Value, name: &str) -> &'a Value {
    let rows = document["personas"].as_array().expect("a list");
    rows.iter().find(|row| row["name"] == name || row["id"] == name).expect("it is there")
}

/// Repairs one persona, by the mark that was shown.
fn repair(device: &Device, row: &Value) -> Output {
    let id = row["id"].as_str().expect("an id");
    let mark = row["mark"].as_str().expect("a mark");
    device.run(["repair", "--persona", id, "--mark", mark, "--yes", "--json"])
}

/// Repairs all that contradicts, one after the other.
fn repair_all(device: &Device) {
    loop {
        let output = device.run(["repair", "--json"]);
        if output.code == 0 {
            return;
        }
        let document = output.expect(14).json();
        let rows = document["personas"].as_array().expect("a list").clone();
        let Some(row) = rows.iter().find(|row| row["contradiction"].is_string()) else {
            let mark = document["account"]["mark"].as_str().expect("a mark").to_owned();
            device.run(["repair", "--mark", &mark, "--yes"]).expect(0);
            continue;
        };
        let output = repair(device, row);
        assert!([0, 14].contains(&output.code), "{output}");
    }
}

/// Holds rules 13 and 14.
#[test]
fn yesterdays_data_stop_every_device_and_repair_brings_all_back() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    let two = Device::logged_in(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    put(&one, "work", "yesterday", 1);
    one.run(["push"]).expect(0);
    let yesterday = Copy::of(&server);
    for second in 2..5 {
        put(&one, "work", &format!("today {second}"), second);
        one.run(["push"]).expect(0);
    }
    tree::reference(&one.persona("new"), "Carol");
    one.run(["push", "--all"]).expect(0);
    two.run(["pull", "--all"]).expect(0);
    assert!(look(&one, 0)["consistent"] == true);
    let (work, new) = (Tree::read(&one.persona("work")), Tree::read(&one.persona("new")));

    yesterday.put_back(&server);
    for device in [&one, &two] {
        let told = device.command(["list", "--json"]).run().expect(14);
        assert_eq!(told.error()["code"], "rollback", "{told}");
        assert!(told.stderr.contains("keybackup repair"), "{told}");
        device.run(["push", "work"]).expect(14);
        device.run(["pull", "work", "--force"]).expect(14);
    }
    // Nobody is there to ask: both sides are shown, and nothing is done.
    let shown = look(&one, 14);
    assert_eq!(shown["consistent"], false);
    let lost = row(&shown, "work");
    assert_eq!((&lost["seen_version"], &lost["served_version"]), (&4.into(), &1.into()));
    assert_eq!(shown["personas"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.sql("SELECT MAX(version) FROM versions").trim(), "1");
    one.run(["repair", "--yes"]).expect(2);
    one.run(["repair", "--persona", "work"]).expect(2);
    one.run(["repair", "--persona", "work", "--mark", "1-0000000000000000", "--yes"]).expect(11);
    one.run(["repair", "--persona", "none", "--mark", "1-0000000000000000", "--yes"]).expect(10);
    let mark = lost["mark"].as_str().expect("a mark");
    one.run(["repair", "--persona", "work", "--mark", mark]).expect(2);
    assert_eq!(server.sql("SELECT MAX(version) FROM versions").trim(), "1");

    repair_all(&one);
    assert_eq!(look(&one, 0)["consistent"], true);
    // The other one had seen as much, and does not stop any more.
    for device in [&one, &two] {
        let listed = device.json(["list"]);
        assert_eq!(row(&listed, "work")["version"], 5, "{listed}");
        assert_eq!(row(&listed, "new")["version"], 2, "{listed}");
        device.run(["verify", "--all"]).expect(0);
    }
    let fresh = Device::logged_in(&server.url, EMAIL);
    fresh.run(["pull", "--all"]).expect(0);
    Tree::read(&fresh.persona("work")).assert_same(&work);
    Tree::read(&fresh.persona("new")).assert_same(&new);
    fresh.run(["history", "work"]).expect(0);
    put(&two, "work", "tomorrow", 9);
    assert_eq!(two.one(["push", "work"])["version"], 6);
    // The rolled back copy once more, after the repair: they stop again.
    yesterday.put_back(&server);
    for device in [&one, &two] {
        device.run(["list"]).expect(14);
    }
}

/// Holds rule 15.
#[test]
fn what_was_pushed_after_the_fall_stays_in_the_history() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    one.run(["push"]).expect(0);
    let yesterday = Copy::of(&server);
    put(&one, "work", "ours", 2);
    one.run(["push"]).expect(0);
    let ours = Tree::read(&one.persona("work"));

    yesterday.put_back(&server);
    // A device that has seen nothing takes what there is, and goes on from there.
    let two = Device::logged_in(&server.url, EMAIL);
    two.run(["pull"]).expect(0);
    put(&two, "work", "theirs", 3);
    assert_eq!(two.one(["push"])["version"], 2);
    let theirs = Tree::read(&two.persona("work"));

    one.run(["list"]).expect(14);
    let shown = look(&one, 14);
    repair(&one, row(&shown, "work")).expect(0);
    assert_eq!(one.one(["list"])["version"], 3);
    two.run(["pull", "work", "./ours"]).expect(0);
    Tree::read(&two.path("ours")).assert_same(&ours);
    one.run(["pull", "work", "./theirs", "--version", "2"]).expect(0);
    Tree::read(&one.path("theirs")).assert_same(&theirs);
}

#[test]
fn what_nobody_has_any_more_is_given_up_in_words() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    let two = Device::logged_in(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    one.run(["push"]).expect(0);
    let yesterday = Copy::of(&server);
    tree::reference(&one.persona("new"), "Carol");
    one.run(["push", "--all"]).expect(0);
    two.run(["list"]).expect(0);
    yesterday.put_back(&server);
    // This device has seen it, and never had it.
    let shown = look(&two, 14);
    let id = shown["personas"].as_array().expect("a list").iter().find(|row| row["name"] != "work");
    let lost = id.expect("it is shown").clone();
    assert_eq!((&lost["mark"], &lost["seen_version"]), (&"0-missing".into(), &1.into()));
    repair(&two, &lost).expect(14);
    repair_all(&two);
    two.run(["list"]).expect(0);
    // The one that has it brings it back all the same.
    repair_all(&one);
    two.run(["pull", "new"]).expect(0);
    Tree::read(&two.persona("new")).assert_same(&Tree::read(&one.persona("new")));
}

/// What has changed since it was pushed is for a push: a repair takes no directory as it happens to be.
#[test]
fn a_directory_that_has_changed_is_left_to_a_push() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    put(&one, "work", "yesterday", 1);
    one.run(["push"]).expect(0);
    let yesterday = Copy::of(&server);
    put(&one, "work", "today", 2);
    one.run(["push"]).expect(0);
    put(&one, "work", "not pushed", 3);
    yesterday.put_back(&server);
    let shown = look(&one, 14);
    let repaired = repair(&one, row(&shown, "work")).expect(0);
    assert!(repaired.stderr.contains("keybackup push --force"), "{repaired}");
    assert_eq!(one.run(["cat", "work", "note"]).expect(0).stdout, "yesterday");
    one.run(["push"]).expect(11);
    one.run(["push", "--force"]).expect(0);
    assert_eq!(one.run(["cat", "work", "note"]).expect(0).stdout, "not pushed");
}

#[test]
fn a_person_is_asked_for_each() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    one.run(["push"]).expect(0);
    let yesterday = Copy::of(&server);
    put(&one, "work", "today", 2);
    one.run(["push"]).expect(0);
    yesterday.put_back(&server);
    for (answer, code) in [("n", 2), ("y", 0)] {
        let mut terminal = Terminal::start(one.command(["repair"]));
        terminal.expect("push what this device has of it above that?");
        terminal.expect(": ");
        terminal.line(answer);
        let output = terminal.wait("repair").expect(code);
        assert_eq!(output.stdout.contains("repaired"), code == 0, "{output}");
    }
    assert_eq!(one.run(["cat", "work", "note"]).expect(0).stdout, "today");
}

/// Puts something at the server that no key of the account made, as who has stolen a session can.
fn forge(server: &Server, device: &Device, persona: &str, base: Option<u64>, index: u64) {
    let login = device.profiles().join("default/login.json");
    let login: Value =
        serde_json::from_slice(&std::fs::read(login).expect("it is there")).expect("JSON");
    let token = login["session"]["token"].as_str().expect("a token");
    let epoch = device.json(["account", "show"])["epoch"].clone();
    let version = base.unwrap_or(0) + 1;
    let head = serde_json::json!({
        "epoch": epoch, "keyring_version": 1, "version": version,
        "label": "Z2FyYmFnZQ", "removed": true,
        "index": {"base": index, "counter": index + 1, "sealed": "Z2FyYmFnZQ"},
    })
    .to_string();
    let mut body = u32::try_from(head.len()).expect("it is short").to_be_bytes().to_vec();
    body.extend_from_slice(head.as_bytes());
    let request = Request::new("POST", &format!("/personas/{persona}")).bearer(token);
    let request = match base {
        Some(base) => request.header("If-Match", &format!("\"{base}\"")),
        None => request.header("If-None-Match", "*"),
    };
    let reply = request.body(body).send(server.address()).expect("answers");
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
}

/// Without the keys nothing is forged, and what was there comes back: to who has it, and to who
/// has nothing but the password.
///
/// Holds rules 14 and 33.
#[test]
fn garbage_of_a_stolen_session_is_put_aside() {
    for from_nothing in [false, true] {
        let server = Server::start();
        let one = Device::registered(&server.url, EMAIL);
        tree::reference(&one.persona("work"), "Alice");
        let id = one.one(["push"])["id"].as_str().expect("an id").to_owned();
        tree::reference(&one.persona("other"), "Bob");
        one.run(["push", "--all"]).expect(0);
        let work = Tree::read(&one.persona("work"));
        for number in 0..20 {
            forge(&server, &one, &id, Some(1 + number), 3 + number);
        }
        forge(&server, &one, "ffffffffffffffffffffffffffffffff", None, 23);
        let device = if from_nothing { Device::logged_in(&server.url, EMAIL) } else { one };
        device.run(["list"]).expect(14);
        device.run(["pull", "work", "./back"]).expect(14);
        let shown = look(&device, 14);
        let mark = row(&shown, "work")["mark"].as_str().expect("a mark");
        assert!(mark.starts_with("21-foreign-1-"), "it names what stands in: {shown}");
        assert!(row(&shown, "work")["contradiction"].is_string(), "{shown}");
        assert!(row(&shown, "other")["contradiction"].is_null(), "{shown}");
        repair_all(&device);
        let listed = device.json(["list"]);
        assert_eq!(row(&listed, "work")["removed"], false, "{listed}");
        device.run(["pull", "work", "./back"]).expect(0);
        Tree::read(&device.path("back")).assert_same(&work);
        device.run(["pull", "work", "./old", "--version", "1"]).expect(0);
        Tree::read(&device.path("old")).assert_same(&work);
        device.run(["pull", "work", "./none", "--version", "7"]).expect(10);
        device.run(["verify", "--all"]).expect(0);
        let fresh = Device::logged_in(&server.url, EMAIL);
        fresh.run(["pull", "--all"]).expect(0);
        Tree::read(&fresh.persona("work")).assert_same(&work);
    }
}
