//! Older versions: listed, looked into, pulled, gone back to; removed personas out of the trash.

use std::time::Duration;

use keybackup_tests::{Device, Middleman, PASSWORD, Request, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";

/// What a server does to the labels that it lists.
type Lie = fn(&mut Vec<serde_json::Value>);

fn put(device: &Device, name: &str, content: &str, second: u64) {
    let path = device.persona(name).join("note");
    tree::put(&path, content.as_bytes(), 0o600, Duration::from_secs(second));
}

/// Two versions of `work`, and what the first was.
fn two_versions(url: &str) -> (Device, Tree) {
    let device = Device::registered(url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    put(&device, "work", "first", 1);
    device.run(["push"]).expect(0);
    let first = Tree::read(&device.persona("work"));
    put(&device, "work", "second", 2);
    device.run(["push"]).expect(0);
    (device, first)
}

fn note(device: &Device, version: &str) -> String {
    device.run(["cat", "work", "note", "--version", version]).expect(0).stdout
}

fn changes(device: &Device, persona: &str) -> Vec<String> {
    let history = device.json(["history", persona]);
    let versions = history["versions"].as_array().expect("a list").clone();
    let change = |version: &serde_json::Value| {
        format!("{} {}", version["version"], version["change"].as_str().expect("a change"))
    };
    versions.iter().map(change).collect()
}

/// Holds rule 15.
#[test]
fn every_version_is_listed_and_can_be_had() {
    let server = Server::start();
    let (one, first) = two_versions(&server.url);
    one.run(["rename", "work", "play"]).expect(0);
    one.run(["rename", "play", "work"]).expect(0);
    assert_eq!(changes(&one, "work"), ["4 rename", "3 rename", "2 push", "1 push"]);
    let table = one.run(["history", "work"]).expect(0).stdout;
    assert!(table.contains("renamed from play") && table.contains("pushed"), "{table}");
    assert!(!table.contains("gone"), "{table}");

    assert_eq!([note(&one, "1"), note(&one, "2"), note(&one, "3")], ["first", "second", "second"]);
    let files = one.json(["files", "work", "--version", "1"]);
    assert!(files["entries"].as_array().expect("a list").iter().any(|it| it["size"] == 5));
    let diff = one.one(["diff", "work", "--version", "1"]);
    assert_eq!((&diff["same"], &diff["changes"][0]["path"]), (&false.into(), &"note".into()));

    let two = Device::logged_in(&server.url, EMAIL);
    two.run(["pull", "work", "./old", "--version", "1"]).expect(0);
    Tree::read(&two.path("old")).assert_same(&first);
    two.run(["pull", "work", "--version", "1", "--zip", "old.zip"]).expect(0);
    assert!(two.path("old.zip").is_file());

    for (version, code) in [("5", 10), ("0", 2), ("x", 2), ("18446744073709551615", 10)] {
        two.run(["pull", "work", "--version", version]).expect(code);
    }
    two.run(["pull", "--all", "--version", "1"]).expect(2);
    two.run(["history", "nobody"]).expect(10);

    // In its place an older version needs --force, and is no base: a push from it is a new version.
    one.run(["pull", "work", "--version", "1"]).expect(11);
    let pulled = one.one(["pull", "work", "--version", "1", "--force"]);
    assert!(pulled["kept"].is_string(), "{pulled}");
    Tree::read(&one.persona("work")).assert_same(&first);
    assert_eq!(one.one(["push"])["version"], 5);
    two.run(["pull", "work"]).expect(0);
    Tree::read(&two.persona("work")).assert_same(&first);
}

#[test]
fn a_removed_persona_comes_back() {
    let server = Server::start();
    let (one, first) = two_versions(&server.url);
    let second = Tree::read(&one.persona("work"));
    one.run(["restore", "work"]).expect(2);
    one.run(["restore", "work", "--version", "2"]).expect(2);
    let id = one.one(["list"])["id"].as_str().expect("an id").to_owned();
    one.run(["remove", "work", "--yes"]).expect(0);
    let refused = one.run(["pull", "work"]).expect(10);
    assert!(refused.stderr.contains("keybackup restore work"), "{refused}");
    one.run(["restore", "work", "--version", "3"]).expect(10);
    assert_eq!(changes(&one, "work"), ["3 remove", "2 push", "1 push"]);
    one.run(["pull", "work", "./removed", "--version", "1"]).expect(0);
    Tree::read(&one.path("removed")).assert_same(&first);

    // Another has its name by now.
    let two = Device::logged_in(&server.url, EMAIL);
    tree::reference(&two.persona("work"), "Bob");
    two.run(["push"]).expect(0);
    let taken = one.run(["restore", &id, "--json"]).expect(11);
    assert_eq!(taken.error()["code"], "taken", "{taken}");
    two.run(["rename", "work", "other"]).expect(0);
    assert_eq!(one.one(["restore", "work"])["version"], 4);
    assert_eq!(changes(&one, "work"), ["4 restore", "3 remove", "2 push", "1 push"]);
    two.run(["pull", "work", "./back"]).expect(0);
    Tree::read(&two.path("back")).assert_same(&second);

    // And back to the first version.
    assert_eq!(one.one(["restore", "work", "--version", "1"])["version"], 5);
    two.run(["pull", "work", "./first"]).expect(0);
    Tree::read(&two.path("first")).assert_same(&first);
    one.run(["verify", "--all"]).expect(0);

    // Two removed ones of one name are told apart by their ids.
    two.run(["remove", "other", "--yes"]).expect(0);
    one.run(["rename", "work", "other"]).expect(0);
    one.run(["remove", "other", "--yes"]).expect(0);
    let ambiguous = one.run(["restore", "other"]).expect(2);
    assert!(ambiguous.stderr.contains(&id), "{ambiguous}");
    one.run(["restore", &id]).expect(0);
}

/// Holds rules 13 and 14.
#[test]
fn a_history_that_was_tampered_with_is_refused() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let (device, _) = two_versions(&middleman.url);
    device.run(["rename", "work", "play"]).expect(0);
    device.run(["rename", "play", "work"]).expect(0);
    let lies: [(&str, Lie); 7] = [
        ("none", Vec::clear),
        ("the first is missing", |labels| drop(labels.remove(0))),
        ("one between is missing", |labels| drop(labels.remove(1))),
        ("the newest is missing", |labels| drop(labels.pop())),
        ("two are swapped", |labels| labels.swap(0, 1)),
        ("one is another's", |labels| labels[0]["label"] = labels[1]["label"].clone()),
        ("one is damaged", |labels| {
            let text = labels[1]["label"].as_str().expect("text").to_owned();
            // In the middle: at the end it might be no base64 any more.
            let other = if &text[400..=400] == "A" { "B" } else { "A" };
            labels[1]["label"] = format!("{}{other}{}", &text[..400], &text[401..]).into();
        }),
    ];
    for (what, lie) in lies {
        println!("{what}");
        middleman.alter(move |request: &Request, response| {
            if !request.path().ends_with("/labels") {
                return;
            }
            let mut answer = response.json();
            lie(answer["labels"].as_array_mut().expect("a list"));
            let body = serde_json::to_vec(&answer).expect("JSON");
            *response = keybackup_tests::Response::new(200, "application/json", body);
        });
        device.run(["history", "work"]).expect(14);
        device.run(["pull", "work", "./old", "--version", "1"]).expect(14);
        device.run(["restore", "work", "--version", "1"]).expect(14);
        assert!(!device.path("old").exists(), "{what}");
    }
    middleman.honest();
    assert_eq!(changes(&device, "work").len(), 4);
}

/// A stolen session pushes garbage until nothing else is left among the newest: what was there
/// stays for 30 days, and the first version can be had.
///
/// Holds rule 33.
#[test]
fn garbage_drives_no_version_out() {
    let server = Server::start();
    let (device, first) = two_versions(&server.url);
    let thief = Device::logged_in(&server.url, EMAIL);
    thief.run(["pull", "work"]).expect(0);
    for count in [20_u64, 200] {
        for number in 0..count {
            put(&thief, "work", &format!("garbage {count} {number}"), 100 + number);
            thief.run(["push"]).expect(0);
        }
        server.terminate();
        server.restart();
        device.run(["pull", "work", "./old", "--version", "1", "--force"]).expect(0);
        Tree::read(&device.path("old")).assert_same(&first);
    }
    assert_eq!(changes(&device, "work").len(), 222);
    device.run(["restore", "work", "--version", "2"]).expect(0);
    assert_eq!(device.run(["cat", "work", "note"]).expect(0).stdout, "second");
    // After 30 days the newest 20 are left, and whatever else they name.
    server.terminate();
    server.sql("UPDATE versions SET stored_at = stored_at - 31 * 86400");
    server.restart();
    let gone = || device.run(["pull", "work", "./older", "--version", "1"]).code == 10;
    let end = std::time::Instant::now() + keybackup_tests::PATIENCE;
    while !gone() && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    let refused = device.run(["pull", "work", "./older", "--version", "1"]).expect(10);
    assert!(refused.stderr.contains("gone"), "{refused}");
    device.run(["pull", "work", "./newest"]).expect(0);
}

/// Holds rule 33.
#[test]
fn a_purge_wants_the_password_and_is_for_good() {
    let server = Server::start();
    let (device, _) = two_versions(&server.url);
    let purge = |more: &[&str], password: &str| {
        let command = [&["remove", "work", "--purge", "--yes", "--json"], more].concat();
        device.command(command).password(password).run()
    };
    device.run(["remove", "work", "--version", "1", "--yes"]).expect(2);
    device.run(["remove", "work", "--purge", "--yes"]).expect(2);
    purge(&[], "wrong horse battery").expect(12);
    assert_eq!(device.one(["list"])["removed"], true, "that needs no password");
    device.run(["restore", "work"]).expect(0);
    purge(&["--version", "2"], PASSWORD).expect(2);
    purge(&["--version", "9"], PASSWORD).expect(10);
    assert_eq!(purge(&["--version", "1"], PASSWORD).expect(0).json()["purged"], true);
    let gone = device.run(["pull", "work", "./old", "--version", "1"]).expect(10);
    assert!(gone.stderr.contains("gone"), "{gone}");
    assert_eq!(device.run(["cat", "work", "note"]).expect(0).stdout, "second");
    device.run(["verify"]).expect(0);

    let purged = purge(&[], PASSWORD).expect(0).json();
    assert_eq!((&purged["removed"], &purged["purged"]), (&true.into(), &true.into()));
    assert_eq!(server.sql("SELECT COUNT(*) FROM blobs").trim(), "0");
    device.run(["restore", "work"]).expect(10);
    let again = purge(&[], PASSWORD).expect(0).json();
    assert_eq!(again["purged"], false);
    assert_eq!(changes(&device, "work").len(), 5);
}
