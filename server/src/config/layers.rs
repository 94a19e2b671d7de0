//! The settings as flags, variables and file keys: one definition of each serves all three.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use keybackup_protocol::api::Registration;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use super::{ConfigError, DEFAULT_LISTEN, LogFormat, MailLayer, Period, Switch};

/// Prefix of all variables.
const PREFIX: &str = "KEYBACKUP_SERVER_";

/// Where the server's state lies.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct PlaceLayer {
    /// Directory for everything that the server keeps; made if absent
    #[arg(long, global = true, env = "KEYBACKUP_SERVER_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The server's keys, if they should lie elsewhere than DIR/server.key
    #[arg(long, global = true, env = "KEYBACKUP_SERVER_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// Where the server is reached.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct AddressLayer {
    /// Address and port to listen on [default: 127.0.0.1:7117]
    #[arg(long, env = "KEYBACKUP_SERVER_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Path before every route, when a proxy hands it on
    #[arg(long, env = "KEYBACKUP_SERVER_PATH_PREFIX", value_name = "PATH")]
    pub path_prefix: Option<String>,
}

/// How it serves.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct ServeLayer {
    /// Who may register [default: open on a loopback address, else it must be said]
    #[arg(long, env = "KEYBACKUP_SERVER_REGISTRATION", value_name = "MODE",
          value_parser = parse_registration)]
    pub registration: Option<Registration>,
    /// Whether registering needs a code that is mailed to the address [default: on where mail is
    /// sent]
    #[arg(long, env = "KEYBACKUP_SERVER_CONFIRM_EMAIL", value_name = "SWITCH")]
    pub confirm_email: Option<Switch>,
    /// Where the server is reached from outside, its path included; for links in mails
    /// [default: none, so that mails have no links]
    #[arg(long, env = "KEYBACKUP_SERVER_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Bytes that one account may hold [default: 16 GiB]
    #[arg(long, env = "KEYBACKUP_SERVER_QUOTA_BYTES", value_name = "BYTES")]
    pub quota_bytes: Option<u64>,
    /// Personas that one account may hold [default: 10000]
    #[arg(long, env = "KEYBACKUP_SERVER_MAX_PERSONAS", value_name = "N")]
    pub max_personas: Option<u64>,
    /// Largest backup of one persona [default: 16 GiB]
    #[arg(long, env = "KEYBACKUP_SERVER_MAX_BLOB_BYTES", value_name = "BYTES")]
    pub max_blob_bytes: Option<u64>,
    /// Password attempts an hour against one account [default: 200, which is the most]
    #[arg(long, env = "KEYBACKUP_SERVER_ATTEMPTS_PER_HOUR", value_name = "N")]
    pub attempts_per_hour: Option<u64>,
    /// Logins and registrations begun an hour from one IPv4 address or IPv6 /64 [default: 3000]
    #[arg(long, env = "KEYBACKUP_SERVER_STARTS_PER_HOUR", value_name = "N")]
    pub starts_per_hour: Option<u64>,
    /// Proxies whose X-Forwarded-For is believed, addresses or networks, separated by commas
    /// [default: none]
    #[arg(
        long,
        env = "KEYBACKUP_SERVER_TRUSTED_PROXIES",
        value_name = "CIDRS",
        value_delimiter = ','
    )]
    pub trusted_proxies: Option<Vec<String>>,
    /// A login ends after so long without use [default: 90d]
    #[arg(long, env = "KEYBACKUP_SERVER_SESSION_IDLE", value_name = "TIME")]
    pub session_idle: Option<Period>,
    /// A login ends after so long even if used [default: 365d]
    #[arg(long, env = "KEYBACKUP_SERVER_SESSION_TTL", value_name = "TIME")]
    pub session_ttl: Option<Period>,
    /// An upload that no commit names is dropped after so long [default: 1d]
    #[arg(long, env = "KEYBACKUP_SERVER_UPLOAD_TTL", value_name = "TIME")]
    pub upload_ttl: Option<Period>,
    /// Connections at the same time [default: 10000]
    #[arg(long, env = "KEYBACKUP_SERVER_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<u64>,
    /// Time for a request head [default: 15s]
    #[arg(long, env = "KEYBACKUP_SERVER_HEAD_TIMEOUT", value_name = "TIME")]
    pub head_timeout: Option<Period>,
    /// Time that an idle connection is kept [default: 75s]
    #[arg(long, env = "KEYBACKUP_SERVER_IDLE_TIMEOUT", value_name = "TIME")]
    pub idle_timeout: Option<Period>,
    /// Time between two pieces of a request body [default: 30s]
    #[arg(long, env = "KEYBACKUP_SERVER_BODY_TIMEOUT", value_name = "TIME")]
    pub body_timeout: Option<Period>,
    /// Time in which a client must take something of its answer [default: 30s]
    #[arg(long, env = "KEYBACKUP_SERVER_WRITE_TIMEOUT", value_name = "TIME")]
    pub write_timeout: Option<Period>,
    /// Time for running requests when the server is told to stop [default: 20s]
    #[arg(long, env = "KEYBACKUP_SERVER_STOP_TIMEOUT", value_name = "TIME")]
    pub stop_timeout: Option<Period>,
    /// Origins of web pages that may use this server, separated by commas [default: none]
    #[arg(
        long,
        env = "KEYBACKUP_SERVER_CORS_ORIGINS",
        value_name = "ORIGINS",
        value_delimiter = ','
    )]
    pub cors_origins: Option<Vec<String>>,
    /// Least severe messages to log: error, warn, info, debug, trace or off [default: info]
    #[arg(long, env = "KEYBACKUP_SERVER_LOG_LEVEL", value_name = "LEVEL")]
    #[serde(deserialize_with = "deserialize_level")]
    pub log_level: Option<LevelFilter>,
    /// Form of log lines [default: text]
    #[arg(long, env = "KEYBACKUP_SERVER_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Flags and environment, then the file.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Where the state lies.
    pub place: PlaceLayer,
    /// Where the server is reached.
    pub address: AddressLayer,
    /// How it serves.
    pub serve: ServeLayer,
    /// How it sends mail.
    pub mail: MailLayer,
}

/// A configuration file that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or a value has the wrong type.
    #[error("can't use {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A key that no setting has.
    #[error("unknown key {key} in {}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
}

impl Layers {
    /// Fills what flags and environment left open from a file, if one is named.
    pub fn with_file(self, path: Option<&Path>) -> Result<Self, FileError> {
        let Some(path) = path else { return Ok(self) };
        let text = fs::read_to_string(path)
            .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        let file = Self::parse(path, &text)?;
        Ok(self.over(file))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let parse_error = |source: toml::de::Error| FileError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let table: toml::Table = toml::from_str(text).map_err(parse_error)?;
        let unknown = |key: String| FileError::UnknownKey { path: path.to_owned(), key };
        let table = MailLayer::lift(table).map_err(unknown)?;
        let known = known_keys();
        if let Some(key) = table.keys().find(|key| !known.contains(*key)) {
            return Err(unknown(MailLayer::in_file(key)));
        }
        Ok(Self {
            place: PlaceLayer::deserialize(table.clone()).map_err(parse_error)?,
            address: AddressLayer::deserialize(table.clone()).map_err(parse_error)?,
            serve: ServeLayer::deserialize(table.clone()).map_err(parse_error)?,
            mail: MailLayer::deserialize(table).map_err(parse_error)?,
        })
    }

    fn over(self, file: Self) -> Self {
        macro_rules! over {
            ($layer:ident, $upper:expr, $lower:expr, $($field:ident),*) => {
                $layer { $($field: $upper.$field.or($lower.$field)),* }
            };
        }
        Self {
            place: over!(PlaceLayer, self.place, file.place, data, key_file),
            address: over!(AddressLayer, self.address, file.address, listen, path_prefix),
            serve: over!(
                ServeLayer,
                self.serve,
                file.serve,
                registration,
                confirm_email,
                public_url,
                quota_bytes,
                max_personas,
                max_blob_bytes,
                attempts_per_hour,
                starts_per_hour,
                trusted_proxies,
                session_idle,
                session_ttl,
                upload_ttl,
                max_connections,
                head_timeout,
                idle_timeout,
                body_timeout,
                write_timeout,
                stop_timeout,
                cors_origins,
                log_level,
                log_format
            ),
            mail: self.mail.over(file.mail),
        }
    }
}

impl AddressLayer {
    /// Where to listen.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(DEFAULT_LISTEN)
    }

    /// The prefix: empty, or `/…` without a trailing slash.
    pub fn path_prefix(&self) -> Result<String, ConfigError> {
        let Some(text) = self.path_prefix.as_deref() else { return Ok(String::new()) };
        let prefix = text.strip_suffix('/').unwrap_or(text);
        let plain = |segment: &str| {
            !segment.is_empty()
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        match prefix.strip_prefix('/') {
            Some(path) if path.split('/').all(plain) => Ok(prefix.to_owned()),
            None if prefix.is_empty() => Ok(String::new()),
            _ => Err(ConfigError::PathPrefix),
        }
    }
}

/// Refuses variables that look like settings and are none: a misspelt one must not be ignored.
pub fn check_environment(names: impl Iterator<Item = OsString>) -> Result<(), ConfigError> {
    let mut known = known_keys();
    known.insert("config".to_owned());
    for name in names {
        let name = name.to_string_lossy();
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if !known.contains(&key.to_ascii_lowercase()) {
            return Err(ConfigError::UnknownVariable { name: name.into_owned() });
        }
    }
    Ok(())
}

/// The names of all settings.
fn known_keys() -> BTreeSet<String> {
    let command = clap::Command::new("");
    let command = PlaceLayer::augment_args(command);
    let command = ServeLayer::augment_args(AddressLayer::augment_args(command));
    let command = MailLayer::augment_args(command);
    command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
}

fn parse_registration(text: &str) -> Result<Registration, &'static str> {
    match text {
        "closed" => Ok(Registration::Closed),
        "invite" => Ok(Registration::Invite),
        "open" => Ok(Registration::Open),
        _ => Err("it is closed, invite or open"),
    }
}

fn deserialize_level<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<LevelFilter>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
