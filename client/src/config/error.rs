//! What can be wrong with configuration and environment; all of it exit code 2.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::error::{Code, Failure};

/// What can be wrong with configuration and environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The configuration file is there and can't be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file that `--config` or `KEYBACKUP_CONFIG` names is not there.
    #[error("there is no configuration file {}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// The configuration file does not parse, or has a key that nobody knows.
    #[error("line {line} of {}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The parser's word.
        message: String,
    },
    /// A value that is not what it should be.
    #[error("{origin} is not usable")]
    Value {
        /// The option, variable or key.
        origin: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A variable that is no text.
    #[error("the environment variable {name} is not UTF-8")]
    NotText {
        /// The variable.
        name: String,
    },
    /// A time to wait that is none.
    #[error("{origin} is not within 1 and {max_s} seconds")]
    Timeout {
        /// The variable or key.
        origin: String,
        /// The most that is taken, in seconds.
        max_s: u32,
    },
    /// `KEYBACKUP_STORE` is none of the three.
    #[error("KEYBACKUP_STORE is none of keyring, file, none")]
    Store,
    /// Nothing says where the user's files are.
    #[error("there is no home directory")]
    NoHome,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::of(Code::Config, &error);
        match error {
            ConfigError::NoHome => failure.hint(
                "set HOME, or KEYBACKUP_CONFIG, KEYBACKUP_DATA_DIR and KEYBACKUP_PERSONAS_DIR",
            ),
            _ => failure,
        }
    }
}
