//! Forgotten passwords, lost phrases, hostile resets, with both programs: what each combination of
//! password, phrase, device and mailbox can and can't do. The table of `SECURITY.md`.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use keybackup_tests::device::Invocation;
use keybackup_tests::terminal::Terminal;
use keybackup_tests::{Device, Middleman, Output, PASSWORD, Reply, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";
const NEW: &str = "another quite good passphrase";
const THIEF: &str = "what a thief would choose 7";

/// An account with the persona `work`, and its recovery phrase.
fn registered(url: &str) -> (Device, String) {
    let device = Device::new(url);
    let registered = device.command(["register", EMAIL, "--device", "first device", "--json"]);
    let document = registered.password(PASSWORD).run().expect(0).json();
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    (device, document["recovery_phrase"].as_str().expect("a phrase").to_owned())
}

/// A reset with the code, in JSON and without a terminal.
fn resetting(device: &Device, code: &str, password: &str) -> Invocation {
    let typed = format!("{}-{}", &code[..5], &code[5..]).to_lowercase();
    let command = device.command(["password", "reset", EMAIL, "--code", &typed, "--json"]);
    command.env("KEYBACKUP_NEW_PASSWORD", password)
}

fn with_phrase(device: &Device, code: &str, password: &str, phrase: &str) -> Output {
    resetting(device, code, password).arg("--phrase-stdin").stdin(phrase).run()
}

/// A reset without the phrase, as somebody makes it who has the mailbox.
fn displace(server: &Server, device: &Device, password: &str) -> serde_json::Value {
    let code = server.plant_reset_code(EMAIL);
    let command = resetting(device, &code, password).arg("--without-phrase").arg("--yes");
    command.run().expect(0).json()
}

fn names(listing: &serde_json::Value) -> Vec<(String, bool)> {
    let rows = listing["personas"].as_array().expect("a list");
    let row = |row: &serde_json::Value| {
        (row["name"].as_str().expect("a name").to_owned(), row["locked"] == true)
    };
    rows.iter().map(row).collect()
}

fn assert_pulls(device: &Device, name: &str, like: &Tree) {
    device.run(["pull", name, "./pulled"]).expect(0);
    Tree::read(&device.path("pulled")).assert_same(like);
    std::fs::remove_dir_all(device.path("pulled")).expect("removed");
}

#[test]
fn code_and_phrase_give_everything_back_on_a_new_device() {
    let server = Server::start();
    let (one, phrase) = registered(&server.url);
    let tree = Tree::read(&one.persona("work"));
    let code = server.plant_reset_code(EMAIL);
    let two = Device::new(&server.url);
    let done = with_phrase(&two, &code, NEW, &phrase).expect(0).json();
    assert_eq!((&done["with_phrase"], &done["locked_personas"]), (&true.into(), &0.into()));
    assert!(done["recovery_phrase"].is_null());
    assert_pulls(&two, "work", &tree);
    // The old password is over, other logins too, and the code.
    one.run(["list"]).expect(4);
    one.login(EMAIL, PASSWORD).expect(12);
    with_phrase(&two, &code, THIEF, &phrase).expect(12);
    one.login(EMAIL, NEW).expect(0);
    assert_eq!(names(&one.json(["list"])), [("work".to_owned(), false)]);
    one.run(["push"]).expect(0);
}

#[test]
fn what_is_wrong_resets_nothing_and_says_so() {
    let server = Server::start();
    let (one, phrase) = registered(&server.url);
    let two = Device::new(&server.url);
    let refused = with_phrase(&two, "7K2MX9QF4T", NEW, &phrase).expect(12);
    assert_eq!(refused.error()["code"], "wrong_code", "{refused}");
    let code = server.plant_reset_code(EMAIL);
    let other = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let refused = with_phrase(&two, &code, NEW, other).expect(12);
    assert_eq!(refused.error()["code"], "wrong_phrase", "{refused}");
    with_phrase(&two, &code, NEW, "no phrase at all").expect(12);
    with_phrase(&two, &code, "short", &phrase).expect(2);
    // Nobody to ask: for a phrase, a password, or whether to go on.
    resetting(&two, &code, NEW).run().expect(2);
    let nobody = two.command(["password", "reset", EMAIL, "--code", &code, "--without-phrase"]);
    nobody.env("KEYBACKUP_NEW_PASSWORD", NEW).run().expect(2);
    let nobody = resetting(&two, &code, NEW).arg("--without-phrase").run().expect(2);
    assert!(nobody.stderr.contains("--yes"), "{nobody}");
    two.run(["password", "reset", EMAIL, "--without-phrase"]).expect(2);
    let unmailed = two.run(["password", "reset", EMAIL]).expect(13);
    assert!(unmailed.stderr.contains("sends no mail"), "{unmailed}");
    one.run(["push"]).expect(0);
    one.login(EMAIL, PASSWORD).expect(0);
    // The code holds on through all of that.
    with_phrase(&two, &code, NEW, &phrase).expect(0);
}

/// Holds rule 29.
#[test]
fn a_mailbox_thief_gets_an_empty_login_and_the_owner_takes_it_back() {
    let server = Server::start();
    let (one, phrase) = registered(&server.url);
    let tree = Tree::read(&one.persona("work"));
    let thief = Device::new(&server.url);
    let reset = displace(&server, &thief, THIEF);
    assert_eq!((&reset["with_phrase"], &reset["locked_personas"]), (&false.into(), &1.into()));
    let listed = thief.json(["list"]);
    assert_eq!(names(&listed).iter().map(|it| it.1).collect::<Vec<_>>(), [true], "{listed}");
    let id = listed["personas"][0]["id"].as_str().expect("an id").to_owned();
    for command in [&["pull", &id][..], &["remove", "--yes", &id], &["cat", &id, "persona.json"]] {
        thief.run(command).expect(10);
    }
    thief
        .command(["recovery", "unlock", "--phrase-stdin"])
        .stdin(phrase_of(&reset))
        .run()
        .expect(12);

    // The owner's device says so at the next command, and loses nothing.
    for command in [&["push"][..], &["pull", "work", "./x"], &["status"], &["files", "work"]] {
        let told = one.run(command).expect(4);
        assert!(told.stderr.contains("undo-reset"), "{told}");
    }
    let listed = one.run(["list"]).expect(0);
    assert!(listed.stdout.contains("work") && listed.stderr.contains("undo-reset"), "{listed}");
    one.login(EMAIL, PASSWORD).expect(12);

    let undone = one.command(["recovery", "undo-reset", "--json", "--phrase-stdin"]);
    let undone = undone.stdin(phrase).run().expect(0).json();
    assert_eq!(undone["changed"], true);
    one.run(["push"]).expect(0);
    assert_pulls(&one, "work", &tree);
    thief.login(EMAIL, THIEF).expect(12);
    thief.run(["list"]).expect(0);
    // Nor can he do it again, or take the undoing back.
    let code = server.plant_reset_code(EMAIL);
    let barred =
        resetting(&thief, &code, THIEF).arg("--without-phrase").arg("--yes").run().expect(4);
    assert_eq!(barred.error()["code"], "barred", "{barred}");
    let back = thief.command(["recovery", "undo-reset", "--phrase-stdin"]);
    back.stdin(phrase_of(&reset)).run().expect(12);
    thief.command(["recovery", "undo-reset"]).password(THIEF).run().expect(12);
    one.run(["push"]).expect(0);
}

fn phrase_of(reset: &serde_json::Value) -> String {
    reset["recovery_phrase"].as_str().expect("a phrase").to_owned()
}

/// The password of before is enough, on the device and on any other; the device alone is not, and
/// nothing is lost.
#[test]
fn the_password_of_before_takes_a_reset_back() {
    let server = Server::start();
    let (one, _) = registered(&server.url);
    let thief = Device::new(&server.url);
    displace(&server, &thief, THIEF);
    let asked = one.run(["recovery", "undo-reset"]).expect(2);
    assert!(asked.stderr.contains("--phrase-file"), "{asked}");
    one.command(["recovery", "undo-reset"]).password(NEW).run().expect(12);
    let undo = |device: &Device| {
        let command = device.command(["recovery", "undo-reset", EMAIL, "--json"]);
        command.password(PASSWORD).run().expect(0).json()["changed"].clone()
    };
    assert_eq!(undo(&one), true);
    one.run(["push"]).expect(0);
    assert_eq!(undo(&one), false, "it is so already");

    // Once more, and from a device that never was there. A month has gone by at the server.
    server.sql("UPDATE accounts SET mail_reset_barred_until = 0");
    displace(&server, &thief, THIEF);
    one.run(["push"]).expect(4);
    let two = Device::new(&server.url);
    assert_eq!(undo(&two), true);
    one.run(["push"]).expect(0);
    two.login(EMAIL, PASSWORD).expect(0);
}

#[test]
fn a_phrase_found_later_unlocks_and_equal_names_keep_both() {
    let server = Server::start();
    let (one, phrase) = registered(&server.url);
    let old = Tree::read(&one.persona("work"));
    tree::reference(&one.persona("home"), "Alice at home");
    one.run(["push", "home"]).expect(0);
    one.run(["rename", "home", "house"]).expect(0);

    let two = Device::new(&server.url);
    displace(&server, &two, NEW);
    tree::reference(&two.persona("work"), "Alice anew");
    two.run(["push"]).expect(0);
    let new = Tree::read(&two.persona("work"));
    assert_eq!(names(&two.json(["list"])).iter().filter(|it| it.1).count(), 2);
    let wrong = two.command(["recovery", "unlock", "--phrase-stdin"]);
    wrong
        .stdin("legal winner thank year wave sausage worth useful legal winner thank yellow")
        .run()
        .expect(12);

    let unlock = two.command(["recovery", "unlock", "--json", "--phrase-stdin"]);
    let unlocked = unlock.stdin(phrase.as_str()).run().expect(0).json();
    assert_eq!(unlocked["still_locked"], 0);
    assert_eq!(unlocked["unlocked"].as_array().map(Vec::len), Some(2), "{unlocked}");
    let listed: Vec<_> = names(&two.json(["list"])).into_iter().map(|it| it.0).collect();
    assert_eq!(listed, ["house", "work", "work (2)"]);
    assert_pulls(&two, "work (2)", &old);
    assert_pulls(&two, "work", &new);
    two.run(["verify", "--all"]).expect(0);
    // What came goes on as any other: pushed, renamed, removed, pulled elsewhere.
    two.run(["rename", "work (2)", "old work"]).expect(0);
    two.run(["push", "./.cryptomessaging/personas/work", "--name", "old work", "--force"])
        .expect(0);
    two.run(["remove", "house", "--yes"]).expect(0);
    let again = two.command(["recovery", "unlock", "--json", "--phrase-stdin"]);
    let nothing = again.stdin(phrase.as_str()).run().expect(0).json();
    assert_eq!(nothing["unlocked"].as_array().map(Vec::len), Some(0));
    let three = Device::new(&server.url);
    three.login(EMAIL, NEW).expect(0);
    assert_pulls(&three, "work", &new);
    three.run(["verify", "--all"]).expect(0);
    // The device of before was logged out by it, and finds its way.
    one.run(["push", "work"]).expect(4);
    one.login(EMAIL, PASSWORD).expect(12);
    one.login(EMAIL, NEW).expect(0);
    one.run(["list"]).expect(0);
    one.run(["verify", "--all"]).expect(0);
}

/// After an unlocking the epoch to go back to is the one that took the other in.
#[test]
fn a_reset_after_an_unlocking_is_taken_back_too() {
    let server = Server::start();
    let (one, _) = registered(&server.url);
    let tree = Tree::read(&one.persona("work"));
    displace(&server, &Device::new(&server.url), NEW);
    one.login(EMAIL, NEW).expect(0);
    one.run(["recovery", "unlock"]).expect(0);
    let login = one.profiles().join("default/login.json");
    let kept = std::fs::read_to_string(&login).expect("it is there");
    assert!(kept.contains("\"former\":[]"), "the root key of what is unlocked is gone");

    displace(&server, &Device::new(&server.url), THIEF);
    one.run(["push"]).expect(4);
    one.command(["recovery", "undo-reset"]).password(PASSWORD).run().expect(12);
    one.command(["recovery", "undo-reset"]).password(NEW).run().expect(0);
    one.run(["push"]).expect(0);
    assert_pulls(&one, "work", &tree);

    // From a device that has followed the reset, and still knows where it was before.
    server.sql("UPDATE accounts SET mail_reset_barred_until = 0");
    displace(&server, &Device::new(&server.url), THIEF);
    one.login(EMAIL, THIEF).expect(0);
    one.command(["recovery", "undo-reset"]).password(NEW).run().expect(0);
    one.login(EMAIL, NEW).expect(0);
    one.run(["push"]).expect(0);
    assert_pulls(&one, "work", &tree);
}

/// A device that was logged in holds the root key: it unlocks without any phrase.
#[test]
fn a_device_of_before_unlocks_without_the_phrase() {
    let server = Server::start();
    let (one, _) = registered(&server.url);
    let tree = Tree::read(&one.persona("work"));
    let other = Device::new(&server.url);
    displace(&server, &other, NEW);
    let login = one.login(EMAIL, NEW).expect(0);
    assert!(login.stderr.contains("recovery unlock"), "{login}");
    let unlocked = one.json(["recovery", "unlock"]);
    assert_eq!(unlocked["unlocked"][0]["name"], "work", "{unlocked}");
    assert_pulls(&one, "work", &tree);
    one.run(["push"]).expect(0);
    assert_pulls(&other, "work", &tree);
    one.run(["logout"]).expect(0);
    one.login(EMAIL, NEW).expect(0);
    one.run(["push"]).expect(0);
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()));
}

/// What a device saw of a locked epoch still counts when that is unlocked.
///
/// Holds rule 14.
#[test]
fn marks_survive_a_reset() {
    let server = Server::start();
    let (one, phrase) = registered(&server.url);
    let saved = tempfile::tempdir().expect("a directory");
    server.terminate();
    copy(server.data(), &saved.path().join("data"));
    server.restart();
    std::fs::write(one.persona("work").join("more"), "more").expect("written");
    one.run(["push", "work"]).expect(0);
    // The server goes back to yesterday, and a reset is to hide it.
    server.terminate();
    std::fs::remove_dir_all(server.data()).expect("removed");
    copy(&saved.path().join("data"), server.data());
    server.restart();
    let other = Device::new(&server.url);
    displace(&server, &other, NEW);
    one.login(EMAIL, NEW).expect(0);
    let refused = one.run(["recovery", "unlock"]).expect(14);
    assert!(refused.stderr.contains("this device has seen"), "{refused}");
    // Somebody else's unlocking does not hide it either.
    let unlock = other.command(["recovery", "unlock", "--phrase-stdin"]);
    unlock.stdin(phrase.as_str()).run().expect(0);
    one.run(["list"]).expect(14);
}

#[test]
fn the_phrase_is_checked_and_replaced() {
    let server = Server::start();
    let (one, phrase) = registered(&server.url);
    let check = |phrase: &str| {
        one.command(["recovery", "check", "--json", "--phrase-stdin"]).stdin(phrase).run()
    };
    assert_eq!(check(&phrase).expect(0).json()["generation"], 1);
    check("legal winner thank year wave sausage worth useful legal winner thank yellow").expect(12);
    server.terminate();
    assert_eq!(check(&phrase).expect(0).json()["valid"], true, "no server is needed");
    server.restart();

    one.command(["recovery", "rotate"]).password(PASSWORD).run().expect(2);
    let wrong = one.command(["recovery", "rotate", "--json"]).password(NEW).run().expect(12);
    assert_eq!(wrong.stdout, "", "no phrase that will never be one");
    let wrong = one.command(["recovery", "rotate", "--recovery-file", "phrase.txt"]);
    wrong.password(NEW).run().expect(12);
    assert!(!one.path("phrase.txt").exists());
    check(&phrase).expect(0);
    let rotate = one.command(["recovery", "rotate", "--recovery-file", "phrase.txt"]);
    rotate.password(PASSWORD).run().expect(0);
    let new = std::fs::read_to_string(one.path("phrase.txt")).expect("written");
    assert_eq!(check(&new).expect(0).json()["generation"], 2);
    check(&phrase).expect(12);
    let never = one.command(["recovery", "rotate", "--recovery-file", "phrase.txt"]);
    never.password(PASSWORD).run().expect(2);

    let code = server.plant_reset_code(EMAIL);
    let two = Device::new(&server.url);
    with_phrase(&two, &code, NEW, &phrase).expect(12);
    with_phrase(&two, &code, NEW, &new).expect(0);
    two.run(["pull", "--all"]).expect(0);
    // Of two phrases another device believes the one that it has seen open something.
    let check = two.command(["recovery", "check", "--phrase-stdin"]);
    check.stdin(new).run().expect(0);
}

/// Answers that are lost are asked for again; what never comes leaves a doubt that is told.
#[test]
fn lost_answers_leave_one_or_the_other() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let (one, phrase) = registered(&middleman.url);
    let lose = |path: &'static str, most: u32| {
        let count = AtomicU32::new(0);
        middleman.set(move |request, upstream| {
            let answer = upstream.ask(request);
            if request.path().ends_with(path) && count.fetch_add(1, Ordering::Relaxed) < most {
                return Reply::Raw(Vec::new());
            }
            Reply::Answer(answer)
        });
    };
    let code = server.plant_reset_code(EMAIL);
    lose("/password/reset", 1);
    with_phrase(&one, &code, NEW, &phrase).expect(0);
    let code = server.plant_reset_code(EMAIL);
    lose("/password/reset", 99);
    let doubt = with_phrase(&one, &code, PASSWORD, &phrase).expect(13);
    assert!(doubt.error()["hint"].as_str().expect("a hint").contains("keybackup login"), "{doubt}");
    middleman.honest();
    one.login(EMAIL, PASSWORD).expect(0);

    let two = Device::new(&middleman.url);
    displace(&server, &two, NEW);
    lose("/epochs/undo", 1);
    let undo = one.command(["recovery", "undo-reset"]);
    undo.password(PASSWORD).run().expect(0);
    middleman.honest();
    one.run(["push"]).expect(0);
    server.sql("UPDATE accounts SET mail_reset_barred_until = 0");
    let two = Device::new(&middleman.url);
    displace(&server, &two, NEW);
    lose("/unlock", 1);
    let unlock = two.command(["recovery", "unlock", "--json", "--phrase-stdin"]);
    let unlocked = unlock.stdin(phrase.as_str()).run().expect(0).json();
    assert_eq!(unlocked["unlocked"][0]["name"], "work", "{unlocked}");
    two.run(["verify", "--all"]).expect(0);
    lose("/recovery", 1);
    let rotate = two.command(["recovery", "rotate", "--json"]);
    rotate.password(NEW).run().expect(0);
}

#[test]
fn a_terminal_is_asked_and_shown_the_new_phrase() {
    let server = Server::start();
    let (_one, _) = registered(&server.url);
    let code = server.plant_reset_code(EMAIL);
    let two = Device::new(&server.url);
    let reset = ["password", "reset", EMAIL, "--code", &code];
    let mut terminal = Terminal::start(two.command(reset));
    terminal.expect("Recovery phrase (empty if it is lost)");
    terminal.line("");
    terminal.expect("New password: ");
    terminal.line(NEW);
    terminal.expect("The same again: ");
    terminal.line(NEW);
    terminal.expect("1 persona will be locked");
    terminal.expect("Go on without the phrase? [y/N]");
    terminal.line("n");
    terminal.wait("password reset").expect(2);
    // Nothing was done, and the code holds.
    let mut terminal = Terminal::start(two.command(reset).arg("--without-phrase").arg("--yes"));
    terminal.expect("New password: ");
    terminal.line(NEW);
    terminal.expect("The same again: ");
    terminal.line(NEW);
    terminal.expect("Recovery phrase. Write these words down");
    terminal.expect("Word ");
    terminal.ctrl_c();
    terminal.wait("password reset").expect(130);
    two.login(EMAIL, NEW).expect(12);
    two.login(EMAIL, PASSWORD).expect(0);
}
