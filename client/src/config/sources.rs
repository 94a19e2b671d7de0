//! One value from the first source that gives it, and the name of that source for messages.

use std::error::Error;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum as _;

use super::{ConfigError, Environment, StoreKind};

/// How long to wait for the server or another client, unless said otherwise, in seconds.
const DEFAULT_TIMEOUT_S: u32 = 30;
/// Longest that makes sense, in seconds; `--timeout` has the same limits.
const MAX_TIMEOUT_S: u32 = 86_400;

/// A value, and which option, variable or key it comes from.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) origin: String,
}

impl Given<String> {
    pub(super) fn new(value: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { value: value.into(), origin: origin.into() }
    }

    pub(super) fn parse<T: FromStr>(self) -> Result<T, ConfigError>
    where
        T::Err: Error + Send + Sync + 'static,
    {
        self.try_parse().map(|given| given.value)
    }

    pub(super) fn try_parse<T: FromStr>(self) -> Result<Given<T>, ConfigError>
    where
        T::Err: Error + Send + Sync + 'static,
    {
        match self.value.parse() {
            Ok(value) => Ok(Given { value, origin: self.origin }),
            Err(error) => Err(ConfigError::Value { origin: self.origin, source: Box::new(error) }),
        }
    }
}

/// Where values come from when no option gives them.
pub(super) struct Sources<'a> {
    pub(super) environment: &'a Environment,
    pub(super) config_file: &'a Path,
}

impl Sources<'_> {
    /// What messages call a key of the configuration file.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{key} in {}", self.config_file.display())
    }

    /// The first that is given of option, variable, and key (named like the option).
    pub(super) fn text(
        &self,
        (option, given): (&str, Option<String>),
        variable: &str,
        key: Option<String>,
    ) -> Result<Option<Given<String>>, ConfigError> {
        if let Some(value) = given {
            return Ok(Some(Given::new(value, option)));
        }
        if let Some(value) = self.environment.text(variable)? {
            return Ok(Some(Given::new(value, variable)));
        }
        Ok(key.map(|value| Given::new(value, self.key(option.trim_start_matches('-')))))
    }

    /// Where to keep a login, by variable or key.
    pub(super) fn store(&self, key: Option<StoreKind>) -> Result<Option<StoreKind>, ConfigError> {
        match self.environment.text("KEYBACKUP_STORE")? {
            Some(text) => {
                StoreKind::from_str(&text, false).map(Some).map_err(|_| ConfigError::Store)
            }
            None => Ok(key),
        }
    }

    /// How long to wait, by option, variable, key or default.
    pub(super) fn timeout(
        &self,
        option: Option<u32>,
        key: Option<u32>,
    ) -> Result<Duration, ConfigError> {
        let variable = "KEYBACKUP_TIMEOUT";
        let (seconds, origin) = match (option, self.environment.text(variable)?, key) {
            (Some(seconds), _, _) => (seconds, "--timeout".to_owned()),
            (None, Some(text), _) => (Given::new(text, variable).parse()?, variable.to_owned()),
            (None, None, Some(seconds)) => (seconds, self.key("timeout_s")),
            (None, None, None) => return Ok(Duration::from_secs(DEFAULT_TIMEOUT_S.into())),
        };
        if (1..=MAX_TIMEOUT_S).contains(&seconds) {
            return Ok(Duration::from_secs(seconds.into()));
        }
        Err(ConfigError::Timeout { origin, max_s: MAX_TIMEOUT_S })
    }
}
