//! Layers, defaults and refusals.

use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    place: PlaceLayer,
    #[command(flatten)]
    address: AddressLayer,
    #[command(flatten)]
    serve: ServeLayer,
    #[command(flatten)]
    mail: MailLayer,
}

fn resolve(flags: &[&str], file: &str) -> Result<Config, ConfigError> {
    let flags = Flags::try_parse_from([&["x"], flags].concat()).expect("flags parse");
    let layers =
        Layers { place: flags.place, address: flags.address, serve: flags.serve, mail: flags.mail };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("server.toml");
    std::fs::write(&path, file).expect("writes");
    Config::resolve(layers.with_file(Some(&path))?)
}

#[test]
fn flags_beat_the_file_and_the_file_beats_defaults() {
    let file = "data = \"/a\"\nquota_bytes = 5\nsession_idle = \"2d\"\nlog_level = \"warn\"\n\
                cors_origins = [\"https://app.example\"]\nregistration = \"invite\"\n";
    let config = resolve(&["--data", "/b", "--quota-bytes", "7"], file).expect("resolves");
    assert_eq!(config.data, Path::new("/b"));
    assert_eq!(config.settings.quota_bytes, 7);
    assert_eq!(config.store_limits.quota_bytes, 7);
    assert_eq!(config.settings.session_idle_s, 2 * 86_400);
    assert_eq!(config.settings.registration, Registration::Invite);
    assert_eq!(config.settings.cors_origins, ["https://app.example"]);
    assert_eq!(config.log_level, LevelFilter::WARN);
    assert_eq!(config.listen, DEFAULT_LISTEN);
    assert_eq!(config.settings.session_ttl_s, 365 * 86_400);
}

#[test]
fn an_address_that_others_reach_must_say_who_may_register() {
    let listen = |address, more: &[&str]| {
        let flags = [&["--data", "/d", "--listen", address], more].concat();
        resolve(&flags, "").map(|config| config.settings.registration)
    };
    assert!(matches!(listen("127.0.0.1:0", &[]), Ok(Registration::Open)));
    assert!(matches!(listen("[::1]:0", &[]), Ok(Registration::Open)));
    for address in ["0.0.0.0:1", "192.0.2.1:1", "[::]:1"] {
        let refused = listen(address, &[]);
        assert!(matches!(refused, Err(ConfigError::RegistrationUnsaid { .. })), "{address}");
    }
    let said = listen("0.0.0.0:1", &["--registration", "open"]);
    assert!(matches!(said, Ok(Registration::Open)));
}

#[test]
fn what_is_unknown_or_out_of_range_is_an_error() {
    let unknown = resolve(&["--data", "/d"], "quota = 5\n");
    assert!(
        matches!(&unknown, Err(ConfigError::File(FileError::UnknownKey { key, .. })) if key == "quota")
    );
    for file in ["quota_bytes = \"5\"", "session_idle = 5", "[", "registration = \"all\""] {
        let refused = resolve(&["--data", "/d"], file);
        assert!(
            matches!(refused, Err(ConfigError::File(FileError::Parse { .. }))),
            "{file}: {refused:?}"
        );
    }
    for (file, name) in [
        ("quota_bytes = 0", "quota_bytes"),
        ("attempts_per_hour = 201", "attempts_per_hour"),
        ("max_personas = 100001", "max_personas"),
        ("starts_per_hour = 0", "starts_per_hour"),
        ("max_connections = 0", "max_connections"),
    ] {
        let refused = resolve(&["--data", "/d"], file);
        assert!(matches!(refused, Err(ConfigError::Range { name: n }) if n == name), "{file}");
    }
    assert!(matches!(resolve(&[], ""), Err(ConfigError::NoData)));
    let names = |names: &[&str]| check_environment(names.iter().map(Into::into));
    assert!(names(&["PATH", "KEYBACKUP_SERVER_DATA", "KEYBACKUP_SERVER_CONFIG"]).is_ok());
    assert!(names(&["KEYBACKUP_SERVER_DATE"]).is_err());
}

#[test]
fn prefixes_and_origins_are_plain() {
    let prefix = |text: &str| {
        AddressLayer { path_prefix: Some(text.to_owned()), ..Default::default() }.path_prefix().ok()
    };
    assert_eq!(prefix("/backup/"), Some("/backup".to_owned()));
    assert_eq!(prefix("/a/b"), Some("/a/b".to_owned()));
    assert_eq!(prefix("/"), Some(String::new()));
    for bad in ["backup", "//", "/a//b", "/../a", "/a b", "/a?b", "/%61"] {
        assert_eq!(prefix(bad), None, "{bad}");
    }
    for bad in ["*", "null", "https://", "https://a/b", "app.example", "https://a b"] {
        assert!(origins(vec![bad.to_owned()]).is_err(), "{bad}");
    }
    assert!(origins(vec!["http://localhost:3000".to_owned()]).is_ok());
}

#[test]
fn mail_has_a_table_in_the_file() {
    let file = "data = \"/a\"\npublic_url = \"https://a.example/b/\"\n[mail]\nhost = \"a.example\"\n\
                from = \"a@a.example\"\nport = 2525\ntimeout = \"5s\"\nsecurity = \"tls\"\n";
    let settings = resolve(&["--mail-host", "b.example"], file).expect("resolves").settings;
    let mail = format!("{:?}", settings.mail.expect("sends"));
    for part in ["host: \"b.example\"", "port: 2525", "timeout: 5s", "security: Tls"] {
        assert!(mail.contains(part), "{mail}");
    }
    assert_eq!(settings.public_url, Some(PublicUrl::parse("https://a.example/b").expect("a URL")));
    for (file, name) in [
        ("[mail]\nhst = \"a\"\n", "mail.hst"),
        ("mail_host = \"a\"\n", "mail_host"),
        ("mail = 1\n", "mail"),
        ("[other]\nhost = \"a\"\n", "other"),
    ] {
        match resolve(&["--data", "/d"], file) {
            Err(ConfigError::File(FileError::UnknownKey { key, .. })) => assert_eq!(key, name),
            other => panic!("{other:?}"),
        }
    }
    let half = resolve(&["--data", "/d"], "[mail]\nhost = \"a.example\"\n");
    assert!(matches!(half, Err(ConfigError::Mail(_))), "{half:?}");
}
