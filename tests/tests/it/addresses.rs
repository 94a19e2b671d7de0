//! Another address for an account, with both programs: who is let in where, and the way back.

use std::sync::atomic::{AtomicU32, Ordering};

use keybackup_tests::{Device, Middleman, Output, PASSWORD, Reply, Server, Tree, tree};

const OLD: &str = "alice@example.org";
const NEW: &str = "alice@example.net";

fn change(device: &Device, new: &str, password: &str) -> Output {
    device.command(["account", "email", new, "--json"]).password(password).run()
}

fn undo(device: &Device, code: &str) -> Output {
    device.run(["account", "undo-email", OLD, "--code", code, "--json"])
}

fn moved(device: &Device, new: &str) -> Output {
    device.command(["login", new, "--moved"]).password(PASSWORD).run()
}

/// A registered device with the persona `work` pushed.
fn owner(url: &str) -> (Device, Tree) {
    let device = Device::registered(url, OLD);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    let tree = Tree::read(&device.persona("work"));
    (device, tree)
}

#[test]
fn an_account_moves_with_all_that_it_has() {
    let server = Server::start();
    let (one, _) = owner(&server.url);
    let two = Device::logged_in(&server.url, OLD);

    change(&one, NEW, "wrong horse battery").expect(12);
    change(&one, OLD, PASSWORD).expect(2);
    change(&one, "no address", PASSWORD).expect(2);
    one.run(["account", "email", NEW]).expect(2);
    let bob = Device::registered(&server.url, "bob@example.org");
    let taken = change(&bob, OLD, PASSWORD).expect(11);
    assert_eq!(taken.error()["code"], "taken", "{taken}");
    assert_eq!(one.json(["account", "show"])["email"], OLD);

    let done = change(&one, NEW, PASSWORD).expect(0);
    assert_eq!(done.json(), serde_json::json!({"schema": 1, "email": NEW, "changed": true}));
    assert_eq!(one.json(["account", "show"])["email"], NEW);
    // As durable as any answer.
    server.kill();
    server.restart();
    tree::put(&one.persona("work").join("note"), b"more", 0o600, std::time::Duration::ZERO);
    one.run(["push"]).expect(0);

    // The other device is told, and comes back under the new address alone.
    two.run(["list"]).expect(4);
    two.login(OLD, PASSWORD).expect(12);
    let refused = two.login(NEW, PASSWORD).expect(2);
    assert!(refused.stderr.contains("--moved"), "{refused}");
    moved(&two, NEW).expect(0);
    two.run(["pull", "work"]).expect(0);
    one.run(["pull", "work", "./again"]).expect(0);
    Tree::read(&two.persona("work")).assert_same(&Tree::read(&one.path("again")));
    Device::new(&server.url).login(OLD, PASSWORD).expect(12);
    one.run(["logout"]).expect(0);
    one.command(["login"]).password(PASSWORD).run().expect(0);

    // Nobody else gets the former address while there is a way back.
    let stranger = Device::new(&server.url);
    let register = stranger.command(["register", OLD, "--json"]).password(PASSWORD);
    register.run().expect(11);
}

#[test]
fn another_account_is_not_taken_for_this_one_that_moved() {
    let server = Server::start();
    let (one, _) = owner(&server.url);
    let bob = Device::registered(&server.url, "bob@example.org");
    bob.run(["logout"]).expect(0);
    moved(&bob, OLD).expect(14);
    moved(&one, "bob@example.org").expect(14);
    assert_eq!(one.json(["account", "show"])["email"], OLD);
    one.run(["list"]).expect(0);
}

#[test]
fn the_former_mailbox_takes_the_account_back() {
    let server = Server::start();
    let (one, tree) = owner(&server.url);
    // Somebody who knows the password moves the account, and changes the password.
    let thief = Device::logged_in(&server.url, OLD);
    change(&thief, NEW, PASSWORD).expect(0);
    let choice = "what a thief would choose 7";
    let command = thief.command(["password", "change"]).password(PASSWORD);
    command.env("KEYBACKUP_NEW_PASSWORD", choice).run().expect(0);
    one.run(["list"]).expect(4);
    one.login(OLD, PASSWORD).expect(12);

    undo(&one, "7K2MX9QF4T").expect(12);
    // What could not be undone has to wait.
    for command in
        [&["recovery", "rotate", "--recovery-file", "new"][..], &["account", "delete", "--yes"]]
    {
        let held = thief.command([command, &["--json"]].concat()).password(choice).run().expect(4);
        assert_eq!(held.error()["code"], "barred", "{held}");
        assert!(!thief.path("new").exists(), "a phrase that opens nothing is not left");
    }
    let code = server.plant_undo_code(OLD);
    let elsewhere = ["account", "undo-email", NEW, "--code", &code];
    one.run(elsewhere).expect(12);
    let done = undo(&one, &code).expect(0).json();
    assert_eq!((&done["email"], &done["changed"]), (&OLD.into(), &true.into()));
    assert_eq!(undo(&one, &code).expect(0).json()["changed"], false);
    thief.run(["list"]).expect(4);
    thief.login(NEW, choice).expect(12);
    one.login(OLD, PASSWORD).expect(0);
    one.run(["pull", "work", "./back"]).expect(0);
    Tree::read(&one.path("back")).assert_same(&tree);
    let command = one.command(["password", "change"]).password(PASSWORD);
    command.env("KEYBACKUP_NEW_PASSWORD", "another quite good passphrase").run().expect(0);
}

/// Holds rule 29.
#[test]
fn who_has_the_mailbox_can_not_move_the_account_away() {
    let server = Server::start();
    let (one, _) = owner(&server.url);
    let code = server.plant_reset_code(OLD);
    let thief = Device::new(&server.url);
    let reset = ["password", "reset", OLD, "--code", &code, "--without-phrase", "--yes", "--json"];
    thief.command(reset).env("KEYBACKUP_NEW_PASSWORD", PASSWORD).run().expect(0);
    let held = change(&thief, NEW, PASSWORD).expect(4);
    assert_eq!(held.error()["code"], "locked", "{held}");
    one.command(["recovery", "undo-reset"]).password(PASSWORD).run().expect(0);
    one.run(["list"]).expect(0);
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let (device, _) = owner(&middleman.url);
    let count = AtomicU32::new(0);
    middleman.set(move |request, upstream| {
        let answer = upstream.ask(request);
        let is_change = request.method == "PUT" && request.path() == "/account/email";
        if is_change && count.fetch_add(1, Ordering::Relaxed) < 2 {
            return Reply::Raw(Vec::new());
        }
        Reply::Answer(answer)
    });
    change(&device, NEW, PASSWORD).expect(0);
    assert_eq!(server.sql("SELECT generation FROM credentials").trim(), "2");
    device.run(["list"]).expect(0);
}
