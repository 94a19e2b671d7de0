//! Files that are there whole or not at all, also after a power cut: written under a name beside
//! their own (`.new`), fsynced, renamed, the directory fsynced. Any error of an fsync is final.
//!
//! That name is always the same, so that what a killed process left under it is overwritten by
//! the next write, and `sweep` knows what to look for: there may be a secret in it.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::interrupt;

mod nameless;

/// The bits of a mode that give something to others than the owner.
pub(crate) const FOR_OTHERS: u32 = 0o077;

/// Room that the files of a profile need, and some more.
const PROBE_BYTES: usize = 64 * 1024;

/// What a file is called until it is whole, after its name.
const UNFINISHED: &str = ".new";

/// Replaces a file, or makes it, with mode 0600. When this returns it is on the disk. Only one
/// process at a time may write a file: the lock of the profile sees to it.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _hold = interrupt::hold();
    let unfinished = Unfinished::beside(path, bytes)?;
    unfinished.file.sync_all()?;
    unfinished.rename(path)?;
    sync_parent(path)
}

/// Replaces a file that can be made again: whole or not at all, but perhaps not there after a
/// power cut.
pub(super) fn replace_cache(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _hold = interrupt::hold();
    Unfinished::beside(path, bytes)?.rename(path)
}

/// Makes a file with mode 0600 that is not there yet; one that is there is never touched
/// (`AlreadyExists`). When this returns it is on the disk.
///
/// Where the file system has nameless files, it gets its name when it is whole, and a process that
/// is killed before leaves nothing. Elsewhere it has its name from the start.
pub fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _hold = interrupt::hold();
    match nameless::create(path, bytes)? {
        nameless::Outcome::Made => {}
        nameless::Outcome::Unsupported => {
            let unfinished = Unfinished::write(path.to_owned(), bytes)?;
            unfinished.file.sync_all()?;
            unfinished.keep();
        }
    }
    sync_parent(path)
}

/// Gives a file another name in its directory, in place of what has it.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_parent(to)
}

/// Whether a few of a profile's files could be written in `directory` now.
pub(super) fn probe(directory: &Path) -> io::Result<()> {
    let _hold = interrupt::hold();
    Unfinished::beside(&directory.join("probe"), &vec![0; PROBE_BYTES])?.file.sync_all()
}

/// Removes what killed processes left unfinished in `directory`, if that is there.
pub(super) fn sweep(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_file = !entry.file_type()?.is_dir();
        if is_file && entry.file_name().as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, if it is there, for good.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    if remove_name(path)? { sync_parent(path) } else { Ok(()) }
}

/// Makes a directory with mode 0700 and those above it that are missing, each durably. One that
/// is there loses what its mode gives to others.
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode();
            return match mode & FOR_OTHERS {
                0 => Ok(()),
                _ => std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700)),
            };
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        make_private_dir(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another process was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync_parent(path)
}

/// A file that is removed unless it gets its place.
struct Unfinished {
    file: File,
    path: Option<PathBuf>,
}

impl Unfinished {
    /// A file beside `path`, in place of what a killed process may have left there.
    fn beside(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut name = OsString::from(path);
        name.push(UNFINISHED);
        let path = PathBuf::from(name);
        remove_name(&path)?;
        Self::write(path, bytes)
    }

    /// A file with mode 0600 at `path`, where nothing is.
    fn write(path: PathBuf, bytes: &[u8]) -> io::Result<Self> {
        // O_EXCL: a symbolic link is not followed.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut unfinished = Self { file, path: Some(path) };
        unfinished.file.write_all(bytes)?;
        Ok(unfinished)
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            std::fs::rename(path, to)?;
        }
        self.path = None;
        Ok(())
    }

    fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nobody is left to tell; `sweep` tries again.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes a name, if it is there; whether it was.
fn remove_name(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests;
