//! Two devices, one account: nobody's work is lost, and each way out that a message names works.

use std::time::Duration;

use keybackup_tests::{Device, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";

/// Holds rule 15.
#[test]
fn a_device_that_is_behind_is_refused_and_has_three_ways_out() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    let two = Device::logged_in(&server.url, EMAIL);
    let (ours, theirs) = (one.persona("work"), two.persona("work"));
    tree::reference(&ours, "Alice");
    one.run(["push"]).expect(0);
    two.run(["pull"]).expect(0);

    tree::put(&ours.join("note"), b"of one", 0o600, Duration::from_secs(10));
    assert_eq!(one.one(["push"])["version"], 2);
    tree::put(&theirs.join("note"), b"of two", 0o600, Duration::from_secs(20));
    let refused = two.command(["push", "--json"]).run().expect(11);
    let error = refused.error();
    assert_eq!(error["code"], "conflict");
    let hint = error["hint"].as_str().expect("a hint");
    for way in ["keybackup diff work", "keybackup pull --force work", "keybackup push --force work"]
    {
        assert!(hint.contains(way), "{hint}");
    }
    assert_eq!(two.one(["list"])["version"], 2, "nothing was pushed");
    // A pull over what differs is refused, too, and changes nothing.
    let before = Tree::read(&theirs);
    two.run(["pull", "work"]).expect(11);
    before.assert_same(&Tree::read(&theirs));

    // See what differs.
    let diff = two.one(["diff", "work"]);
    assert_eq!(diff["changes"][0]["path"], "note");
    // Keep theirs: the old directory stays beside.
    let pulled = two.one(["pull", "work", "--force"]);
    let kept = pulled["kept"].as_str().expect("what was there is kept");
    before.assert_same(&Tree::read(kept.as_ref()));
    Tree::read(&ours).assert_same(&Tree::read(&theirs));
    // What was kept aside is no persona of its own.
    assert_eq!(two.json(["push", "--all"])["personas"].as_array().map(Vec::len), Some(1));

    // Keep yours.
    tree::put(&theirs.join("note"), b"of two again", 0o600, Duration::from_secs(30));
    assert_eq!(two.one(["push"])["version"], 3);
    tree::put(&ours.join("note"), b"of one again", 0o600, Duration::from_secs(40));
    one.run(["push"]).expect(11);
    assert_eq!(one.one(["push", "--force"])["version"], 4);
    assert_eq!(two.run(["cat", "work", "note"]).expect(0).stdout, "of one again");
}

#[test]
fn a_persona_is_found_by_name_id_prefix_and_nickname() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    for (name, nickname) in [("alpha", "Anna"), ("alpine", "Anna"), ("beta", "Berta")] {
        tree::reference(&device.persona(name), nickname);
    }
    let pushed = device.json(["push", "--all"]);
    assert_eq!(pushed["personas"].as_array().map(Vec::len), Some(3));
    let again = device.json(["push", "--all"]);
    assert!(again["personas"].as_array().expect("a list").iter().all(|p| p["changed"] == false));
    let id = pushed["personas"][2]["id"].as_str().expect("an id").to_owned();

    for text in ["beta", "b", "Berta", &id, &id[..12]] {
        assert_eq!(device.one(["verify", text])["name"], "beta", "{text}");
        if text.len() < 12 {
            assert_eq!(device.one(["push", text])["name"], "beta", "{text}");
        }
    }
    for command in
        [["push", "al"], ["pull", "al"], ["verify", "Anna"], ["files", "al"], ["push", "Anna"]]
    {
        let refused = device.command(command).arg("--json").run().expect(2);
        let error = refused.error();
        assert_eq!(error["code"], "ambiguous", "{error}");
        let hint = error["hint"].as_str().expect("a hint");
        assert!(hint.contains("alpha") && hint.contains("alpine"), "{hint}");
    }
    for command in [["push", "gamma"], ["pull", "gamma"], ["cat", "gamma"]] {
        let mut arguments = command.to_vec();
        if command[0] == "cat" {
            arguments.push("x");
        }
        device.run(arguments).expect(10);
    }
    // Several, and nobody to ask.
    device.run(["push"]).expect(2);
    device.run(["pull"]).expect(2);
    device.run(["verify"]).expect(2);
}

#[test]
fn a_name_belongs_to_the_directory_it_was_pushed_from() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    for place in ["a/keys", "b/keys"] {
        tree::put(&device.path(place).join("key"), place.as_bytes(), 0o600, Duration::from_secs(1));
    }
    device.run(["push", "a/keys"]).expect(0);
    let error = device.command(["push", "b/keys", "--json"]).run().expect(11).error();
    assert!(error["message"].as_str().expect("text").contains("a/keys"), "{error}");
    assert_eq!(device.one(["push", "b/keys", "--name", "other"])["version"], 1);
    assert_eq!(device.one(["push", "b/keys", "--force"])["version"], 2);
    // From here on it is b's.
    device.run(["push", "a/keys"]).expect(11);
    // By its name it is found where it was pushed from.
    tree::put(&device.path("b/keys/key"), b"changed", 0o600, Duration::from_secs(1));
    assert_eq!(device.one(["push", "keys"])["version"], 3);
}

/// Holds rule 13.
#[test]
fn rename_and_remove() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    let two = Device::logged_in(&server.url, EMAIL);
    for name in ["work", "home"] {
        tree::reference(&one.persona(name), name);
    }
    one.run(["push", "--all"]).expect(0);
    let before = one.json(["list"])["personas"][1].clone();

    let renamed = one.one(["rename", "work", "old work"]);
    assert_eq!((&renamed["name"], &renamed["old_name"]), (&"old work".into(), &"work".into()));
    assert_eq!((&renamed["id"], &renamed["version"]), (&before["id"], &2.into()));
    assert_eq!(renamed["content_version"], 1);
    one.run(["rename", "home", "old work"]).expect(11);
    one.run(["rename", "none", "x"]).expect(10);
    one.run(["rename", "home", "a/b"]).expect(1);
    // The other device sees the new name, and the bytes that an older version brought.
    two.run(["pull", "old work", "back"]).expect(0);
    Tree::read(&one.persona("work")).assert_same(&Tree::read(&two.path("back")));

    let refused = one.command(["remove", "old work", "--json"]).run().expect(2).error();
    assert_eq!(refused["code"], "input_needed");
    assert!(refused["hint"].as_str().expect("a hint").contains("--yes"), "{refused}");
    let removed = one.one(["remove", "old work", "--yes"]);
    assert_eq!((&removed["removed"], &removed["version"]), (&true.into(), &3.into()));
    assert!(one.persona("work").is_dir(), "the local directory stays");
    two.run(["pull", "old work", "again"]).expect(10);
    let listed = two.json(["list"]);
    let last = listed["personas"].as_array().expect("a list").last().expect("it is listed");
    assert_eq!((&last["name"], &last["removed"]), (&"old work".into(), &true.into()));
    // Pushing that name makes another persona.
    let pushed = one.one(["push", "./.cryptomessaging/personas/work", "--name", "old work"]);
    assert_ne!(pushed["id"], before["id"]);
    assert_eq!(pushed["version"], 1);
    // And all of it goes to a third device.
    let three = Device::logged_in(&server.url, EMAIL);
    let pulled = three.json(["pull", "--all"]);
    assert_eq!(pulled["personas"].as_array().map(Vec::len), Some(2), "{pulled}");
    Tree::read(&one.persona("home")).assert_same(&Tree::read(&three.persona("home")));
}

#[test]
fn a_dry_run_of_pull_changes_nothing() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    one.run(["push"]).expect(0);
    let there = one.persona("work");
    std::fs::rename(&there, one.path("aside")).expect("renamed");
    // The listing is a cache, refreshed by every look.
    let profile = || {
        let mut tree = Tree::read(&one.profiles());
        tree.0.retain(|path, _| !path.ends_with("snapshot"));
        tree
    };
    let before = profile();
    let dry = one.json(["pull", "work", "--dry-run"]);
    assert_eq!(dry["dry_run"], true);
    assert_eq!(dry["personas"][0]["changed"], true);
    assert!(!there.exists());
    let dry = one.json(["pull", "work", "--dry-run", "--zip", "x.zip"]);
    assert_eq!(dry["personas"][0]["zip"], one.path("x.zip").display().to_string());
    assert!(!one.path("x.zip").exists());
    before.assert_same(&profile());
    one.run(["pull", "work"]).expect(0);
    Tree::read(&one.path("aside")).assert_same(&Tree::read(&there));
}

#[test]
fn status_tells_what_is_where_and_which_is_newer() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    let two = Device::logged_in(&server.url, EMAIL);
    for name in ["both", "gone", "local"] {
        tree::reference(&one.persona(name), name);
    }
    one.run(["push", "both"]).expect(0);
    one.run(["push", "gone"]).expect(0);
    two.run(["pull", "both"]).expect(0);
    std::fs::rename(one.persona("gone"), one.path("gone")).expect("renamed");
    let rows = |device: &Device| {
        let status = device.json(["status"]);
        assert_eq!(status["login"]["valid"], true, "{status}");
        status["personas"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|p| format!("{} {} {}", p["name"], p["where"], p["newer"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&one)[0], "both both same");
    assert!(rows(&one)[1].starts_with("gone remote"));
    assert!(rows(&one)[2].starts_with("local local"));
    tree::put(&one.persona("both").join("x"), b"x", 0o600, Duration::from_secs(1));
    assert_eq!(rows(&one)[0], "both both local");
    one.run(["push", "both"]).expect(0);
    assert_eq!(rows(&two)[0], "both both remote");
    tree::put(&two.persona("both").join("y"), b"y", 0o600, Duration::from_secs(1));
    assert_eq!(rows(&two)[0], "both both differ");
    // Who has seen the same shows the same.
    one.run(["list"]).expect(0);
    two.run(["list"]).expect(0);
    let digest = |device: &Device| device.json(["status"])["marks"]["digest"].clone();
    assert_eq!(digest(&one), digest(&two));
}
