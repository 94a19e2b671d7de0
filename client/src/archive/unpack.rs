//! Unpacks an audited zip into a fresh directory through handles, or into nothing to prove that
//! it could be.

use std::fs::File;
use std::io::{self, Read, Seek, Write as _};

use super::audit::{Audited, Record};
use super::content::ContentError;
use super::crew::{self, Sink, Watch};
use super::dir::{self, Cursor, Dir};
use super::durable::{self, Durable};
use super::entry::{Item, Kind, Summary, Summing};
use super::names::{Destination, NameError};

/// Most files and directories that are made durable one by one. One call for the whole file
/// system, where there is one, is cheaper for many; but it also waits for all that other programs
/// wrote, which may be gigabytes on a slow disk.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_ONE_BY_ONE: usize = 256;

/// Why a zip couldn't be unpacked. What was written so far is to be thrown away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// A content couldn't be read, written, or is damaged.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The destination can't hold one of the names beside the others.
    #[error("the archive's entry {0}")]
    Name(#[from] NameError),
    /// The destination couldn't be asked what names it holds.
    #[error("can't write to the destination")]
    Probe(#[source] io::Error),
    /// A file or directory couldn't be made, or not be given its mode and time.
    #[error("can't write {path:?}")]
    Write {
        /// Its path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was written couldn't be made durable.
    #[error("can't make the restored files durable")]
    Sync(#[source] io::Error),
    /// No memory for a decompressor.
    #[error("can't start decompressing")]
    Start(#[source] io::Error),
}

/// Unpacks into `into`, which must be empty and the process's own, and makes it durable, with a
/// thread for each of `readers`, which read the same bytes. The summary is of what came out: the
/// caller compares it with what should have.
pub fn unpack<R: Read + Seek + Send>(
    readers: &mut [R],
    audited: &Audited,
    into: &Dir,
    watch: &dyn Watch,
) -> Result<Summary, UnpackError> {
    audited.check_names(destination(into).map_err(UnpackError::Probe)?)?;
    let records = &audited.records;
    make_directories(records, into)?;
    let mut fill = |durable: &Durable| {
        let tree = || Tree { cursor: Cursor::new(into), file: None, durable: durable.clone() };
        let contents = crew::contents(readers, records, tree, watch)?;
        finish_directories(records, into, durable)?;
        Ok(summary(records, &contents))
    };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if records.len() > MOST_ONE_BY_ONE {
        let summary = fill(&Durable::AtTheEnd)?;
        into.sync_file_system().map_err(UnpackError::Sync)?;
        return Ok(summary);
    }
    // What is small is one thread's, from the first file to the last.
    let summary = if audited.bytes < crew::RUN_BYTES {
        fill(&Durable::AtOnce)?
    } else {
        durable::beside(fill)?
    };
    into.sync().map_err(UnpackError::Sync)?;
    Ok(summary)
}

/// Which names can't be told apart in the empty directory `into`.
fn destination(into: &Dir) -> io::Result<Destination> {
    const PROBE: &str = "keybackup-probe";
    drop(into.create_file(PROBE)?);
    let folds_case = into.status_of(PROBE.to_uppercase()).is_ok();
    into.remove_file(PROBE.as_ref())?;
    Ok(Destination { folds_case, windows: cfg!(windows) })
}

/// Unpacks into nothing: all that [`unpack`] checks, with nothing written.
pub fn verify<R: Read + Seek + Send>(
    readers: &mut [R],
    audited: &Audited,
    watch: &dyn Watch,
) -> Result<Summary, UnpackError> {
    let contents = crew::contents(readers, &audited.records, || Nothing, watch)?;
    Ok(summary(&audited.records, &contents))
}

/// The entries of an audited zip with the hashes of their contents; nothing is written.
pub(super) fn hashed<R: Read + Seek + Send>(
    reader: &mut R,
    audited: &Audited,
) -> Result<Vec<Item>, UnpackError> {
    let readers = std::slice::from_mut(reader);
    let contents = crew::contents(readers, &audited.records, || Nothing, &|_| ())?;
    let item = |(record, content): (&Record, [u8; 32])| {
        let Record { path, kind, mode, mtime, placed, .. } = record;
        let (path, size) = (path.clone(), placed.size);
        Item { path, kind: *kind, mode: *mode, mtime: *mtime, size, content }
    };
    Ok(audited.records.iter().zip(contents).map(item).collect())
}

fn summary(records: &[Record], contents: &[[u8; 32]]) -> Summary {
    let mut summing = Summing::default();
    for (record, content) in records.iter().zip(contents) {
        let Record { path, kind, mode, mtime, placed, .. } = record;
        summing.add(path, *kind, *mode, *mtime, placed.size, content);
    }
    summing.finish()
}

struct Nothing;

impl Sink for Nothing {
    fn open(&mut self, _: &Record) -> io::Result<()> {
        Ok(())
    }
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn close(&mut self, _: &Record) -> io::Result<()> {
        Ok(())
    }
}

/// Files below a root, whose directories are there.
struct Tree<'d> {
    cursor: Cursor<'d>,
    file: Option<File>,
    durable: Durable,
}

impl Sink for Tree<'_> {
    fn open(&mut self, record: &Record) -> io::Result<()> {
        let (parent, name) = self.cursor.at(&record.path)?;
        self.file = Some(parent.create_file(name)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn close(&mut self, record: &Record) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        dir::set_mode(&file, record.mode)?;
        dir::set_mtime(&file, record.mtime)?;
        self.durable.make(&record.path, file)
    }
}

fn make_directories(records: &[Record], root: &Dir) -> Result<(), UnpackError> {
    let mut cursor = Cursor::new(root);
    for record in records.iter().filter(|record| record.kind == Kind::Directory) {
        let made = cursor.at(&record.path).and_then(|(parent, name)| parent.create_directory(name));
        made.map_err(|source| UnpackError::Write { path: record.path.clone(), source })?;
    }
    Ok(())
}

/// Gives directories their modes and times: at the end, since a read-only one takes no files and
/// every file changes the time; children first, since they can't be reached through a closed one.
fn finish_directories(
    records: &[Record],
    root: &Dir,
    durable: &Durable,
) -> Result<(), UnpackError> {
    let mut cursor = Cursor::new(root);
    for record in records.iter().rev().filter(|record| record.kind == Kind::Directory) {
        let mut finish = || {
            let (parent, name) = cursor.at(&record.path)?;
            let directory = parent.subdirectory(name)?;
            directory.finish(record.mode, record.mtime)?;
            durable.make(&record.path, directory.into())
        };
        finish().map_err(|source| UnpackError::Write { path: record.path.clone(), source })?;
    }
    Ok(())
}
