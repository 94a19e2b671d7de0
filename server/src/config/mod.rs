//! Configuration: flags over environment (`KEYBACKUP_SERVER_*`) over the TOML file over defaults,
//! parsed into types that can't be wrong. Unknown keys and variables are errors.

mod layers;
mod link;
mod mail;
mod period;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use keybackup_protocol::api::Registration;
use keybackup_protocol::limits;
use tracing::level_filters::LevelFilter;

pub use layers::{AddressLayer, FileError, Layers, PlaceLayer, ServeLayer, check_environment};
pub use link::PublicUrl;
pub use mail::MailLayer;
pub use period::{Period, PeriodError};

use crate::http::proxies::TrustedProxies;
use crate::mail::MailSettings;
use crate::store::StoreLimits;

/// Where the server listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7117);

/// Everything that `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Data directory.
    pub data: PathBuf,
    /// Key file, when it lives elsewhere than in the data directory.
    pub key_file: Option<PathBuf>,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Least severe log level.
    pub log_level: LevelFilter,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// What the store enforces.
    pub store_limits: StoreLimits,
    /// What requests are answered by.
    pub settings: Settings,
}

/// What requests are answered by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Path before every route: empty, or `/…` without a trailing slash.
    pub path_prefix: String,
    /// Who may register.
    pub registration: Registration,
    /// How mail is sent, if it can be.
    pub mail: Option<MailSettings>,
    /// Where the server is reached from outside, for links in mails.
    pub public_url: Option<PublicUrl>,
    /// Whether registering needs a code that was mailed to the address.
    pub confirm_email: bool,
    /// Origins of web pages that may read answers.
    pub cors_origins: Vec<HeaderValue>,
    /// Largest blob, in bytes.
    pub blob_bytes: u64,
    /// Bytes that one account may hold.
    pub quota_bytes: u64,
    /// Personas that one account may hold.
    pub personas: u64,
    /// Proxies whose word on where a request came from is believed.
    pub trusted_proxies: TrustedProxies,
    /// Seconds without use after which a session ends.
    pub session_idle_s: i64,
    /// Seconds after which a session ends even if used.
    pub session_ttl_s: i64,
    /// Seconds after which an upload is dropped unless committed.
    pub upload_ttl_s: i64,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Limits of time.
    pub timeouts: Timeouts,
}

/// Limits of time on connections.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From a request head's first byte to its last.
    pub head: Duration,
    /// From an answer to the next head.
    pub idle: Duration,
    /// Between two pieces of a body.
    pub body: Duration,
    /// While the client takes nothing of an answer.
    pub write: Duration,
    /// For running requests after the signal to stop.
    pub stop: Duration,
}

/// Something that is done or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// It is done.
    On,
    /// It is not.
    Off,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A setting that can't stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// An environment variable that no setting has.
    #[error("unknown environment variable {name}")]
    UnknownVariable {
        /// Its name.
        name: String,
    },
    /// No data directory.
    #[error("name the data directory with --data DIR, KEYBACKUP_SERVER_DATA, or data in the file")]
    NoData,
    /// An address that others can reach, and no word on who may register.
    #[error(
        "listening on {listen} can be reached by others: say who may register with \
             --registration closed, invite or open"
    )]
    RegistrationUnsaid {
        /// The address.
        listen: SocketAddr,
    },
    /// A path prefix that is not a plain path.
    #[error("path_prefix must look like /backup: letters, digits, - and _ between slashes")]
    PathPrefix,
    /// An origin that is none.
    #[error("cors_origins takes origins such as https://app.example, without a path")]
    Origin,
    /// A proxy that is neither an address nor a network.
    #[error("trusted_proxies takes addresses and networks such as 127.0.0.1 and 10.0.0.0/8")]
    TrustedProxies,
    /// A public URL that is none.
    #[error("public_url must look like https://backup.example.org, with a path if there is one")]
    PublicUrl,
    /// Settings of mail that don't fit together.
    #[error("{0}")]
    Mail(&'static str),
    /// A number out of range.
    #[error("{name} is out of range")]
    Range {
        /// The setting.
        name: &'static str,
    },
}

impl Config {
    /// Resolves the layers of `serve`.
    pub fn resolve(layers: Layers) -> Result<Self, ConfigError> {
        let Layers { place, address, serve, mail } = layers;
        let data = place.data.ok_or(ConfigError::NoData)?;
        let listen = address.listen();
        let registration = match serve.registration {
            Some(mode) => mode,
            None if listen.ip().is_loopback() => Registration::Open,
            None => return Err(ConfigError::RegistrationUnsaid { listen }),
        };
        let blob_bytes = within("max_blob_bytes", serve.max_blob_bytes, 1 << 34, MAX_BLOB)?;
        let quota_bytes = within("quota_bytes", serve.quota_bytes, 1 << 34, i64::MAX as u64)?;
        let personas = within("max_personas", serve.max_personas, 10_000, MAX_PERSONAS)?;
        // ADVERSARY 25 allows at most 200.
        let attempts = within("attempts_per_hour", serve.attempts_per_hour, 200, 200)?;
        let starts = within("starts_per_hour", serve.starts_per_hour, 3_000, 1_000_000)?;
        let connections = within("max_connections", serve.max_connections, 10_000, 1_000_000)?;
        let mail = MailSettings::resolve(mail)?;
        let confirm_email = match (serve.confirm_email, &mail) {
            (Some(Switch::On), None) => {
                return Err(ConfigError::Mail("confirm_email needs mail: name mail_host"));
            }
            (Some(switch), _) => switch == Switch::On,
            (None, mail) => mail.is_some(),
        };
        let settings = Settings {
            path_prefix: address.path_prefix()?,
            registration,
            mail,
            confirm_email,
            public_url: serve.public_url.as_deref().map(PublicUrl::parse).transpose()?,
            cors_origins: origins(serve.cors_origins.unwrap_or_default())?,
            blob_bytes,
            quota_bytes,
            personas,
            trusted_proxies: TrustedProxies::parse(&serve.trusted_proxies.unwrap_or_default())
                .ok_or(ConfigError::TrustedProxies)?,
            session_idle_s: days(serve.session_idle, 90),
            session_ttl_s: days(serve.session_ttl, 365),
            upload_ttl_s: days(serve.upload_ttl, 1),
            max_connections: usize::try_from(connections)
                .map_err(|_| ConfigError::Range { name: "max_connections" })?,
            timeouts: Timeouts {
                head: seconds(serve.head_timeout, 15),
                idle: seconds(serve.idle_timeout, 75),
                body: seconds(serve.body_timeout, 30),
                write: seconds(serve.write_timeout, 30),
                stop: seconds(serve.stop_timeout, 20),
            },
        };
        Ok(Self {
            data,
            key_file: place.key_file,
            listen,
            log_level: serve.log_level.unwrap_or(LevelFilter::INFO),
            log_format: serve.log_format.unwrap_or_default(),
            store_limits: StoreLimits {
                quota_bytes,
                personas,
                attempts_per_hour: attempts,
                starts_per_hour: starts,
            },
            settings,
        })
    }
}

const MAX_BLOB: u64 = limits::MAX_BLOB_BYTES;
const MAX_PERSONAS: u64 = limits::MAX_PERSONAS as u64;

/// A number from 1 to `max`, or the default.
fn within(
    name: &'static str,
    value: Option<u64>,
    default: u64,
    max: u64,
) -> Result<u64, ConfigError> {
    match value.unwrap_or(default) {
        number if (1..=max).contains(&number) => Ok(number),
        _ => Err(ConfigError::Range { name }),
    }
}

fn days(period: Option<Period>, default: i64) -> i64 {
    period.map_or(default * 86_400, Period::seconds)
}

fn seconds(period: Option<Period>, default: u64) -> Duration {
    period.map_or(Duration::from_secs(default), Period::duration)
}

/// `null` and `*` are no origins: both would let any page in.
fn origins(texts: Vec<String>) -> Result<Vec<HeaderValue>, ConfigError> {
    let plain = |host: &str| {
        !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))
    };
    let parse = |text: String| {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let header = host.filter(|host| plain(host)).map(|_| HeaderValue::try_from(&text));
        header.and_then(Result::ok).ok_or(ConfigError::Origin)
    };
    texts.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests;
