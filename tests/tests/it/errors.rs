//! Every wrong way that a person can go ends with the documented exit code and a message that
//! says what to do.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use keybackup_tests::impostor::Impostor;
use keybackup_tests::port::Port;
use keybackup_tests::{Device, Output, PASSWORD, Server, Tree, tree};
use serde_json::Value;

const EMAIL: &str = "alice@example.org";

/// The error of a run with `--json`: every one has a code, a message, and mostly a hint.
#[track_caller]
fn error(output: Output, exit: i32, code: &str) -> Value {
    let output = output.expect(exit);
    let error = output.error();
    assert_eq!(error["code"], code, "{output}");
    let message = error["message"].as_str().expect("text");
    assert!(!message.is_empty() && !message.ends_with('.'), "{output}");
    assert!(!message.contains('\n') && !message.contains('\x1b'), "{output}");
    error
}

/// Holds rule 24.
#[test]
fn wrong_password_and_unknown_account_sound_alike() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let login = |email: &str, password: &str| {
        let fresh = Device::new(&server.url);
        let output = fresh.command(["login", email, "--json"]).password(password).run();
        assert!(!fresh.profiles().join("default/profile.json").exists(), "nothing is remembered");
        output
    };
    let wrong = login(EMAIL, "tidal marzipan-Otter 9 lanterm");
    let unknown = login("bob@example.org", PASSWORD);
    error(wrong.clone(), 12, "wrong_password");
    error(unknown.clone(), 12, "wrong_password");
    assert_eq!(wrong.stderr.replace(EMAIL, "X"), unknown.stderr.replace("bob@example.org", "X"));
    assert_eq!((wrong.stdout.as_str(), unknown.stdout.as_str()), ("", ""));

    // Taken, however it is spelled, and found out before a key is derived.
    let fresh = Device::new(&server.url);
    let taken = fresh.command(["register", "ALICE@Example.ORG", "--json"]).password(PASSWORD).run();
    error(taken.clone(), 11, "taken");
    assert_eq!(taken.stdout, "", "no phrase is shown for an account that will not be");

    // A wrong password on a device that is logged in takes nothing away.
    let before = Tree::read(&device.profiles());
    let again = device.command(["login", EMAIL, "--json"]).password("wrong horse battery").run();
    error(again, 12, "wrong_password");
    before.assert_same(&Tree::read(&device.profiles()));
    device.run(["list"]).expect(0);
}

#[test]
fn a_password_comes_from_a_file_a_pipe_a_command_or_the_environment() {
    let server = Server::start();
    Device::registered(&server.url, EMAIL);
    let device = Device::new(&server.url);
    tree::put(&device.path("pw"), format!("{PASSWORD}\n").as_bytes(), 0o600, Duration::ZERO);
    let login =
        |more: &[&str]| device.command([&["--no-input", "login", EMAIL, "--json"], more].concat());
    login(&["--password-file", "pw"]).run().expect(0);
    // The first in the documented order decides, and its failure is final.
    let piped = login(&["--password-stdin"])
        .stdin(format!("{PASSWORD}\r\n"))
        .env("KEYBACKUP_PASSWORD", "not this");
    piped.run().expect(0);
    let command = login(&["--password-command", "cat pw"]).env("KEYBACKUP_PASSWORD", "nor this");
    command.run().expect(0);
    error(login(&["--password-file", "none"]).password(PASSWORD).run(), 1, "password_source");
    error(login(&["--password-command", "exit 3"]).password(PASSWORD).run(), 1, "password_source");
    tree::put(&device.path("open"), b"x", 0o644, Duration::ZERO);
    let warned = login(&["--password-file", "open"]).run();
    assert!(
        warned.stderr.lines().next().is_some_and(|line| line.contains("chmod 600")),
        "{warned}"
    );
}

#[test]
fn what_needs_a_login_says_so() {
    let server = Server::start();
    let device = Device::new(&server.url);
    tree::reference(&device.persona("work"), "Alice");
    for command in [
        &["push"][..],
        &["push", "--all"],
        &["pull", "work"],
        &["list"],
        &["files", "work"],
        &["cat", "work", "x"],
        &["diff", "work"],
        &["verify", "--all"],
        &["rename", "a", "b"],
        &["remove", "a", "--yes"],
    ] {
        let output = device.command([command, &["--json"]].concat()).run();
        let error = error(output, 4, "login_needed");
        assert!(error["hint"].as_str().expect("a hint").contains("keybackup login"), "{error}");
    }
    assert_eq!(device.json(["logout"])["changed"], false);
    let status = device.json(["status"]);
    assert_eq!(
        (&status["login"]["stored"], &status["server"]["reachable"]),
        (&"none".into(), &true.into())
    );
}

/// Holds rule 7.
#[test]
fn a_session_that_is_over_says_so_and_takes_nothing_with_it() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    let marks = std::fs::read(device.profiles().join("default/state.sealed")).expect("there");

    server.sql("UPDATE sessions SET expires_at = 1");
    for command in [&["push"][..], &["pull", "work"], &["list"]] {
        let output = device.command([command, &["--json"]].concat()).run();
        let error = error(output, 4, "login_needed");
        assert!(error["hint"].as_str().expect("a hint").contains("keybackup login"), "{error}");
    }
    assert_eq!(device.json(["status"])["login"]["valid"], false);
    let state = || std::fs::read(device.profiles().join("default/state.sealed")).expect("there");
    assert_eq!(state(), marks, "no answer erases what was seen");
    let stored =
        std::fs::read_to_string(device.profiles().join("default/login.json")).expect("there");
    assert!(stored.contains("\"root\""), "no answer erases the root key");

    device.login(EMAIL, PASSWORD).expect(0);
    assert_eq!(device.one(["push"])["changed"], false);

    assert_eq!(device.json(["logout"])["server_told"], true);
    let stored =
        std::fs::read_to_string(device.profiles().join("default/login.json")).expect("there");
    assert!(
        !stored.contains("root\":\"") && !stored.contains("kb_"),
        "token and root key are erased: {stored}"
    );
    error(device.command(["list", "--json"]).run(), 4, "login_needed");
    assert_eq!(server.sql("SELECT COUNT(*) FROM sessions WHERE expires_at > 1").trim(), "0");
    // A password from the environment is a login for one command.
    device.command(["list"]).password(PASSWORD).run().expect(0);
    // Another account or server does not get this profile.
    let other = device.command(["login", "bob@example.org", "--json"]).password(PASSWORD).run();
    error(other, 2, "other_login");
    let nobody = Port::reserve();
    let elsewhere =
        device.command(["list", "--server", &nobody.url(), "--json"]).password(PASSWORD).run();
    error(elsewhere, 2, "other_login");
}

#[test]
fn wrong_usage() {
    let server = Server::start();
    let device = Device::new(&server.url);
    let run = |arguments: &[&str]| device.command([arguments, &["--json"]].concat());
    for arguments in [
        &["frobnicate"][..],
        &["push", "--frob"],
        &["cat", "one"],
        &["push", "--all", "x"],
        &["pull", "a", "b", "--zip", "c"],
        &["--timeout", "0", "list"],
        &["--store", "cloud", "list"],
        &["login", "a", "b"],
    ] {
        error(run(arguments).run(), 2, "usage");
    }
    device.run([""; 0]).expect(2);

    // A question, and nobody to ask: what answers it is named.
    for flags in [&[][..], &["--no-input"]] {
        let needed = error(run(&[&["login", EMAIL], flags].concat()).run(), 2, "input_needed");
        let hint = needed["hint"].as_str().expect("a hint");
        for way in
            ["--password-file", "--password-stdin", "--password-command", "KEYBACKUP_PASSWORD"]
        {
            assert!(hint.contains(way), "{hint}");
        }
    }
    let needed = error(run(&["login"]).password(PASSWORD).run(), 2, "input_needed");
    assert!(needed["hint"].as_str().expect("a hint").contains("KEYBACKUP_EMAIL"), "{needed}");
    let needed = error(run(&["login", EMAIL]).without("KEYBACKUP_SERVER").run(), 2, "input_needed");
    assert!(needed["hint"].as_str().expect("a hint").contains("--server"), "{needed}");

    for (email, code) in
        [("alice", "config"), ("аlice@example.org", "config"), ("a b@example.org", "config")]
    {
        error(run(&["login", email]).password(PASSWORD).run(), 2, code);
    }
    error(run(&["login", EMAIL]).password("").run(), 2, "usage");
    for weak in ["password", "alice@example.org", "qwertyuiop", "short"] {
        let refused = error(run(&["register", EMAIL]).password(weak).run(), 2, "weak_password");
        assert!(refused["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{refused}");
    }
    std::fs::write(device.path("phrase"), "precious").expect("writable");
    let exists = run(&["register", EMAIL, "--recovery-file", "phrase"]).password(PASSWORD).run();
    error(exists, 2, "usage");
    assert_eq!(std::fs::read_to_string(device.path("phrase")).expect("there"), "precious");
    let nowhere =
        run(&["register", EMAIL, "--recovery-file", "no/such/place"]).password(PASSWORD).run();
    error(nowhere, 1, "io");
    assert_eq!(server.sql("SELECT COUNT(*) FROM accounts").trim(), "0", "nothing was registered");
}

/// Holds rule 17.
#[test]
fn plain_http_goes_to_this_machine_only() {
    let device = Device::new("http://127.0.0.1:1");
    let impostor =
        Impostor::saying(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(), false);
    // By its name alone it could be anybody; resolvers take it for this machine.
    let url = impostor.url.replace("127.0.0.1", "localhost.");
    for command in ["login", "register"] {
        let output = device
            .command([command, EMAIL, "--json"])
            .password(PASSWORD)
            .env("KEYBACKUP_SERVER", &url)
            .run();
        let error = error(output, 2, "insecure_http");
        assert!(error["hint"].as_str().expect("a hint").contains("https:"), "{error}");
    }
    assert_eq!(impostor.asked(), 0, "nothing was sent");
    let insecure = device
        .command(["login", EMAIL, "--insecure-http"])
        .password(PASSWORD)
        .env("KEYBACKUP_SERVER", &url);
    insecure.run().expect(13);
}

#[test]
fn configuration_that_is_wrong_names_itself() {
    let device = Device::new("http://127.0.0.1:1");
    let config = device.path(".config/keybackup/config.toml");
    for (text, named) in [
        ("servr = \"x\"\n", "servr"),
        ("[profiles.default]\nserver = \"ftp://x\"\n", "server"),
        ("[profiles.default]\nstore = \"cloud\"\n", "cloud"),
        ("not toml", "config.toml"),
    ] {
        tree::put(&config, text.as_bytes(), 0o600, Duration::ZERO);
        let output = device
            .command(["list", "--json"])
            .without("KEYBACKUP_SERVER")
            .without("KEYBACKUP_STORE")
            .run();
        let error = error(output, 2, "config");
        assert!(error["message"].as_str().expect("text").contains(named), "{error}");
    }
    std::fs::remove_file(config).expect("there");
    for (name, value) in
        [("KEYBACKUP_TIMEOUT", "soon"), ("KEYBACKUP_STORE", "cloud"), ("KEYBACKUP_SERVER", "x")]
    {
        let error = error(device.command(["list", "--json"]).env(name, value).run(), 2, "config");
        assert!(error["message"].as_str().expect("text").contains(name), "{error}");
    }
    error(device.command(["list", "--json", "--config", "none.toml"]).run(), 2, "config");
    error(device.command(["list", "--json", "--profile", "../x"]).run(), 2, "config");
}

#[test]
fn what_can_not_be_backed_up_stops_a_push_by_name() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let work = device.persona("work");
    tree::put(&work.join("key"), b"key", 0o600, Duration::from_secs(1));
    let push = |more: &[&str]| device.command([&["push", "--json"], more].concat()).run();
    symlink("key", work.join("link")).expect("made");
    let socket = UnixListener::bind(work.join("socket")).expect("made");
    for name in ["link", "socket"] {
        let exclude: Vec<_> =
            ["link", "socket"].into_iter().filter(|other| *other != name).collect();
        let error = error(push(&["--exclude", exclude[0]]), 1, "special_file");
        assert!(error["message"].as_str().expect("text").contains(name), "{error}");
        assert!(error["hint"].as_str().expect("a hint").contains("--skip-special"), "{error}");
    }
    let partial = push(&["--skip-special"]).expect(3);
    assert_eq!(partial.error()["code"], "partial");
    let persona = partial.json()["personas"][0].clone();
    assert_eq!((&persona["changed"], &persona["files"]), (&true.into(), &1.into()));
    let skipped: Vec<_> = persona["skipped"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| (s["path"].clone(), s["reason"].clone()))
        .collect();
    assert_eq!(skipped, [("link".into(), "symlink".into()), ("socket".into(), "socket".into())]);
    // Unchanged, but still not all of it.
    let again = push(&["--skip-special"]).expect(3);
    assert_eq!(again.json()["personas"][0]["changed"], false);
    push(&["--exclude", "link", "--exclude", "sock*"]).expect(0);
    tree::put(&work.join(".keybackupignore"), b"link\nsocket\n", 0o600, Duration::from_secs(1));
    push(&[]).expect(0);
    drop(socket);

    let hostile = "a\nb\x1b[31mred";
    tree::put(&work.join(hostile), b"x", 0o600, Duration::from_secs(1));
    let refused = push(&[]);
    error(refused, 1, "name_refused");
    let text = device.run(["push"]).expect(1);
    assert!(!text.stderr.contains('\x1b'), "no escape sequence reaches a terminal: {text}");
    std::fs::remove_file(work.join(hostile)).expect("there");
    error(push(&["--name", "a/b"]), 1, "name_refused");
    error(push(&["./none"]), 1, "io");
}

#[test]
fn one_profile_serves_several_processes_at_once() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let names: Vec<_> = (0..4).map(|n| format!("persona-{n}")).collect();
    for name in &names {
        tree::reference(&device.persona(name), name);
    }
    // On a slow machine the last one waits for three that each take seconds.
    let patient = ["push", "--timeout", "110"];
    let running: Vec<_> =
        names.iter().map(|name| device.command(patient).arg(name).start()).collect();
    for (running, name) in running.into_iter().zip(&names) {
        running.wait(name).expect(0);
    }
    // And all on the same one, changed: whoever comes second finds it done.
    tree::put(&device.persona(&names[0]).join("new"), b"new", 0o600, Duration::from_secs(1));
    let running: Vec<_> =
        (0..4).map(|_| device.command(patient).arg(&names[0]).arg("--json").start()).collect();
    let outputs: Vec<_> =
        running.into_iter().map(|running| running.wait("push").expect(0)).collect();
    let changed =
        outputs.iter().filter(|output| output.json()["personas"][0]["changed"] == true).count();
    assert_eq!(changed, 1);
    assert_eq!(device.json(["list"])["personas"].as_array().map(Vec::len), Some(4));
    device.run(["verify", "--all"]).expect(0);
}

#[test]
fn a_zip_takes_no_directorys_place() {
    let server = Server::start();
    let recorder = keybackup_tests::Recorder::start(&server.url);
    let device = Device::registered(&recorder.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    std::fs::create_dir(device.path("empty")).expect("made");
    recorder.clear();
    for force in [&[][..], &["--force"]] {
        let pull = ["pull", "work", "--zip", "empty", "--json"];
        let output = device.command([&pull, force].concat()).run();
        let error = error(output, 11, "conflict");
        assert!(error["message"].as_str().expect("text").contains("is a directory"), "{error}");
        assert!(error["hint"].as_str().expect("a hint").contains("--zip"), "{error}");
    }
    assert!(device.path("empty").is_dir());
    assert!(!recorder.requests().iter().any(keybackup_tests::Request::is_blob), "found out before");
}
