//! The environment variables that count, read once; tests make their own.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::ConfigError;
use crate::cli::ColorWhen;

/// The environment variables that count. Does not print itself, since one is a password.
#[derive(Default)]
pub struct Environment(HashMap<String, OsString>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let counts =
            |name: &str| name.starts_with("KEYBACKUP_") || matches!(name, "NO_COLOR" | "TERM");
        let pairs = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| counts(name));
        Self(pairs.collect())
    }

    /// These alone; of two with one name the later.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect())
    }

    /// The text of a variable; an empty one counts as unset.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(ConfigError::NotText { name: name.to_owned() }),
        }
    }

    /// The path in a variable; an empty one counts as unset.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// The secret in a variable, as it stands there; empty is a value, for the caller to refuse.
    pub fn secret(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let value = self.0.get(name)?;
        Some(Zeroizing::new(value.as_encoded_bytes().to_vec()))
    }

    /// Whether to colour a stream.
    pub fn colour(&self, when: ColorWhen, is_terminal: bool) -> bool {
        match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            // https://no-color.org: set and not empty.
            ColorWhen::Auto => is_terminal && !self.is_dumb() && self.value("NO_COLOR").is_none(),
        }
    }

    /// Whether the terminal can do nothing but append.
    pub fn is_dumb(&self) -> bool {
        self.value("TERM").is_some_and(|term| term == "dumb")
    }

    fn value(&self, name: &str) -> Option<&OsString> {
        self.0.get(name).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_do_not_object() {
        let plain = Environment::default();
        assert!(plain.colour(ColorWhen::Auto, true));
        assert!(!plain.colour(ColorWhen::Auto, false));
        assert!(plain.colour(ColorWhen::Always, false));
        assert!(!plain.colour(ColorWhen::Never, true));
        for pair in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let objects = Environment::from_pairs(&[pair]);
            assert!(!objects.colour(ColorWhen::Auto, true));
            assert!(objects.colour(ColorWhen::Always, true));
        }
        let empty = Environment::from_pairs(&[("NO_COLOR", ""), ("TERM", "xterm")]);
        assert!(empty.colour(ColorWhen::Auto, true));
    }

    #[test]
    fn an_empty_variable_is_unset_but_for_secrets() {
        let environment =
            Environment::from_pairs(&[("KEYBACKUP_SERVER", ""), ("KEYBACKUP_PASSWORD", "")]);
        assert_eq!(environment.text("KEYBACKUP_SERVER").expect("no error"), None);
        assert_eq!(environment.secret("KEYBACKUP_PASSWORD").expect("set").len(), 0);
    }
}
