//! The end of an account, with both programs: who confirms it, what it leaves, and that no kill
//! leaves half of it.

use std::sync::atomic::{AtomicU32, Ordering};

use keybackup_tests::terminal::Terminal;
use keybackup_tests::trace::can_trace;
use keybackup_tests::{Device, Middleman, Output, PASSWORD, Reply, Request, Server, tree};

const EMAIL: &str = "alice@example.org";

/// Deletes without a terminal.
fn delete(device: &Device, password: &str) -> Output {
    device.command(["account", "delete", "--yes", "--json"]).password(password).run()
}

fn is_deletion(request: &Request) -> bool {
    request.method == "DELETE" && request.path() == "/account"
}

#[test]
fn a_deleted_account_is_gone_for_all_devices_and_its_address_is_free() {
    let server = Server::start();
    let one = Device::registered(&server.url, EMAIL);
    tree::reference(&one.persona("work"), "Alice");
    one.run(["push"]).expect(0);
    let two = Device::logged_in(&server.url, EMAIL);

    let unconfirmed = one.command(["account", "delete"]).password(PASSWORD).run().expect(2);
    assert!(unconfirmed.stderr.contains("--yes"), "{unconfirmed}");
    delete(&one, "wrong horse battery").expect(12);
    two.run(["list"]).expect(0);

    let deleted = delete(&one, PASSWORD).expect(0);
    assert!(
        deleted.stdout.starts_with("{\"schema\":1,\"deleted\":true,\"held_until\":"),
        "{deleted}"
    );
    assert!(deleted.stdout.ends_with(",\"locked_personas\":0}\n"), "{deleted}");
    // As durable as any answer.
    server.kill();
    server.restart();
    for device in [&one, &two] {
        device.run(["list"]).expect(4);
        device.login(EMAIL, PASSWORD).expect(12);
    }
    delete(&one, PASSWORD).expect(4);
    assert!(one.persona("work").is_dir(), "what is here stays here");

    // Also on the device that deleted it, whose profile is free.
    let register = one.command(["register", EMAIL, "--json"]).password(PASSWORD);
    register.run().expect(0);
    let anew = Device::logged_in(&server.url, EMAIL);
    assert_eq!(anew.json(["list"])["personas"], serde_json::json!([]));
    // A device that knew the old account is told, and takes the new one for no other.
    let data = server.data().to_str().expect("text").to_owned();
    let list = server.run(&["account", "list", "--data", &data]).expect(0).stdout;
    let states: Vec<_> = list.lines().filter_map(|line| line.rsplit('\t').next()).collect();
    assert!(states.contains(&"deleted") && states.contains(&"enabled"), "{list}");
    let old = list.lines().find(|line| line.ends_with("deleted")).expect("the old account");
    let id = old.split('\t').nth(1).expect("an id").to_owned();
    server.run(&["account", "delete", &id, "--purge", "--data", &data]).expect(2);
    server.run(&["account", "delete", &id, "--purge", "--yes", "--data", &data]).expect(0);
    assert_eq!(server.sql("SELECT COUNT(*) FROM accounts").trim(), "1");
    anew.run(["list"]).expect(0);
}

#[test]
fn a_terminal_asks_for_the_address() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    for (typed, code) in [("bob@example.org", 2), ("yes", 2), ("Alice@example.org", 0)] {
        let mut terminal = Terminal::start(device.command(["account", "delete"]));
        terminal.expect("Type alice@example.org to go on: ");
        terminal.line(typed);
        if code == 0 {
            terminal.expect("Password of alice@example.org at ");
            terminal.line(PASSWORD);
        }
        let output = terminal.wait("account delete").expect(code);
        assert!(!output.stderr.contains(PASSWORD), "{output}");
    }
    device.login(EMAIL, PASSWORD).expect(12);
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let count = AtomicU32::new(0);
    middleman.set(move |request, upstream| {
        let answer = upstream.ask(request);
        if is_deletion(request) && count.fetch_add(1, Ordering::Relaxed) < 2 {
            return Reply::Raw(Vec::new());
        }
        Reply::Answer(answer)
    });
    delete(&device, PASSWORD).expect(0);
    assert_eq!(server.sql("SELECT COUNT(*) FROM epochs WHERE closed_at IS NULL").trim(), "0");
}

#[test]
fn a_client_that_is_killed_at_every_message_leaves_all_or_nothing() {
    if !can_trace("kills at system calls") {
        return;
    }
    let server = Server::start();
    let (mut kills, mut nth) = (0, 1);
    loop {
        let email = format!("user{nth}@example.org");
        let device = Device::registered(&server.url, &email);
        let inject = format!("inject=writev,sendto,recvfrom:signal=KILL:when={nth}");
        let trace =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=writev,sendto,recvfrom"];
        let wrapper = [&trace[..], &["-e", &inject]].concat();
        let command = device.command(["account", "delete", "--yes", "--json"]).under(&wrapper);
        let output = command.password(PASSWORD).run();
        let killed = output.code == 137;
        assert!(killed || output.code == 0, "{output}");
        let open = "SELECT COUNT(*) FROM epochs WHERE closed_at IS NULL";
        let named = "SELECT COUNT(*) FROM accounts WHERE LENGTH(sealed_address) > 0";
        let sessions = "SELECT COUNT(*) FROM sessions";
        let left = [open, named, sessions].map(|sql| server.sql(sql).trim().to_owned());
        let deleted = left[0] == "0";
        assert!(killed || deleted, "it said that it did");
        let expected = if deleted { "0" } else { "1" };
        assert_eq!(left, [expected; 3], "all or nothing");
        if !deleted {
            delete(&device, PASSWORD).expect(0);
        }
        device.login(&email, PASSWORD).expect(12);
        if !killed {
            break;
        }
        (kills, nth) = (kills + 1, nth + 1);
    }
    assert!(kills >= 4, "{kills} kills");
}
