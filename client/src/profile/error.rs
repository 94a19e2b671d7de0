//! What can go wrong with the files of a profile.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::keychain::KeychainError;
use crate::error::{Code, Failure};

/// What can go wrong with the files of a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The disk refuses something.
    #[error("{doing} {}", path.display())]
    Io {
        /// `reading` or `writing`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not parse.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is of a later version of this program.
    #[error("{} is of a newer keybackup (schema {schema})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        schema: u32,
    },
    /// A login that is not what was kept.
    #[error("the stored login is damaged")]
    DamagedLogin,
    /// Another process holds the profile.
    #[error("another keybackup still uses profile {profile} after {} s", waited.as_secs())]
    Busy {
        /// Its name.
        profile: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A login is to be kept for a device that has no record.
    #[error("the profile has no device yet")]
    NoRecord,
    /// The keyring that was asked for, or that holds the login, does not do it.
    #[error("the keyring of this system does not help")]
    Keychain(#[source] KeychainError),
}

impl ProfileError {
    pub(super) const fn reading(path: PathBuf, source: io::Error) -> Self {
        Self::Io { doing: "reading", path, source }
    }

    pub(super) const fn writing(path: PathBuf, source: io::Error) -> Self {
        Self::Io { doing: "writing", path, source }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        match &error {
            ProfileError::Io { source, .. } => Self::io(source, error.to_string()),
            ProfileError::Damaged { .. } => Self::of(Code::ProfileDamaged, &error)
                .hint("start a fresh profile: --profile NAME, then keybackup login"),
            ProfileError::Newer { .. } => {
                Self::of(Code::ProfileDamaged, &error).hint("update keybackup on this device")
            }
            ProfileError::DamagedLogin => {
                Self::of(Code::ProfileDamaged, &error).hint("keybackup login")
            }
            ProfileError::Busy { .. } => Self::of(Code::Busy, &error)
                .hint("wait for it to end, or longer: --timeout SECONDS"),
            ProfileError::NoRecord => Self::of(Code::Internal, &error),
            ProfileError::Keychain(_) => Self::of(Code::Keyring, &error)
                .hint("log in again with --store file, or with --store none and a password source"),
        }
    }
}
