//! The data directory: 0700, one server at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::OpenError;

/// The database's file name in the data directory.
pub const DATABASE: &str = "keybackup.db";
const BLOBS: &str = "blobs";
const LOCK: &str = "serve.lock";

/// A data directory that is there, and closed to other users.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// Held by the one server of a data directory; the lock ends with it, or with the process.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

impl DataDir {
    /// Opens the directory, or makes it durably. One that is empty or ours is set to 0700.
    ///
    /// # Errors
    /// [`OpenError::NotOurs`] for a directory that holds other things, since its mode would be
    /// changed; [`OpenError::Io`] when the system refuses.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io { path: path.to_owned(), source: error };
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        let path = fs::canonicalize(path).map_err(io)?;
        if fs::metadata(&path).map_err(io)?.permissions().mode() & 0o077 != 0 {
            if !is_empty_or_ours(&path).map_err(io)? {
                return Err(OpenError::NotOurs(path));
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(io)?;
        }
        if !path.join(DATABASE).exists() {
            // The way to it may be new. A parent that can't be read was there before us.
            path.ancestors().skip(1).map_while(|parent| sync_directory(parent).ok()).count();
        }
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the lock that a server holds while it serves. Administration needs none.
    ///
    /// # Errors
    /// [`OpenError::Served`] when another server holds it.
    pub fn lock_for_serve(&self) -> Result<ServeLock, OpenError> {
        let path = self.0.join(LOCK);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let file = private().read(true).write(true).create(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(ServeLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Served(self.0.clone())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Opens a directory that holds a database, for administration. Makes and changes nothing.
    ///
    /// # Errors
    /// [`OpenError::NoDatabase`] when it holds none; [`OpenError::Io`] when the system refuses.
    pub fn open_existing(path: &Path) -> Result<Self, OpenError> {
        match fs::canonicalize(path) {
            Ok(path) => {
                let dir = Self(path);
                dir.existing_database().map(|_| dir)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(OpenError::NoDatabase(path.join(DATABASE)))
            }
            Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
        }
    }

    /// The database file, if there is one with anything in it.
    pub(crate) fn existing_database(&self) -> Result<PathBuf, OpenError> {
        let path = self.0.join(DATABASE);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > 0 => Ok(path),
            Ok(_) => Err(OpenError::NoDatabase(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(OpenError::NoDatabase(path))
            }
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    /// The database file, made 0600 when it is missing; `SQLite` gives its mode to its
    /// companions. One that is open to others is closed to them, and so are they.
    pub(crate) fn database(&self) -> Result<PathBuf, OpenError> {
        let path = self.0.join(DATABASE);
        let io = |source| OpenError::Io { path: path.clone(), source };
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.clone().into_os_string();
            file.push(suffix);
            match tighten(Path::new(&file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
                _ => {}
            }
        }
        match private().write(true).create_new(true).open(&path) {
            Ok(_) => sync_directory(&self.0).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        Ok(path)
    }

    /// The directory of the parts.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.0.join(BLOBS)
    }
}

fn is_empty_or_ours(path: &Path) -> io::Result<bool> {
    if path.join(DATABASE).exists() {
        return Ok(true);
    }
    Ok(fs::read_dir(path)?.next().is_none())
}

/// Options for a file that only this user may open.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Takes away what others may do with a file or directory.
pub(crate) fn tighten(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    /// Holds rule 34.
    #[test]
    fn is_made_and_kept_private() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("a/b");
        let data = DataDir::open(&path).expect("opens");
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&data.database().expect("a file")), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        DataDir::open(&path).expect("opens again");
        assert_eq!(mode(&path), 0o700);
    }

    /// Holds rule 34.
    #[test]
    fn what_is_in_it_is_closed_to_others() {
        let parent = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(parent.path()).expect("opens");
        let database = data.database().expect("a file");
        let log = parent.path().join("keybackup.db-wal");
        fs::write(&log, b"").expect("writes");
        for file in [&database, &log] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("chmod");
        }
        fs::create_dir_all(data.blobs().join("a")).expect("makes");
        for blobs in [data.blobs(), data.blobs().join("a")] {
            fs::set_permissions(blobs, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        data.database().expect("a file");
        assert_eq!((mode(&database), mode(&log)), (0o600, 0o600));
        crate::store::bytes::Parts::open(&data.blobs()).expect("opens");
        assert_eq!((mode(&data.blobs()), mode(&data.blobs().join("a"))), (0o700, 0o700));
    }

    #[test]
    fn administration_makes_nothing() {
        let parent = tempfile::tempdir().expect("a directory");
        let missing = parent.path().join("missing");
        assert!(matches!(DataDir::open_existing(&missing), Err(OpenError::NoDatabase(_))));
        assert!(!missing.exists());
        assert!(matches!(DataDir::open_existing(parent.path()), Err(OpenError::NoDatabase(_))));
        fs::write(parent.path().join(DATABASE), b"").expect("writes");
        assert!(matches!(DataDir::open_existing(parent.path()), Err(OpenError::NoDatabase(_))));
        fs::write(parent.path().join(DATABASE), b"x").expect("writes");
        DataDir::open_existing(parent.path()).expect("opens");
    }

    #[test]
    fn leaves_the_directory_of_others_alone() {
        let other = tempfile::tempdir().expect("a directory");
        fs::set_permissions(other.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::write(other.path().join("letter"), b"dear").expect("writes");
        assert!(matches!(DataDir::open(other.path()), Err(OpenError::NotOurs(_))));
        assert_eq!(mode(other.path()), 0o755);
    }

    #[test]
    fn one_server_at_a_time() {
        let parent = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(parent.path()).expect("opens");
        let lock = data.lock_for_serve().expect("the first holds it");
        assert!(matches!(data.lock_for_serve(), Err(OpenError::Served(_))));
        drop(lock);
        data.lock_for_serve().expect("and the next may");
    }
}
