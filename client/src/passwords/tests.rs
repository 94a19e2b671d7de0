//! Which source decides, what is stripped, and what is refused.

use std::path::PathBuf;

use super::*;
use crate::cli::Global;
use crate::error::Exit;

const NONE: PasswordFlags =
    PasswordFlags { password_file: None, password_stdin: false, password_command: None };

fn address() -> Address {
    "alice.miller@example.org".parse().expect("an address")
}

fn variable(text: &str) -> Environment {
    Environment::from_pairs(&[("KEYBACKUP_PASSWORD", text)])
}

fn read(ui: &Ui, flags: &PasswordFlags, environment: &Environment) -> Result<String, Failure> {
    current(ui, flags, environment, "Password").map(|password| password.expose().to_owned())
}

/// A file of that mode with these bytes, in a directory that goes with the guard.
fn file(bytes: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("password");
    std::fs::write(&path, bytes).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
    (directory, path)
}

#[test]
fn the_first_source_of_the_order_decides() {
    let (_guard, path) = file(b"from file\n", 0o600);
    let mut flags = PasswordFlags {
        password_file: Some(path),
        password_stdin: true,
        password_command: Some("echo from command".to_owned()),
    };
    let environment = variable("from environment");
    let (ui, captured) = Ui::captured(&["from input"]);
    assert_eq!(read(&ui, &flags, &environment), Ok("from file".to_owned()));
    flags.password_file = None;
    assert_eq!(read(&ui, &flags, &environment), Ok("from input".to_owned()));
    flags.password_stdin = false;
    assert_eq!(read(&ui, &flags, &environment), Ok("from command".to_owned()));
    flags.password_command = None;
    assert_eq!(read(&ui, &flags, &environment), Ok("from environment".to_owned()));
    assert_eq!(captured.stderr(), "");
    let (ui, captured) = Ui::captured(&["from prompt"]);
    assert_eq!(read(&ui, &flags, &Environment::default()), Ok("from prompt".to_owned()));
    assert_eq!(captured.stderr(), "Password: \n");
}

#[test]
fn one_line_end_is_stripped_and_nothing_else() {
    for (bytes, text) in [
        (&b"secret"[..], "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\n\n", "secret\n"),
        (b"secret\r", "secret\r"),
        (b" secret ", " secret "),
    ] {
        let (_guard, path) = file(bytes, 0o600);
        let flags = PasswordFlags { password_file: Some(path), ..NONE };
        let (ui, _) = Ui::captured(&[]);
        assert_eq!(read(&ui, &flags, &Environment::default()), Ok(text.to_owned()));
    }
}

#[test]
fn a_file_that_others_can_read_is_used_with_a_warning() {
    let (_guard, path) = file(b"secret", 0o644);
    let flags = PasswordFlags { password_file: Some(path), ..NONE };
    let (ui, captured) = Ui::captured(&[]);
    assert_eq!(read(&ui, &flags, &Environment::default()), Ok("secret".to_owned()));
    assert!(captured.stderr().starts_with("warning: others can read "));
}

#[test]
fn a_source_that_fails_is_not_passed_over() {
    let missing = PasswordFlags { password_file: Some("/nowhere/password".into()), ..NONE };
    let long = file(&[b'x'; 4097], 0o600);
    let too_long = PasswordFlags { password_file: Some(long.1), ..NONE };
    let command = |text: &str| PasswordFlags { password_command: Some(text.to_owned()), ..NONE };
    let environment = variable("not this one");
    for (flags, told) in [
        (missing, "reading the password from /nowhere/password: No such file"),
        (too_long, "it is too long"),
        (command("echo secret; exit 3"), "the password command failed: exit status: 3"),
    ] {
        let (ui, _) = Ui::captured(&["nor this"]);
        let failure = read(&ui, &flags, &environment).expect_err(told);
        assert_eq!(failure.code(), Code::PasswordSource);
        assert!(failure.to_string().contains(told), "{failure}");
        assert!(!failure.to_string().contains("secret"), "{failure}");
    }
}

#[test]
fn a_command_that_prints_without_end_is_ended() {
    let flags = PasswordFlags { password_command: Some("exec yes".to_owned()), ..NONE };
    let (ui, _) = Ui::captured(&[]);
    let failure = read(&ui, &flags, &Environment::default()).expect_err("too long");
    assert_eq!(failure.code(), Code::PasswordSource);
}

/// Holds rule 34.
#[test]
fn the_command_does_not_inherit_the_password() {
    let shell = shell("true");
    let removed =
        shell.get_envs().any(|(name, value)| name == "KEYBACKUP_PASSWORD" && value.is_none());
    assert!(removed);
}

#[test]
fn empty_and_unreadable_passwords_are_usage_errors() {
    let (ui, _) = Ui::captured(&[""]);
    assert_eq!(read(&ui, &NONE, &variable("")).expect_err("empty").exit(), Exit::Usage);
    assert_eq!(read(&ui, &NONE, &Environment::default()).expect_err("empty").exit(), Exit::Usage);
    let (_guard, path) = file(b"\xff\xfe", 0o600);
    let flags = PasswordFlags { password_file: Some(path), ..NONE };
    assert_eq!(read(&ui, &flags, &variable("x")).expect_err("not text").exit(), Exit::Usage);
}

#[test]
fn nobody_to_ask_names_every_source() {
    let options = Global { no_input: true, ..Global::default() };
    let (ui, _) = Ui::captured_with(&options, &["secret"]);
    let failure = read(&ui, &NONE, &Environment::default()).expect_err("not to be asked");
    assert_eq!(failure.code(), Code::InputNeeded);
    for source in
        ["--password-file", "--password-stdin", "--password-command", "KEYBACKUP_PASSWORD"]
    {
        assert!(failure.hints().iter().any(|hint| hint.contains(source)), "{source}");
    }
}

#[test]
fn a_new_password_is_typed_twice() {
    let typed = |lines: &[&str]| {
        let (ui, _) = Ui::captured(lines);
        chosen(&ui, &NONE, &Environment::default(), &address(), false)
            .map(|password| password.expose().to_owned())
            .map_err(|failure| failure.code())
    };
    let strong = "correct-horse-battery-staple-9";
    assert_eq!(typed(&[strong, strong]), Ok(strong.to_owned()));
    assert_eq!(typed(&[strong, "something else"]), Err(Code::Usage));
    assert_eq!(typed(&["password1", "password1"]), Err(Code::WeakPassword));
}

#[test]
fn a_weak_password_is_refused_with_advice_unless_allowed() {
    let (ui, _) = Ui::captured(&[]);
    let try_one = |text: &str, allow| chosen(&ui, &NONE, &variable(text), &address(), allow);
    for weak in ["a9!kQ2", "password123", "alice.miller@example.org", "qwertyuiop", "keybackup1"] {
        let failure = try_one(weak, false).err().expect(weak);
        assert_eq!((failure.code(), failure.exit()), (Code::WeakPassword, Exit::Usage));
        assert!(!failure.hints().is_empty());
        assert!(!failure.to_string().contains(weak), "the password is never repeated");
        assert!(try_one(weak, true).is_ok());
    }
    assert!(try_one("tundra-velvet-oboe-cascade", false).is_ok());
    let empty = try_one("", true).err().expect("empty");
    assert_eq!(empty.message(), "the password is empty");
}
