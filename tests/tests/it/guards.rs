//! What a device must not do unasked, however it came to where it is: overwrite newer work after
//! it was put back from an image, back up an unmounted disk, leave something out silently, or
//! forget the copy of a slot that it has.

use std::os::unix::fs::symlink;
use std::time::Duration;

use keybackup_tests::{Device, Middleman, PASSWORD, Server, Tree, tree};
use serde_json::json;

const EMAIL: &str = "alice@example.org";

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.expect("cp is there").success());
}

/// Holds rule 15.
#[test]
fn a_device_put_back_from_an_image_overwrites_nothing() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    let image = tempfile::tempdir().expect("a temporary directory");
    copy(&device.home(), image.path());
    for version in 2..4 {
        tree::put(&work.join("note"), &[version], 0o600, Duration::from_secs(version.into()));
        assert_eq!(device.one(["push"])["version"], version);
    }
    std::fs::remove_dir_all(device.home()).expect("removed");
    copy(&image.path().join("home"), &device.home());

    tree::put(&work.join("note"), b"of yesterday", 0o600, Duration::from_secs(9));
    let error = device.command(["push", "--all", "--json"]).run().expect(11).error();
    assert_eq!(error["code"], "conflict", "{error}");
    let refused = device.command(["push", "--json"]).run().expect(11).error();
    let message = refused["message"].as_str().expect("text");
    assert!(message.contains("version 3") && message.contains("does not remember"), "{message}");
    assert_eq!(device.run(["cat", "work", "note"]).expect(0).bytes, [3]);
}

#[test]
fn an_empty_directory_is_not_pushed_over_files() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    std::fs::rename(&work, device.path("elsewhere")).expect("renamed");
    std::fs::create_dir(&work).expect("a mount point with nothing mounted");
    for command in [&["push"][..], &["push", "--all"], &["push", "--dry-run"]] {
        let error = device.command([command, &["--json"]].concat()).run().expect(11).error();
        assert_eq!(error["code"], "conflict", "{error}");
    }
    assert_eq!(device.one(["list"])["version"], 1);
    assert_eq!(device.one(["push", "--force"])["version"], 2);
}

#[test]
fn a_whole_name_goes_before_the_beginning_of_another() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work-old"), "Old");
    tree::reference(&device.path("keys/work"), "Alice");
    device.run(["push", "keys/work"]).expect(0);
    tree::put(&device.path("keys/work/note"), b"new", 0o600, Duration::from_secs(5));
    let pushed = device.one(["push", "work"]);
    assert_eq!((&pushed["name"], &pushed["version"]), (&"work".into(), &2.into()), "{pushed}");
    // A path alone is where it goes, and what was there last is what goes there.
    std::fs::remove_dir_all(device.path("keys/work")).expect("removed");
    device.run(["push", "work-old"]).expect(0);
    let pulled = device.one(["pull", "./keys/work"]);
    assert_eq!((&pulled["name"], &pulled["changed"]), (&"work".into(), &true.into()), "{pulled}");
    assert!(device.path("keys/work/note").is_file());
    device.run(["pull", "./nowhere"]).expect(2);
    device.run(["pull", "./a", "b"]).expect(2);
}

#[test]
fn a_renamed_persona_keeps_its_directory() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    device.run(["rename", "work", "office"]).expect(0);
    let status = device.json(["status"]);
    assert_eq!(status["personas"].as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status["personas"][0]["newer"], "same", "{status}");
    for command in [&["push"][..], &["push", "--all"], &["push", "office"], &["push", "work"]] {
        let pushed = device.one(command);
        assert_eq!((&pushed["name"], &pushed["changed"]), (&"office".into(), &false.into()));
    }
    tree::put(&work.join("note"), b"new", 0o600, Duration::from_secs(3));
    assert_eq!(device.one(["push", "--all"])["version"], 3);
    assert_eq!(device.json(["list"])["personas"].as_array().map(Vec::len), Some(1));
}

#[test]
fn where_all_personas_should_be_is_nothing() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let push = device.command(["push", "--all", "--json"]).env("KEYBACKUP_PERSONAS_DIR", "/nope");
    assert_eq!(push.run().expect(10).error()["code"], "not_found");
}

#[test]
fn a_restore_sets_no_home_aside() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    let personas = device.home().join(".cryptomessaging/personas").display().to_string();
    for place in [".", "./.local", "./.local/share/keybackup", &personas, "/dev/null"] {
        let output = device.command(["pull", "work", place, "--force", "--json"]).run().expect(2);
        assert_eq!(output.error()["code"], "usage", "{output}");
    }
    device.run(["verify", "work"]).expect(0);
}

#[test]
fn a_hint_names_the_profile_that_it_is_of() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let refused = device.command(["--profile", "bob", "list"]).run().expect(4);
    assert!(refused.stderr.contains("in the profile bob"), "{refused}");
    assert!(refused.stderr.contains("keybackup --profile bob login EMAIL"), "{refused}");
    let plain = device.run(["logout"]).expect(0);
    assert!(!plain.stderr.contains("--profile"), "{plain}");
}

#[test]
fn what_all_leaves_out_is_named_and_exit_3() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    tree::reference(&device.path("elsewhere"), "Bob");
    symlink(device.path("elsewhere"), device.persona("linked")).expect("linked");
    for _ in 0..2 {
        let output = device.command(["push", "--all", "--json"]).run().expect(3);
        assert_eq!(output.error()["code"], "partial", "{output}");
        let personas = output.json()["personas"].clone();
        assert_eq!((&personas[0]["name"], &personas[0]["error"]), (&"work".into(), &json!(null)));
        assert_eq!(personas[1]["name"], "linked");
        assert_eq!(personas[1]["error"]["code"], "special_file", "{personas}");
    }
    let told = device.run(["push", "--all"]).expect(3);
    assert!(told.stderr.contains("linked") && told.stderr.contains("symbolic link"), "{told}");
}

#[test]
fn a_registration_whose_phrase_nobody_would_see_is_refused() {
    let server = Server::start();
    let device = Device::new(&server.url);
    let refused = device.command(["register", EMAIL]).password(PASSWORD).run().expect(2);
    assert!(refused.stderr.contains("--recovery-file"), "{refused}");
    assert_eq!(server.sql("SELECT COUNT(*) FROM accounts").trim(), "0");
    assert_eq!(server.sql("SELECT COUNT(*) FROM attempts").trim(), "0");
}

/// Holds rules 4 and 7.
#[test]
fn a_login_does_not_replace_the_recovery_slot() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let before = Tree::read(&device.profiles());
    // Which slot, and what is changed in it.
    let lies: [fn(&mut serde_json::Value); 5] = [
        |slot| {
            let sealed = slot["sealed"].as_str().expect("text").to_owned();
            let other = if sealed.ends_with("AA") { "BA" } else { "AA" };
            slot["sealed"] = format!("{}{other}", &sealed[..sealed.len() - 2]).into();
        },
        |slot| slot["sealed"] = "AAAA".into(),
        |slot| {
            let sealed = slot["sealed"].as_str().expect("text").to_owned();
            // Whole groups of four digits, so that it is base64 still.
            slot["sealed"] = sealed[..sealed.len() / 4 * 4 - 4].into();
            slot["generation"] = json!(2);
        },
        |slot| slot["generation"] = json!(0),
        |slot| slot["kind"] = "password".into(),
    ];
    for lie in lies {
        middleman.alter(move |request, response| {
            if request.path() == "/login/finish" && response.status == 200 {
                let mut answer = response.json();
                let slots = answer["slots"].as_array_mut().expect("a list");
                lie(slots.iter_mut().find(|slot| slot["kind"] == "recovery").expect("there"));
                response.body = serde_json::to_vec(&answer).expect("JSON");
                response.headers.retain(|(name, _)| name != "content-length");
            }
        });
        device.login(EMAIL, PASSWORD).expect(14);
        before.assert_same(&Tree::read(&device.profiles()));
    }
    // One that is called newer, as after a new phrase, comes beside it: only a phrase can tell.
    let slots = || {
        let file = std::fs::read(device.profiles().join("default/profile.json")).expect("there");
        let record: serde_json::Value = serde_json::from_slice(&file).expect("JSON");
        (record["recovery_slot"].clone(), record["newer_recovery_slot"].clone())
    };
    let (first, none) = slots();
    assert_eq!((&first["generation"], &none), (&json!(1), &json!(null)));
    middleman.alter(|request, response| {
        if request.path() == "/login/finish" && response.status == 200 {
            let mut answer = response.json();
            let slots = answer["slots"].as_array_mut().expect("a list");
            let slot = slots.iter_mut().find(|slot| slot["kind"] == "recovery").expect("there");
            slot["generation"] = json!(2);
            response.body = serde_json::to_vec(&answer).expect("JSON");
            response.headers.retain(|(name, _)| name != "content-length");
        }
    });
    device.login(EMAIL, PASSWORD).expect(0);
    let (kept, newer) = slots();
    assert_eq!((&kept, &newer["generation"]), (&first, &json!(2)));
    middleman.honest();
    device.login(EMAIL, PASSWORD).expect(0);
    assert_eq!(slots().0, first);
}

#[test]
fn a_session_that_ended_gives_way_to_a_password_at_hand() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    server.sql("DELETE FROM sessions");
    device.run(["list"]).expect(4);
    device.command(["list"]).password(PASSWORD).run().expect(0);
    // It was renewed, and is kept again.
    device.run(["list"]).expect(0);
    assert_eq!(server.sql("SELECT COUNT(*) FROM sessions").trim(), "1");
    // After a logout, or with nothing kept, it is for one command, and ends with it.
    device.run(["logout"]).expect(0);
    device.command(["list"]).password(PASSWORD).run().expect(0);
    device.run(["list"]).expect(4);
    assert_eq!(server.sql("SELECT COUNT(*) FROM sessions").trim(), "0");
}

#[test]
fn status_tells_of_a_login_that_has_ended_here() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let file = device.profiles().join("default/login.json");
    let mut login: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).expect("it is there")).expect("JSON");
    login["session"]["expires_at"] = json!(1);
    std::fs::write(&file, serde_json::to_vec(&login).expect("JSON")).expect("written");
    let status = device.json(["status"]);
    assert_eq!(status["login"]["valid"], false, "{status}");
    tree::reference(&device.persona("work"), "Alice");
    let told = device.run(["status"]).expect(0);
    assert!(told.stdout.contains("ended: keybackup login"), "{told}");
    assert!(told.stdout.contains("unknown: not logged in"), "{told}");
}
