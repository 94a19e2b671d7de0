//! What a run is to work with: options over environment over the profile in `config.toml` over
//! defaults. The only reader of the environment.

use std::path::PathBuf;
use std::time::Duration;

use keybackup_protocol::Address;

use crate::cli::Global;
pub use crate::cli::StoreKind;
use crate::error::{Code, Failure};

mod environment;
mod error;
mod file;
mod names;
mod places;
mod rate;
mod server;
mod sources;

pub use environment::Environment;
pub use error::ConfigError;
pub use names::{ProfileName, host_name};
pub use rate::{Rate, RateError};
pub use server::{ServerUrl, ServerUrlError};

use file::File;
use places::Places;
use sources::{Given, Sources};

/// What a run is to work with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which profile.
    pub profile: ProfileName,
    /// Where personas live.
    pub personas_dir: PathBuf,
    /// PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Where ciphertext goes on its way, unless with the profile.
    pub spool_dir: Option<PathBuf>,
    /// Most bytes a second, to the server and from it.
    pub limit_rate: Option<Rate>,
    /// How long to wait for the server, or for another client to let go of the profile.
    pub timeout: Duration,
    /// Where to keep a login; `None`: the keyring if one answers, else a file after saying so.
    pub store: Option<StoreKind>,
    /// Where profiles are kept.
    pub data_dir: PathBuf,
    /// The configuration file, whether or not it exists.
    pub config_file: PathBuf,
    /// Whether it exists.
    pub config_found: bool,
    server: Option<Given<ServerUrl>>,
    email: Option<Given<Address>>,
    insecure_http: bool,
}

impl Settings {
    /// Resolves options, environment and configuration file.
    pub fn load(options: &Global, environment: &Environment) -> Result<Self, ConfigError> {
        let places = Places::find(options, environment)?;
        let file = File::read(&places.config_file)?;
        let sources = Sources { environment, config_file: places.config_file.path() };

        let name = sources.text(("--profile", options.profile.clone()), "KEYBACKUP_PROFILE", None);
        let named = name?.unwrap_or_else(|| {
            let name = file.default_profile.as_deref().unwrap_or("default");
            Given::new(name, sources.key("default_profile"))
        });
        let profile: ProfileName = named.parse()?;
        let section = file.profiles.get(profile.as_str()).cloned().unwrap_or_default();

        let server = sources
            .text(("--server", options.server.clone()), "KEYBACKUP_SERVER", section.server)?
            .map(Given::try_parse)
            .transpose()?;
        let email = sources
            .text(("--email", options.email.clone()), "KEYBACKUP_EMAIL", section.email)?
            .map(Given::try_parse)
            .transpose()?;
        let store = match options.store {
            Some(kind) => Some(kind),
            None => sources.store(section.store)?,
        };
        let in_file = |path: Option<PathBuf>| path.map(|path| places.of_file(&path));
        Ok(Self {
            profile,
            personas_dir: environment
                .path("KEYBACKUP_PERSONAS_DIR")
                .or_else(|| in_file(section.personas_dir))
                .map_or_else(|| places.default_personas_dir(), Ok)?,
            ca_file: options
                .ca_file
                .clone()
                .or_else(|| environment.path("KEYBACKUP_CA_FILE"))
                .or_else(|| in_file(section.ca_file)),
            spool_dir: options
                .spool_dir
                .clone()
                .or_else(|| environment.path("KEYBACKUP_SPOOL_DIR"))
                .or_else(|| in_file(section.spool_dir)),
            limit_rate: sources
                .text(
                    ("--limit-rate", options.limit_rate.clone()),
                    "KEYBACKUP_LIMIT_RATE",
                    section.limit_rate,
                )?
                .map(Given::parse)
                .transpose()?,
            timeout: sources.timeout(options.timeout, section.timeout_s)?,
            store,
            config_found: file.found,
            server,
            email,
            insecure_http: options.insecure_http,
            data_dir: places.data_dir,
            config_file: places.config_file.into_path(),
        })
    }

    /// The server to talk to: the one asked for, else the one that the profile is logged in to.
    /// Refuses another than the latter, whose token must not travel elsewhere, and `http:` to
    /// another machine.
    pub fn server_for(&self, stored: Option<&ServerUrl>) -> Result<ServerUrl, Failure> {
        let server = self.chosen("server", self.server.as_ref(), stored)?.ok_or_else(|| {
            Failure::new(Code::InputNeeded, "no server is named")
                .hint("give --server URL, or set KEYBACKUP_SERVER")
        })?;
        if server.is_plain() && !server.is_loopback() && !self.insecure_http {
            return Err(Failure::new(
                Code::InsecureHttp,
                format!("{server} is not encrypted, and another machine"),
            )
            .hint("use an https: address, or --insecure-http if the way there is safe otherwise"));
        }
        Ok(server)
    }

    /// The address given as an argument, if one is.
    pub fn address(&self, argument: Option<&str>) -> Result<Option<Address>, ConfigError> {
        argument.map(|text| Given::new(text, "EMAIL").parse()).transpose()
    }

    /// The account's address: the one asked for, else the one that the profile belongs to.
    /// Refuses another than the latter.
    pub fn email_for(&self, stored: Option<&Address>) -> Result<Address, Failure> {
        self.chosen("e-mail address", self.email.as_ref(), stored)?.ok_or_else(|| {
            Failure::new(Code::InputNeeded, "no e-mail address is named")
                .hint("give EMAIL or --email ADDRESS, or set KEYBACKUP_EMAIL")
        })
    }

    fn chosen<T: Clone + PartialEq + Named>(
        &self,
        what: &str,
        asked: Option<&Given<T>>,
        stored: Option<&T>,
    ) -> Result<Option<T>, Failure> {
        match (asked, stored) {
            (Some(asked), Some(stored)) if asked.value != *stored => Err(Failure::new(
                Code::OtherLogin,
                format!(
                    "profile {} belongs to the {what} {}, but {} says {}",
                    self.profile,
                    stored.name(),
                    asked.origin,
                    asked.value.name(),
                ),
            )
            .hint("use --profile NAME to keep several logins apart")),
            (Some(asked), _) => Ok(Some(asked.value.clone())),
            (None, stored) => Ok(stored.cloned()),
        }
    }
}

/// What a login belongs to, as people write it.
trait Named {
    fn name(&self) -> &str;
}

impl Named for ServerUrl {
    fn name(&self) -> &str {
        self.as_str()
    }
}

impl Named for Address {
    fn name(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests;
