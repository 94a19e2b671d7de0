//! What the operator does to accounts, beside a running server, and what their owners see of it.

use std::process::Command;
use std::time::Duration;

use keybackup_tests::trace::can_trace;
use keybackup_tests::{Device, Output, PATIENCE, Running, Server, Tree, program, tree};

const EMAIL: &str = "alice@example.org";

fn operate(server: &Server, arguments: &[&str]) -> Output {
    let data = server.data().to_str().expect("text").to_owned();
    server.run(&[&["account"], arguments, &["--data", &data]].concat())
}

#[test]
fn a_disabled_account_is_locked_and_keeps_everything() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    let listed = operate(&server, &["list"]).expect(0).stdout;
    assert!(
        listed.starts_with(&format!("{EMAIL}\t")) && listed.ends_with("\tenabled\n"),
        "{listed}"
    );
    let sessions = operate(&server, &["sessions", EMAIL]).expect(0).stdout;
    assert_eq!(sessions.lines().count(), 1, "{sessions}");
    let listed = operate(&server, &["list", "--json"]).expect(0).json();
    let shown = operate(&server, &["show", EMAIL, "--json"]).expect(0).json();
    let row = &listed["accounts"][0];
    assert_eq!((&row["address"], &row["state"]), (&EMAIL.into(), &"enabled".into()), "{listed}");
    assert_eq!((&shown["id"], &shown["personas"]), (&row["id"], &1.into()), "{shown}");
    let documents = operate(&server, &["sessions", EMAIL, "--json"]).expect(0).json();
    let number = documents["sessions"][0]["id"].as_str().expect("an id").to_owned();
    assert!(sessions.starts_with(&number), "{documents}");

    operate(&server, &["disable", EMAIL]).expect(0);
    device.run(["list"]).expect(4);
    let stranger = Device::new(&server.url);
    let disabled = stranger.login(EMAIL, keybackup_tests::PASSWORD).expect(12);
    let unknown = stranger.login("bob@example.org", keybackup_tests::PASSWORD).expect(12);
    assert_eq!(disabled.stderr, unknown.stderr);
    assert!(operate(&server, &["show", EMAIL]).expect(0).stdout.contains("state\tdisabled\n"));

    operate(&server, &["enable", EMAIL]).expect(0);
    let other = Device::logged_in(&server.url, EMAIL);
    other.run(["pull", "work"]).expect(0);
    Tree::read(&device.persona("work")).assert_same(&Tree::read(&other.persona("work")));

    let nobody = operate(&server, &["disable", "nobody@example.org"]).expect(1);
    assert_eq!(nobody.stderr, "error: there is no account with this address or id\n");
}

/// Killed at any step, what the operator has purged is gone or going, never half there: the same
/// command again, or the next sweep, ends it, and nobody else has lost anything.
#[test]
fn a_purge_that_is_killed_is_taken_up_again() {
    if !can_trace("kills at system calls") {
        return;
    }
    let calls = "pwrite64,fdatasync,fsync,ftruncate,unlink,unlinkat";
    let (traced, mut nth, mut kills) = (format!("trace={calls}"), 1_u64, 0);
    let server = Server::start();
    let other = Device::registered(&server.url, "bob@example.org");
    tree::reference(&other.persona("other"), "Bob");
    other.run(["push"]).expect(0);
    loop {
        let device = Device::registered(&server.url, EMAIL);
        tree::reference(&device.persona("work"), "Alice");
        let large = device.persona("work").join("large");
        tree::put(&large, &tree::noise(300_000, nth), 0o600, Duration::from_secs(1));
        device.run(["push"]).expect(0);
        let data = server.data().to_str().expect("text").to_owned();
        let inject = format!("inject={calls}:signal=KILL:when={nth}");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &traced, "-e", &inject]);
        strace.arg(program("keybackup-server"));
        strace.args(["account", "delete", EMAIL, "--purge", "--yes", "--data", &data]);
        let output = Running::spawn(&mut strace, b"").wait("account delete --purge");
        assert!([0, 137].contains(&output.code), "{output}");
        // Again: it is gone by then, or its name is.
        let again = operate(&server, &["delete", EMAIL, "--purge", "--yes"]);
        assert!([0, 1].contains(&again.code), "{again}");
        server.terminate();
        server.restart();
        let rows = || {
            ["accounts", "epochs", "blobs", "blob_parts"]
                .map(|table| server.sql(&format!("SELECT COUNT(*) FROM {table}")).trim().to_owned())
        };
        let began = std::time::Instant::now();
        while rows() != ["1", "1", "1", "0"] {
            assert!(began.elapsed() < PATIENCE, "{nth}: {:?}", rows());
            std::thread::sleep(Duration::from_millis(50));
        }
        device.run(["list"]).expect(4);
        if output.code == 0 {
            break;
        }
        (kills, nth) = (kills + 1, nth + 4);
    }
    assert!(kills >= 3, "{kills} kills");
    other.run(["verify"]).expect(0);
}
