//! The configuration file, as `docs/configuration.md` describes it. Everything in it is optional,
//! and nothing else may be in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use super::places::ConfigFile;
use crate::cli::StoreKind;

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) default_profile: Option<String>,
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, Section>,
    #[serde(skip)]
    pub(super) found: bool,
}

/// What it says about one profile.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    pub(super) server: Option<String>,
    pub(super) email: Option<String>,
    pub(super) personas_dir: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout_s: Option<u32>,
    pub(super) spool_dir: Option<PathBuf>,
    pub(super) limit_rate: Option<String>,
    pub(super) store: Option<StoreKind>,
}

impl File {
    /// Reads it. Only a file that was asked for by name has to be there.
    pub(super) fn read(file: &ConfigFile) -> Result<Self, ConfigError> {
        let path = file.path();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match file {
                ConfigFile::Usual(_) => Ok(Self::default()),
                ConfigFile::Named(_) => Err(ConfigError::Absent { path: path.to_owned() }),
            },
            Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: Self = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        Ok(Self { found: true, ..file })
    }
}

/// The line, counted from 1, in which byte `offset` lies.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        File::parse(text, Path::new("config.toml")).expect_err(text).to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_file_and_line() {
        let text = "[profiles.home]\nserver = \"https://a\"\nservr = \"b\"\n";
        let error = error(text);
        assert!(error.starts_with("line 3 of config.toml: unknown field `servr`"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_an_error() {
        for text in
            ["profiles = 3", "[profiles.a]\ntimeout_s = -1", "[profiles.a]\nstore = \"cloud\"", "="]
        {
            assert!(error(text).contains("config.toml"), "{text}");
        }
    }

    #[test]
    fn the_example_of_the_documentation_parses() {
        let page = include_str!("../../../docs/configuration.md").lines();
        let example: Vec<_> = page
            .skip_while(|line| *line != "```toml")
            .skip(1)
            .take_while(|line| *line != "```")
            .collect();
        let file = File::parse(&example.join("\n"), Path::new("x")).expect("it parses");
        assert_eq!(file.default_profile.as_deref(), Some("home"));
        assert_eq!(file.profiles["home"].store, Some(StoreKind::Keyring));
    }
}
