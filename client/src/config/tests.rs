//! Which source wins, and what is refused.

use std::path::Path;

use super::*;
use crate::error::Exit;

/// Settings from a configuration file with this text, in a directory of its own.
fn load(text: &str, options: &Global, pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("config.toml");
    std::fs::write(&file, text).expect("a file");
    let data = directory.path().join("data");
    let mut all = vec![
        ("KEYBACKUP_CONFIG", file.to_str().expect("text")),
        ("KEYBACKUP_DATA_DIR", data.to_str().expect("text")),
    ];
    all.extend_from_slice(pairs);
    let environment = Environment::from_pairs(&all);
    Settings::load(options, &environment)
}

const FILE: &str = "
default_profile = \"home\"
[profiles.home]
server = \"https://file.example\"
email = \"file@example.org\"
personas_dir = \"personas\"
timeout_s = 7
store = \"file\"
[profiles.work]
server = \"https://work.example\"
";

fn server(settings: &Settings) -> String {
    settings.server_for(None).expect("a server").to_string()
}

#[test]
fn options_beat_the_environment_beats_the_file_beats_defaults() {
    let none = Global::default();
    let settings = load(FILE, &none, &[]).expect("valid");
    assert_eq!(settings.profile.as_str(), "home");
    assert_eq!(server(&settings), "https://file.example");
    assert_eq!(settings.timeout, Duration::from_secs(7));
    assert_eq!(settings.store, Some(StoreKind::File));
    assert!(settings.personas_dir.is_absolute() && settings.personas_dir.ends_with("personas"));

    let pairs = [
        ("KEYBACKUP_SERVER", "https://env.example"),
        ("KEYBACKUP_TIMEOUT", "8"),
        ("KEYBACKUP_STORE", "none"),
        ("KEYBACKUP_PERSONAS_DIR", "/env/personas"),
    ];
    let settings = load(FILE, &none, &pairs).expect("valid");
    assert_eq!(server(&settings), "https://env.example");
    assert_eq!(settings.timeout, Duration::from_secs(8));
    assert_eq!(settings.store, Some(StoreKind::None));
    assert_eq!(settings.personas_dir, Path::new("/env/personas"));

    let options = Global {
        server: Some("https://option.example".to_owned()),
        timeout: Some(9),
        store: Some(StoreKind::Keyring),
        ..Global::default()
    };
    let settings = load(FILE, &options, &pairs).expect("valid");
    assert_eq!(server(&settings), "https://option.example");
    assert_eq!(settings.timeout, Duration::from_secs(9));
    assert_eq!(settings.store, Some(StoreKind::Keyring));

    let settings = load("", &none, &[]).expect("valid");
    assert_eq!(settings.profile.as_str(), "default");
    assert_eq!(settings.timeout, Duration::from_secs(30));
    assert_eq!(settings.store, None);
    assert!(settings.personas_dir.ends_with(".cryptomessaging/personas"));
    let failure = settings.server_for(None).expect_err("no server");
    assert_eq!(failure.code(), Code::InputNeeded);
}

#[test]
fn a_profile_is_chosen_by_option_or_variable() {
    let settings = load(FILE, &Global::default(), &[("KEYBACKUP_PROFILE", "work")]).expect("ok");
    assert_eq!(server(&settings), "https://work.example");
    let options = Global { profile: Some("other".to_owned()), ..Global::default() };
    let settings = load(FILE, &options, &[("KEYBACKUP_PROFILE", "work")]).expect("valid");
    assert_eq!(settings.profile.as_str(), "other");
    assert!(settings.server_for(None).is_err());
}

/// Holds rules 17 and 33.
#[test]
fn a_token_never_travels_to_another_server() {
    let stored: ServerUrl = "https://stored.example".parse().expect("a server");
    let settings = load(FILE, &Global::default(), &[]).expect("valid");
    let failure = settings.server_for(Some(&stored)).expect_err("another server");
    assert_eq!(failure.code(), Code::OtherLogin);
    assert!(failure.message().contains("server in "), "{failure}");
    let settings = load("", &Global::default(), &[]).expect("valid");
    assert_eq!(settings.server_for(Some(&stored)).expect("stored"), stored);
}

/// Holds rule 17.
#[test]
fn http_to_another_machine_needs_the_option_also_when_stored() {
    let stored: ServerUrl = "http://192.0.2.1:7117".parse().expect("a server");
    let settings = load("", &Global::default(), &[]).expect("valid");
    let failure = settings.server_for(Some(&stored)).expect_err("not encrypted");
    assert_eq!((failure.code(), failure.exit()), (Code::InsecureHttp, Exit::Usage));
    let options = Global { insecure_http: true, ..Global::default() };
    let settings = load("", &options, &[]).expect("valid");
    assert!(settings.server_for(Some(&stored)).is_ok());
    let loopback = "http://127.0.0.1:7117".parse().expect("a server");
    let settings = load("", &Global::default(), &[]).expect("valid");
    assert!(settings.server_for(Some(&loopback)).is_ok());
}

#[test]
fn the_address_is_asked_for_or_stored_and_never_another() {
    let settings = load(FILE, &Global::default(), &[]).expect("valid");
    let other: Address = "other@example.org".parse().expect("an address");
    assert_eq!(settings.email_for(None).expect("an address").as_str(), "file@example.org");
    let failure = settings.email_for(Some(&other)).expect_err("another address");
    assert_eq!(failure.code(), Code::OtherLogin);
    let argument = settings.address(Some("A@Example.org")).expect("valid").expect("given");
    assert_eq!(argument.as_str(), "a@example.org");
    assert!(settings.address(None).expect("none is no error").is_none());
    assert!(settings.address(Some("x")).is_err());

    let settings = load("", &Global::default(), &[]).expect("valid");
    assert_eq!(settings.email_for(Some(&other)).expect("stored"), other);
    assert_eq!(settings.email_for(None).expect_err("none").code(), Code::InputNeeded);
}

#[test]
fn what_does_not_parse_is_named() {
    for (pairs, text) in [
        (("KEYBACKUP_SERVER", "keys"), "KEYBACKUP_SERVER is not usable"),
        (("KEYBACKUP_EMAIL", "x"), "KEYBACKUP_EMAIL is not usable"),
        (("KEYBACKUP_PROFILE", "../x"), "KEYBACKUP_PROFILE is not usable"),
        (("KEYBACKUP_TIMEOUT", "soon"), "KEYBACKUP_TIMEOUT is not usable"),
        (("KEYBACKUP_TIMEOUT", "0"), "KEYBACKUP_TIMEOUT is not within 1 and 86400 seconds"),
        (("KEYBACKUP_STORE", "cloud"), "KEYBACKUP_STORE is none of"),
        (("KEYBACKUP_CONFIG", "/nowhere/config.toml"), "there is no configuration file /nowhere"),
    ] {
        let error = load(FILE, &Global::default(), &[pairs]).expect_err(text);
        let failure = Failure::from(error);
        assert!(failure.message().starts_with(text), "{failure}");
        assert_eq!(failure.exit(), Exit::Usage);
    }
}
