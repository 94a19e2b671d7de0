//! Where files are: the XDG places, unless a variable says otherwise.

use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};

use super::{ConfigError, Environment};
use crate::cli::Global;

/// Where files are.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) config_file: ConfigFile,
    pub(super) data_dir: PathBuf,
    home: Option<PathBuf>,
}

/// Where the configuration is.
#[derive(Debug)]
pub(super) enum ConfigFile {
    /// Asked for by name: has to be there.
    Named(PathBuf),
    /// The usual place: may be absent.
    Usual(PathBuf),
}

impl ConfigFile {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Usual(path) => path,
        }
    }

    pub(super) fn into_path(self) -> PathBuf {
        match self {
            Self::Named(path) | Self::Usual(path) => path,
        }
    }
}

impl Places {
    /// Finds them. A home directory is needed only for what nothing else says.
    pub(super) fn find(options: &Global, environment: &Environment) -> Result<Self, ConfigError> {
        let usual = ProjectDirs::from("", "", "keybackup");
        let usual = || usual.as_ref().ok_or(ConfigError::NoHome);
        let named = options.config.clone().or_else(|| environment.path("KEYBACKUP_CONFIG"));
        Ok(Self {
            config_file: match named {
                Some(path) => ConfigFile::Named(path),
                None => ConfigFile::Usual(usual()?.config_dir().join("config.toml")),
            },
            data_dir: match environment.path("KEYBACKUP_DATA_DIR") {
                Some(path) => path,
                None => usual()?.data_dir().to_owned(),
            },
            home: BaseDirs::new().map(|base| base.home_dir().to_owned()),
        })
    }

    /// `~/.cryptomessaging/personas`, where the reference layout has them.
    pub(super) fn default_personas_dir(&self) -> Result<PathBuf, ConfigError> {
        let home = self.home.as_ref().ok_or(ConfigError::NoHome)?;
        Ok(home.join(".cryptomessaging").join("personas"))
    }

    /// A path of the configuration file: `~/` is the home directory, and what is relative starts
    /// where the file is.
    pub(super) fn of_file(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.config_file.path().parent().unwrap_or(Path::new("")).join(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_file_start_at_home_or_beside_it() {
        let places = Places {
            config_file: ConfigFile::Usual("/etc/kb/config.toml".into()),
            data_dir: "/data".into(),
            home: Some("/home/alice".into()),
        };
        for (path, found) in [
            ("~/keys", "/home/alice/keys"),
            ("ca.pem", "/etc/kb/ca.pem"),
            ("/abs/ca.pem", "/abs/ca.pem"),
            ("~alice", "/etc/kb/~alice"),
        ] {
            assert_eq!(places.of_file(Path::new(path)), Path::new(found));
        }
    }
}
