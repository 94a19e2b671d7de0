//! What others do with the same files. Each has a fresh repository, cache and HOME in every turn,
//! and the settings that it has by itself.

mod borg;
mod copy;
mod restic;
mod tar;

use std::path::PathBuf;

pub(crate) use borg::Borg;
pub(crate) use copy::Copy;
pub(crate) use restic::Restic;
pub(crate) use tar::Tar;

/// Where a program is, if it is installed.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|it| it.is_file())
}
