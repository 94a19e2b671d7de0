//! Ciphertext on its way: in memory up to 8 MiB, beyond that in a nameless 0600 file that the
//! kernel drops with the process, however it ends, unless it is kept. No plaintext comes here.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use keybackup_protocol::limits::MAX_INLINE_BLOB_BYTES;
use tempfile::NamedTempFile;

mod feed;
mod nameless;

pub use feed::{Feed, Reached, Tail};

/// Room that is left free on the file system, so that a spool never fills it to the brim.
const HEADROOM_BYTES: u64 = 16 * 1024 * 1024;

/// Why a spool can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The file system has too little room for what is to come.
    #[error("{} has {free_bytes} bytes free, and {needed_bytes} are needed", directory.display())]
    NoSpace {
        /// Where the spool would be.
        directory: PathBuf,
        /// Bytes that are to come.
        needed_bytes: u64,
        /// Bytes free.
        free_bytes: u64,
    },
    /// The file could not be made.
    #[error("a temporary file in {} could not be made", directory.display())]
    Create {
        /// Where the spool would be.
        directory: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Bytes written once, from the start, and read back at will.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    store: Store,
    length: u64,
    keepable: bool,
}

#[derive(Debug)]
enum Store {
    Memory(Cursor<Vec<u8>>),
    File(File),
    /// One that is to be kept, where files can't be nameless.
    Named(NamedTempFile),
}

impl Spool {
    /// An empty spool that overflows into `directory`.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            store: Store::Memory(Cursor::new(Vec::new())),
            length: 0,
            keepable: false,
        }
    }

    /// The same, that can be [kept](Self::keep).
    pub fn keepable(directory: &Path) -> Self {
        Self { keepable: true, ..Self::new(directory) }
    }

    /// A spool for `bytes` to come: refused at once when there is no room for them.
    pub fn for_bytes(directory: &Path, bytes: u64) -> Result<Self, SpoolError> {
        let mut spool = Self::new(directory);
        if bytes > MAX_INLINE_BLOB_BYTES {
            check_space(directory, bytes.saturating_add(HEADROOM_BYTES))?;
            spool.store = Store::File(create(directory)?);
        }
        Ok(spool)
    }

    /// Bytes written so far.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes, while they are in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.store {
            Store::Memory(bytes) => Some(bytes.get_ref()),
            Store::File(_) | Store::Named(_) => None,
        }
    }

    /// The file, once they have left memory.
    pub fn in_file(&self) -> Option<&File> {
        match &self.store {
            Store::Memory(_) => None,
            Store::File(file) => Some(file),
            Store::Named(file) => Some(file.as_file()),
        }
    }

    /// The bytes, if all are in memory; else the spool again.
    pub fn into_memory(self) -> Result<Vec<u8>, Self> {
        match self.store {
            Store::Memory(bytes) => Ok(bytes.into_inner()),
            _ => Err(self),
        }
    }

    /// The file, nameless from here on, if they have left memory.
    pub fn into_file(self) -> Option<File> {
        match self.store {
            Store::Memory(_) => None,
            Store::File(file) => Some(file),
            Store::Named(file) => Some(file.into_file()),
        }
    }

    /// Gives the file of a [keepable](Self::keepable) spool a name in its directory, in place of what has
    /// it. A process that is killed leaves it from here on; a power cut may not, or not whole.
    pub fn keep(self, name: &OsStr) -> io::Result<File> {
        let path = self.directory.join(name);
        match self.store {
            Store::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
            Store::Named(file) => Ok(file.persist(path)?),
            Store::File(file) => nameless::link(file, &path),
        }
    }

    fn overflow(&mut self) -> io::Result<()> {
        if let Store::Memory(bytes) = &self.store {
            let mut store = if self.keepable {
                create_keepable(&self.directory)
            } else {
                create(&self.directory).map(Store::File)
            }
            .map_err(io::Error::other)?;
            store.write_all(bytes.get_ref())?;
            self.store = store;
        }
        Ok(())
    }
}

fn create(directory: &Path) -> Result<File, SpoolError> {
    // O_TMPFILE where the system has it: there is no name to leave behind.
    tempfile::tempfile_in(directory)
        .map_err(|source| SpoolError::Create { directory: directory.to_owned(), source })
}

fn create_keepable(directory: &Path) -> Result<Store, SpoolError> {
    if let Some(file) = nameless::create(directory) {
        return Ok(Store::File(file));
    }
    let named = tempfile::Builder::new().prefix("sealing-").tempfile_in(directory);
    let failed = |source| SpoolError::Create { directory: directory.to_owned(), source };
    named.map(Store::Named).map_err(failed)
}

/// Refuses when `directory` has no room for `needed_bytes` more.
pub fn check_space(directory: &Path, needed_bytes: u64) -> Result<(), SpoolError> {
    // A file system that can't tell is asked by writing to it.
    let Ok(stat) = rustix::fs::statvfs(directory) else { return Ok(()) };
    let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free_bytes < needed_bytes {
        return Err(SpoolError::NoSpace {
            directory: directory.to_owned(),
            needed_bytes,
            free_bytes,
        });
    }
    Ok(())
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length + bytes.len() as u64 > MAX_INLINE_BLOB_BYTES {
            self.overflow()?;
        }
        let written = self.store.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Spool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.store {
            Store::Memory(memory) => memory.read(buffer),
            Store::File(file) => file.read(buffer),
            Store::Named(file) => file.read(buffer),
        }
    }
}

impl Seek for Spool {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.store {
            Store::Memory(memory) => memory.seek(position),
            Store::File(file) => file.seek(position),
            Store::Named(file) => file.seek(position),
        }
    }
}

impl Write for Store {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Memory(memory) => memory.write(bytes),
            Self::File(file) => file.write(bytes),
            Self::Named(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn overflows_to_a_nameless_file_and_keeps_every_byte() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut spool = Spool::new(directory.path());
        let piece: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        for count in 1..=9 {
            spool.write_all(&piece).expect("room");
            assert_eq!(spool.in_memory().is_some(), count <= 8, "{count} MiB");
        }
        assert_eq!(spool.len(), 9 << 20);
        assert_eq!(std::fs::read_dir(directory.path()).expect("listable").count(), 0);
        spool.rewind().expect("seekable");
        let mut back = Vec::new();
        spool.read_to_end(&mut back).expect("readable");
        assert!(back.chunks(1 << 20).all(|chunk| chunk == piece));
    }

    #[test]
    fn what_is_kept_has_its_name_when_it_is_whole() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let files = || std::fs::read_dir(directory.path()).expect("listable").count();
        for nameless in [true, false] {
            let mut spool = Spool::keepable(directory.path());
            spool.write_all(&vec![7; 9 << 20]).expect("room");
            if !nameless {
                let mut file = NamedTempFile::new_in(directory.path()).expect("a file");
                file.write_all(&vec![7; 9 << 20]).expect("room");
                spool.store = Store::Named(file);
            }
            spool.keep(OsStr::new("parcel")).expect("kept, also in place of another");
            assert_eq!(files(), 1);
            let metadata = std::fs::metadata(directory.path().join("parcel")).expect("is there");
            assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (9 << 20, 0o600));
        }
        drop(Spool::keepable(directory.path()));
        assert_eq!(files(), 1);
        let mut small = Spool::keepable(directory.path());
        small.write_all(b"few").expect("room");
        assert!(small.keep(OsStr::new("small")).is_err());
    }

    #[test]
    fn refuses_what_can_not_fit() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let refused = Spool::for_bytes(directory.path(), u64::MAX / 2);
        assert!(matches!(refused, Err(SpoolError::NoSpace { .. })));
    }
}
