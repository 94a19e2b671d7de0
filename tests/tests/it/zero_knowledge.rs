//! What the server could learn, searched for in every byte that travels and every byte that it
//! keeps; and what others on the device could read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keybackup_tests::search::{Planted, files};
use keybackup_tests::{Device, PASSWORD, Recorder, Server, Tree, tree};
use std::time::Duration;

const EMAIL: &str = "planted.address+zk@example.org";
const NAME: &str = "planted-persona-name ü";
const NEW_NAME: &str = "planted-renamed-name";
const NICKNAME: &str = "Planted Nickname Ω";
const FILE: &str = "planted-file-name.json";
const CONTENT: &str = "planted-content-0123456789-of-a-file";
const DEVICE: &str = "planted-device-name";

#[track_caller]
fn absent(planted: &[Planted], place: &str, bytes: &[u8]) {
    let found: Vec<_> = planted.iter().filter_map(|one| one.find(bytes)).collect();
    assert!(found.is_empty(), "in {place}: {found:?}");
}

/// Holds rules 16 and 26.
#[test]
fn the_server_learns_nothing() {
    let server = Server::with(&["--log-level", "trace"]);
    let recorder = Recorder::start(&server.url);
    let one = Device::new(&recorder.url);
    let registered = one
        .command(["register", EMAIL, "--device", DEVICE, "--json"])
        .password(PASSWORD)
        .run()
        .expect(0)
        .json();
    let phrase = registered["recovery_phrase"].as_str().expect("twelve words").to_owned();

    // Every way that bytes travel: inline and uploaded, text that compresses and noise that
    // doesn't, and everything that only renames.
    let work = one.persona(NAME);
    let json = format!(r#"{{"pid":"planted-pid-of-the-persona","nickname":"{NICKNAME}"}}"#);
    tree::put(&work.join("persona.json"), json.as_bytes(), 0o600, Duration::from_secs(1));
    tree::put(
        &work.join("planted-directory").join(FILE),
        CONTENT.as_bytes(),
        0o600,
        Duration::from_secs(1),
    );
    let noise = tree::noise(9 << 20, 40);
    one.run(["push"]).expect(0);
    tree::put(&work.join("large"), &noise, 0o600, Duration::from_secs(1));
    one.run(["push"]).expect(0);
    one.run(["rename", NAME, NEW_NAME]).expect(0);
    let two = Device::new(&recorder.url);
    let login = two.command(["login", EMAIL, "--device", DEVICE]).password(PASSWORD).run();
    login.expect(0);
    two.run(["pull", NEW_NAME]).expect(0);
    two.run(["cat", NEW_NAME, "persona.json"]).expect(0);
    two.run(["files", NEW_NAME]).expect(0);
    two.run(["verify"]).expect(0);
    two.run(["status"]).expect(0);
    let wrong = two.command(["login", EMAIL]).password("planted-wrong-password-7");
    wrong.run().expect(12);
    one.run(["remove", NEW_NAME, "--yes"]).expect(0);

    let mut secrets = vec![
        Planted::new("the password", PASSWORD.as_bytes()),
        Planted::new("a wrong password", b"planted-wrong-password-7"),
        Planted::new("the phrase", phrase.as_bytes()),
        Planted::new("the name", NAME.as_bytes()),
        Planted::new("the new name", NEW_NAME.as_bytes()),
        Planted::new("the nickname", NICKNAME.as_bytes()),
        Planted::new("the persona's own id", b"planted-pid-of-the-persona"),
        Planted::new("a file's name", FILE.as_bytes()),
        Planted::new("a directory's name", b"planted-directory"),
        Planted::new("a content", CONTENT.as_bytes()),
        Planted::new("a content that does not compress", &noise[4 << 20..(4 << 20) + 32]),
        Planted::new("the device's name", DEVICE.as_bytes()),
        Planted::new("the directory's path", one.home().as_os_str().as_encoded_bytes()),
    ];
    let words: Vec<&str> = phrase.split(' ').collect();
    // Two short ones could stand beside each other in any English text.
    for three in words.windows(3) {
        secrets.push(Planted::new("three words of the phrase", three.join(" ").as_bytes()));
    }
    let mut tokens = Vec::new();
    for device in [&one, &two] {
        let login = std::fs::read(device.profiles().join("default/login.json")).expect("there");
        let login: serde_json::Value = serde_json::from_slice(&login).expect("JSON");
        let root = login["session"]["root"].as_str().expect("the root key");
        let root = URL_SAFE_NO_PAD.decode(root).expect("base64url");
        secrets.push(Planted::new("the root key", &root));
        for token in [&login["session"]["token"], &login["device_cookie"]] {
            let token = token.as_str().expect("a token");
            tokens.push(Planted::new("a token", token.as_bytes()));
            let (_, random) = token.split_once('_').expect("a prefix");
            let random = URL_SAFE_NO_PAD.decode(random).expect("base64url");
            tokens.push(Planted::new("the bytes of a token", &random));
        }
    }

    let wire = recorder.bytes();
    assert!(wire.len() > 18 << 20, "all of it was recorded: {}", wire.len());
    // The search itself works: what may travel is found.
    let address = Planted::new("the e-mail address", EMAIL.as_bytes());
    assert!(address.find(&wire).is_some());
    assert!(tokens.iter().any(|token| token.find(&wire).is_some()));
    absent(&secrets, "what travelled", &wire);

    secrets.append(&mut tokens);
    secrets.push(address);
    let logs = server.logs();
    assert!(logs.len() > 500, "it logs: {}", String::from_utf8_lossy(&logs));
    absent(&secrets, "the logs", &logs);
    // While it runs (the write-ahead log), killed, and started again.
    let mut all = 0;
    for step in ["running", "killed", "restarted", "stopped"] {
        match step {
            "killed" => drop(server.kill()),
            "restarted" => server.restart(),
            "stopped" => drop(server.terminate()),
            _ => {}
        }
        for (path, mode, bytes) in files(server.data()) {
            let shown = format!("{step}: {}", path.display());
            let expected = if bytes.is_some() { 0o600 } else { 0o700 };
            assert_eq!(mode, expected, "{shown}: mode {mode:o}");
            absent(&secrets, &shown, path.as_os_str().as_encoded_bytes());
            if let Some(bytes) = bytes {
                all += bytes.len();
                absent(&secrets, &shown, &bytes);
            }
        }
    }
    assert!(all > 9 << 20, "the store was searched: {all}");
}

/// Holds rule 34.
#[test]
fn a_profile_shows_nothing_to_others_and_little_to_a_thief() {
    let server = Server::start();
    let device = Device::new(&server.url);
    let register = ["register", EMAIL, "--device", DEVICE, "--recovery-file", "phrase"];
    device.command(register).password(PASSWORD).run().expect(0);
    let work = device.persona(NAME);
    let json = format!(r#"{{"pid":"planted-pid-of-the-persona","nickname":"{NICKNAME}"}}"#);
    tree::put(&work.join("persona.json"), json.as_bytes(), 0o600, Duration::from_secs(1));
    tree::put(&work.join(FILE), CONTENT.as_bytes(), 0o600, Duration::from_secs(1));
    device.run(["push"]).expect(0);
    device.run(["pull", NAME, "back"]).expect(0);
    device.run(["pull", NAME, "--zip", "back.zip"]).expect(0);

    let mut planted: Vec<_> =
        [NAME, NICKNAME, FILE, CONTENT, "planted-pid-of-the-persona", PASSWORD]
            .iter()
            .map(|text| Planted::new(text, text.as_bytes()))
            .collect();
    let phrase = std::fs::read_to_string(device.path("phrase")).expect("there");
    planted.push(Planted::new("the phrase", phrase.trim().as_bytes()));
    for (path, mode, bytes) in files(&device.profiles()) {
        let expected = if bytes.is_some() { 0o600 } else { 0o700 };
        assert_eq!(mode, expected, "{}: mode {mode:o}", path.display());
        absent(&planted, &path.display().to_string(), path.as_os_str().as_encoded_bytes());
        absent(&planted, &path.display().to_string(), &bytes.unwrap_or_default());
    }
    for name in ["phrase", "back.zip"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            std::fs::metadata(device.path(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert_eq!(phrase.split_whitespace().count(), 12);
    assert_eq!(Tree::read(&device.tmp()).0.len(), 0, "nothing is left in the temporary directory");

    // Logged out, nothing opens any more: neither token nor root key is there.
    let login = std::fs::read(device.profiles().join("default/login.json")).expect("there");
    let login: serde_json::Value = serde_json::from_slice(&login).expect("JSON");
    let root = URL_SAFE_NO_PAD
        .decode(login["session"]["root"].as_str().expect("text"))
        .expect("base64url");
    let token = login["session"]["token"].as_str().expect("text").to_owned();
    device.run(["logout"]).expect(0);
    let gone = [Planted::new("the root key", &root), Planted::new("the token", token.as_bytes())];
    for (path, _, bytes) in files(&device.home().join(".local")) {
        absent(&gone, &path.display().to_string(), &bytes.unwrap_or_default());
    }
}

/// Holds rules 16 and 20.
#[test]
fn sizes_tell_only_their_bucket() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let mut sizes = Vec::new();
    for (name, length) in [("x", 10), ("y", 4_000), ("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 9_000)] {
        tree::put(
            &device.persona(name).join("f"),
            &tree::noise(length, 1),
            0o600,
            Duration::from_secs(1),
        );
        sizes.push(device.one(["push", name])["stored_size"].as_u64().expect("a number"));
    }
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    let labels = server.sql("SELECT DISTINCT LENGTH(label) FROM versions");
    assert_eq!(labels.lines().count(), 1, "names of any length seal to one size: {labels}");
}
