//! Programs that share no code with ours, written from the documents alone: they run every vector,
//! open what our server holds, and speak to it as a client. `./test.sh` installs what they need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keybackup_tests::process::{Output, Running};
use keybackup_tests::{Device, PASSWORD, Server, Tree, not_run, program, tree};
use serde_json::Value;

const EMAIL: &str = "alice@example.org";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in it").to_owned()
}

/// Runs a script of the decryptor; `None` where its packages are not installed.
fn python(script: &str, arguments: &[&str]) -> Option<Output> {
    let python = repository().join(".tools/venv/bin/python");
    if !python.is_file() {
        not_run(script, "no .tools/venv: ./test.sh installs it");
        return None;
    }
    let script = repository().join("tests/independent/python").join(script);
    let mut command = Command::new(python);
    command.arg("-B").arg(&script).args(arguments).env_clear();
    Some(Running::spawn(&mut command, b"").wait(&script.display().to_string()))
}

#[test]
fn every_vector_in_python() {
    let Some(output) = python("vectors.py", &[]) else { return };
    let output = output.expect(0);
    assert!(output.stdout.contains(" 0 were skipped, 0 went wrong"), "{output}");
}

#[test]
fn a_phrase_and_the_servers_bytes_are_enough() {
    let server = Server::start();
    let device = Device::new(&server.url);
    let phrase = device.path("phrase.txt");
    let registered = device.command(["register", EMAIL, "--recovery-file", "phrase.txt"]);
    registered.password(PASSWORD).run().expect(0);
    let (work, other) = (device.persona("work"), device.persona("ünïcode 🔑"));
    tree::reference(&work, "Alice");
    tree::put(&other.join("deep/er/empty"), b"", 0o600, Duration::from_secs(1));
    // Above what lies in rows.
    tree::put(&other.join("large"), &tree::noise(300_000, 1), 0o400, Duration::from_millis(1));
    device.run(["push", "--all"]).expect(0);
    tree::put(&work.join("note"), b"second", 0o644, Duration::from_secs(7));
    device.run(["push", "work"]).expect(0);
    device.run(["rename", "work", "home"]).expect(0);
    tree::reference(&device.persona("gone"), "Gone");
    device.run(["push", "gone"]).expect(0);
    device.run(["remove", "gone", "--yes"]).expect(0);
    server.terminate();

    let data = server.data().display().to_string();
    let phrase = phrase.display().to_string();
    let into = device.path("unpacked");
    let common = ["--data", &data, "--phrase-file", &phrase];
    let decrypt = |more: &[&str]| python("decrypt.py", &[&common, more].concat());
    let Some(listed) = decrypt(&["list", "--json"]) else { return };
    let listed: Value = serde_json::from_str(&listed.expect(0).stdout).expect("JSON");
    let personas = listed["personas"].as_array().expect("a list");
    let mut names: Vec<_> =
        personas.iter().filter(|it| it["removed"] == false).map(|it| &it["name"]).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["home", "ünïcode 🔑"], "{listed}");

    decrypt(&["unpack", &into.display().to_string()]).expect("it is there").expect(0);
    Tree::read(&work).assert_same(&Tree::read(&into.join("home")));
    Tree::read(&other).assert_same(&Tree::read(&into.join("ünïcode 🔑")));

    // Another phrase opens nothing, and what was changed is refused.
    let wrong = device.path("wrong.txt").display().to_string();
    std::fs::write(&wrong, "abandon ".repeat(11) + "about\n").expect("written");
    let refused = python("decrypt.py", &["--data", &data, "--phrase-file", &wrong, "list"]);
    refused.expect("it is there").expect(12);
    server.sql("UPDATE versions SET label = zeroblob(length(label))");
    decrypt(&["list"]).expect("it is there").expect(14);
}

#[test]
fn a_client_in_javascript() {
    let here = repository().join("tests/independent/js");
    if !here.join("node_modules/.installed").is_file() {
        not_run("the client in JavaScript", "no packages: tests/independent/js/setup.sh");
        return;
    }
    let programs = program("keybackup").parent().expect("it lies in a directory").to_owned();
    let mut command = Command::new("node");
    command.current_dir(&here).env("KEYBACKUP_BIN", programs).arg("--test");
    command.args(["--test-reporter=tap", "vectors.test.js", "rules.test.js", "interop.test.js"]);
    let output = Running::spawn(&mut command, b"").wait("node --test").expect(0);
    // What needs our programs was not left out.
    let with_ours = output.stdout.lines().find(|line| line.contains("pushes a first version"));
    let ran = with_ours.is_some_and(|line| !line.contains("# SKIP") && !line.contains("not ok"));
    assert!(ran, "{output}");
}
