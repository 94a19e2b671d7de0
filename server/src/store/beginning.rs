//! Whether a data directory may get a new database: only when its key is as new as it would be.
//!
//! A database that is lost, or whose volume is not mounted, must not be taken for one that was
//! never there: the server would begin anew, and take every part for an orphan. So whoever makes
//! the key leaves a marker first, and only a marker lets the schema be made, which ends it.

use std::fs;
use std::io;
use std::path::Path;

use super::OpenError;
use super::directory::{DataDir, private, sync_directory};

/// There from before the key is made until the schema is.
const MARKER: &str = "keybackup.new";

/// Notes, durably, that the key about to be made is a new one, and so the database will be.
pub(crate) fn mark(dir: &Path) -> io::Result<()> {
    private().write(true).create(true).truncate(false).open(dir.join(MARKER))?.sync_all()?;
    sync_directory(dir)
}

/// Whether the schema may be made: the key is new, and there are no blobs.
pub(super) fn is_allowed(dir: &DataDir) -> Result<bool, OpenError> {
    let look = || Ok(dir.path().join(MARKER).try_exists()? && !holds_blobs(&dir.blobs())?);
    look().map_err(|source| OpenError::Io { path: dir.path().to_owned(), source })
}

/// Ends the beginning, once the schema is there.
pub(super) fn end(dir: &DataDir) -> Result<(), OpenError> {
    let remove = || match fs::remove_file(dir.path().join(MARKER)) {
        Ok(()) => sync_directory(dir.path()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    remove().map_err(|source| OpenError::Io { path: dir.path().to_owned(), source })
}

fn holds_blobs(root: &Path) -> io::Result<bool> {
    let directories = match fs::read_dir(root) {
        Ok(directories) => directories,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for directory in directories {
        let directory = directory?;
        if directory.file_type()?.is_dir() && fs::read_dir(directory.path())?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_key_without_blobs_allows_a_beginning() {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = DataDir::open(parent.path()).expect("opens");
        assert!(!is_allowed(&dir).expect("looks"), "nobody has made a key");
        mark(dir.path()).expect("marks");
        assert!(is_allowed(&dir).expect("looks"));
        let fan_out = dir.blobs().join("a");
        fs::create_dir_all(&fan_out).expect("makes");
        assert!(is_allowed(&dir).expect("looks"), "empty directories are no blobs");
        fs::write(fan_out.join("part"), b"x").expect("writes");
        assert!(!is_allowed(&dir).expect("looks"));
        fs::remove_file(fan_out.join("part")).expect("removes");
        end(&dir).expect("ends");
        end(&dir).expect("and again");
        assert!(!is_allowed(&dir).expect("looks"));
    }
}
