//! Why a measurement ended.

use std::io;
use std::path::{Path, PathBuf};

/// Why a measurement ended: a figure of what went wrong would be worse than none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("can't use {}", path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("can't start {program}")]
    Start { program: String, source: io::Error },
    #[error("{what} ended with {code}; it said:\n{said}")]
    Ended { what: String, code: i32, said: String },
    #[error("{what} said what nobody understands here: {said}")]
    Unclear { what: String, said: String },
    #[error("{tool} gave back another tree: {} differs", path.display())]
    Differs { tool: &'static str, path: PathBuf },
    #[error("the client's library failed: {0}")]
    Library(String),
    #[error("{what} was answered {status}: {said}")]
    Refused { what: &'static str, status: u16, said: String },
    #[error("{what}: the connection broke")]
    Broke { what: &'static str, source: io::Error },
    #[error("the clock of process {pid} can't be read")]
    Clock { pid: u32, source: nix::Error },
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Names the path that an operation was about.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| Failure::Path { path: path.to_owned(), source })
    }
}
