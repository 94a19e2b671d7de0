//! What people read: every `--help`, every command's text, every error. A change here is a change
//! of the interface; `INSTA_UPDATE=always` writes the files anew, and the diff is for review.

use std::time::Duration;

use keybackup_tests::port::Port;
use keybackup_tests::{Device, PASSWORD, Server, tree};

const EMAIL: &str = "alice@example.org";

/// Takes out what differs from run to run.
fn settings(device: &Device) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let home = device.home().display().to_string();
    settings.add_filter(&home.replace('.', r"\."), "[HOME]");
    settings.add_filter(r"127\.0\.0\.1:\d+", "[ADDRESS]");
    settings.add_filter(r"\b[0-9a-f]{32}\b", "[ID]");
    settings.add_filter(r"\b[0-9a-f]{12,31}\b", "[ID-PREFIX]");
    settings.add_filter(r"\d{8}-\d{6}", "[TIME]");
    settings.add_filter(r"\d{4}-\d\d-\d\d( |T)\d\d:\d\d(:\d\d)?Z?", "[TIME]");
    settings.add_filter(r"\d{4}-\d\d-\d\d", "[DATE]");
    settings.add_filter(r"(just now|\d+ (s|seconds?|min|minutes?|h) ago)", "[AGO]");
    settings.add_filter(r"(?m) [0-9a-f]{8}$", " [ID-PREFIX]");
    settings.add_filter(r"(?m)^[0-9a-f]{8} ", "[ID-PREFIX] ");
    // Columns are as wide as what was taken out.
    settings.add_filter(r"(\S) {2,}", "$1  ");
    settings.add_filter(r"marks  .*", "marks  [MARKS]");
    settings
}

/// Runs commands one after the other, and writes down what a person sees.
struct Transcript<'a> {
    device: &'a Device,
    text: String,
}

impl<'a> Transcript<'a> {
    fn of(device: &'a Device) -> Self {
        Self { device, text: String::new() }
    }

    fn run(&mut self, arguments: &[&str]) {
        self.with(arguments, None);
    }

    fn with(&mut self, arguments: &[&str], password: Option<&str>) {
        let mut command = self.device.command(arguments);
        if let Some(password) = password {
            command = command.password(password);
        }
        let output = command.run();
        let quoted: Vec<_> = arguments
            .iter()
            .map(|a| if a.contains(' ') { format!("'{a}'") } else { (*a).to_owned() })
            .collect();
        let mut seen = format!("$ keybackup {}\n{}", quoted.join(" "), output.stdout);
        seen.extend(output.stderr.lines().flat_map(|line| ["! ", line, "\n"]));
        if output.code != 0 {
            seen.extend(["exit ", &output.code.to_string(), "\n"]);
        }
        seen.push('\n');
        self.text.push_str(&seen);
    }
}

#[test]
fn help() {
    let device = Device::new("http://127.0.0.1:1");
    let commands = [
        "register",
        "login",
        "logout",
        "status",
        "push",
        "pull",
        "list",
        "files",
        "cat",
        "diff",
        "verify",
        "rename",
        "remove",
        "history",
        "restore",
        "repair",
        "import",
        "password",
        "password change",
        "session",
        "session list",
        "session revoke",
        "account",
        "account show",
        "account email",
        "account undo-email",
        "account delete",
        "doctor",
        "completions",
        "man",
    ];
    settings(&device).bind(|| {
        let top = device.run(["--help"]).expect(0);
        insta::assert_snapshot!("help", top.stdout);
        for command in commands {
            let words: Vec<_> = command.split(' ').collect();
            assert!(top.stdout.contains(&format!("  {}", words[0])), "{command} is listed");
            let output = device.run([&words[..], &["--help"]].concat()).expect(0);
            insta::assert_snapshot!(format!("help-{}", words.join("-")), output.stdout);
        }
        let server = keybackup_tests::program("keybackup-server");
        for arguments in [
            &["--help"][..],
            &["serve", "--help"],
            &["health", "--help"],
            &["invite", "create", "--help"],
            &["mail", "test", "--help"],
            &["account", "--help"],
        ] {
            let mut command = std::process::Command::new(&server);
            command.env_clear().args(arguments);
            let output = keybackup_tests::Running::spawn(&mut command, b"")
                .wait("keybackup-server --help")
                .expect(0);
            insta::assert_snapshot!(
                format!("server-{}", arguments.join("").replace("--", "-")),
                output.stdout
            );
        }
    });
}

#[test]
fn what_commands_say() {
    let server = Server::start();
    let device = Device::new(&server.url);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    let mut session = Transcript::of(&device);
    session.with(
        &["register", EMAIL, "--device", "laptop", "--recovery-file", "phrase.txt"],
        Some(PASSWORD),
    );
    session.run(&["status"]);
    session.run(&["list"]);
    session.run(&["push", "--dry-run"]);
    session.run(&["push"]);
    session.run(&["push"]);
    session.run(&["list"]);
    session.run(&["status"]);
    session.run(&["files", "work"]);
    session.run(&["cat", "work", "keyring/secrets.json"]);
    session.run(&["diff"]);
    session.run(&["verify"]);
    session.run(&["pull"]);
    session.run(&["pull", "work", "elsewhere", "--dry-run"]);
    session.run(&["pull", "work", "elsewhere"]);
    session.run(&["pull", "work", "--zip", "work.zip"]);
    tree::put(&work.join("persona.json"), b"{}", 0o600, Duration::from_secs(1_600_000_000));
    tree::put(&work.join("new\u{202e}file"), b"{}", 0o600, Duration::from_secs(1_600_000_000));
    std::fs::remove_file(work.join("images/face.png")).expect("there");
    session.run(&["diff", "work"]);
    session.run(&["status"]);
    session.run(&["pull", "work", "--force"]);
    std::os::unix::fs::symlink("x", work.join("link")).expect("made");
    session.run(&["push", "--skip-special"]);
    std::fs::remove_file(work.join("link")).expect("there");
    session.run(&["rename", "work", "play"]);
    session.run(&["remove", "play", "--yes"]);
    session.run(&["remove", "play", "--yes"]);
    session.run(&["list"]);
    session.run(&["push", "--quiet"]);
    session.run(&["push", "--all"]);
    session.run(&["account", "show"]);
    session.run(&["session", "list"]);
    session.run(&["session", "revoke", "--others"]);
    session.run(&["logout"]);
    session.run(&["logout"]);
    session.with(&["login", EMAIL], Some(PASSWORD));
    session.run(&["man", "man"]);
    let text = session.text;
    settings(&device).bind(|| insta::assert_snapshot!("session", text));
}

#[test]
fn what_errors_say() {
    let server = Server::start();
    let device = Device::new(&server.url);
    let nobody = Port::reserve();
    let mut wrong = Transcript::of(&device);
    wrong.run(&["push"]);
    wrong.run(&["login"]);
    wrong.run(&["login", EMAIL]);
    wrong.run(&["--no-input", "login", EMAIL]);
    wrong.run(&["login", "alice"]);
    wrong.with(&["login", EMAIL], Some(PASSWORD));
    wrong.with(&["register", EMAIL, "--recovery-file", "phrase.txt"], Some("password"));
    wrong.with(&["register", EMAIL], Some(PASSWORD));
    wrong.with(&["register", EMAIL, "--server", &nobody.url()], Some(PASSWORD));
    wrong.with(&["register", EMAIL, "--server", "http://keys.example.org"], Some(PASSWORD));
    wrong.run(&["frobnicate"]);
    wrong.run(&["push", "--al"]);
    wrong.run(&["list", "--config", "none.toml"]);
    wrong.with(
        &["register", EMAIL, "--device", "laptop", "--recovery-file", "phrase.txt"],
        Some(PASSWORD),
    );
    wrong.with(&["register", EMAIL], Some(PASSWORD));
    let other = ["register", EMAIL, "--profile", "other", "--recovery-file", "other.txt"];
    wrong.with(&other, Some(PASSWORD));
    wrong.with(&["login", "bob@example.org"], Some(PASSWORD));
    wrong.run(&["push"]);
    wrong.run(&["pull"]);
    wrong.run(&["push", "work"]);
    for name in ["alpha", "alps"] {
        tree::reference(&device.persona(name), name);
    }
    wrong.run(&["push"]);
    wrong.run(&["push", "al"]);
    wrong.run(&["push", "alpha"]);
    wrong.run(&["pull", "beta"]);
    wrong.run(&["cat", "alpha", "none"]);
    wrong.run(&["remove", "alpha"]);
    wrong.run(&["session", "revoke", "0000"]);
    wrong.run(&["session", "revoke"]);
    wrong.run(&["password"]);
    wrong.run(&["password", "change"]);
    wrong.run(&["rename", "alpha", "a/b"]);
    wrong.run(&["rename", "alpha", "alpha"]);
    tree::put(&device.persona("alpha").join("x"), b"x", 0o600, Duration::from_secs(1));
    wrong.run(&["pull", "alpha"]);
    wrong.run(&["pull", "alpha", "--zip", "phrase.txt"]);
    std::os::unix::fs::symlink("x", device.persona("alpha").join("link")).expect("made");
    wrong.run(&["push", "alpha"]);
    std::fs::remove_file(device.persona("alpha").join("link")).expect("there");
    tree::put(&device.persona("alpha").join("a\nb\x1b[1m"), b"x", 0o600, Duration::from_secs(1));
    wrong.run(&["push", "alpha"]);
    tree::put(&device.path("not.zip"), b"PK", 0o600, Duration::from_secs(1));
    wrong.run(&["import", "not.zip"]);
    wrong.run(&["import", "none.zip"]);
    tree::put(&device.path("other/alpha/x"), b"x", 0o600, Duration::from_secs(1));
    wrong.run(&["push", "other/alpha"]);
    server.sql("UPDATE sessions SET expires_at = 1");
    wrong.run(&["list"]);
    server.kill();
    wrong.run(&["list"]);
    wrong.run(&["--json", "list"]);
    let text = wrong.text;
    settings(&device).bind(|| insta::assert_snapshot!("errors", text));
}
