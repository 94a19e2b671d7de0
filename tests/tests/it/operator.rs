//! What the operator does to accounts, beside a running server, and what their owners see of it.

use keybackup_tests::{Device, Output, Server, Tree, tree};

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
