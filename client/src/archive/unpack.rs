//! Unpacks an audited zip into a fresh directory through handles, or into nothing to prove that
//! it could be.

use std::fs::File;
use std::io::{self, Read, Seek, Write as _};

use super::audit::{Audited, Record};
use super::content::{ContentError, Decoder};
use super::dir::{self, Cursor, Dir};
use super::entry::{Item, Kind, Summary, Summing};
use super::names::{Destination, NameError};

/// Most files and directories that are made durable one by one.
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

/// Unpacks into `into`, which must be empty and the process's own, and makes it durable. Calls
/// `progress` with the number of bytes written each time some were. The summary is of what came
/// out: the caller compares it with what should have.
pub fn unpack<R: Read + Seek>(
    reader: &mut R,
    audited: &Audited,
    into: &Dir,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, UnpackError> {
    audited.check_names(destination(into).map_err(UnpackError::Probe)?)?;
    let one_by_one = is_synced_one_by_one(audited);
    let mut tree = Tree { cursor: Cursor::new(into), file: None, one_by_one };
    let summary = stream(reader, audited, &mut tree, progress, &mut |_, _| ())?;
    tree.finish(audited)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if !one_by_one {
        into.sync_file_system().map_err(UnpackError::Sync)?;
        return Ok(summary);
    }
    into.sync().map_err(UnpackError::Sync)?;
    Ok(summary)
}

/// Whether each file and directory is made durable by itself. One call for the whole file system,
/// where there is one, is cheaper for many; but it also waits for all that other programs wrote,
/// which may be gigabytes on a slow disk.
fn is_synced_one_by_one(audited: &Audited) -> bool {
    cfg!(not(any(target_os = "linux", target_os = "android")))
        || audited.records.len() <= MOST_ONE_BY_ONE
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
pub fn verify<R: Read + Seek>(
    reader: &mut R,
    audited: &Audited,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, UnpackError> {
    stream(reader, audited, &mut Nothing, progress, &mut |_, _| ())
}

/// The entries of an audited zip with the hashes of their contents; nothing is written.
pub(super) fn hashed<R: Read + Seek>(
    reader: &mut R,
    audited: &Audited,
) -> Result<Vec<Item>, UnpackError> {
    let mut items = Vec::with_capacity(audited.records.len());
    let mut collect = |record: &Record, content: [u8; 32]| {
        let Record { path, kind, mode, mtime, placed, .. } = record;
        let (path, size) = (path.clone(), placed.size);
        items.push(Item { path, kind: *kind, mode: *mode, mtime: *mtime, size, content });
    };
    stream(reader, audited, &mut Nothing, &mut |_| (), &mut collect)?;
    Ok(items)
}

/// Where entries go.
trait Sink {
    fn directory(&mut self, record: &Record) -> io::Result<()>;
    fn open(&mut self, record: &Record) -> io::Result<()>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn close(&mut self, record: &Record) -> io::Result<()>;
}

fn stream<R: Read + Seek>(
    reader: &mut R,
    audited: &Audited,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(u64),
    each: &mut dyn FnMut(&Record, [u8; 32]),
) -> Result<Summary, UnpackError> {
    let mut decoder = Decoder::new().map_err(UnpackError::Start)?;
    let mut summing = Summing::default();
    for record in &audited.records {
        let failed = |source| UnpackError::Write { path: record.path.clone(), source };
        let mut content = [0; 32];
        match record.kind {
            Kind::Directory => sink.directory(record).map_err(failed)?,
            Kind::File => {
                sink.open(record).map_err(failed)?;
                let mut hasher = blake3::Hasher::new();
                decoder.read(reader, record, &mut |bytes| {
                    hasher.update(bytes);
                    sink.write(bytes)?;
                    progress(bytes.len() as u64);
                    Ok(())
                })?;
                sink.close(record).map_err(failed)?;
                content = *hasher.finalize().as_bytes();
            }
        }
        let Record { path, kind, mode, mtime, placed, .. } = record;
        summing.add(path, *kind, *mode, *mtime, placed.size, &content);
        each(record, content);
    }
    Ok(summing.finish())
}

struct Nothing;

impl Sink for Nothing {
    fn directory(&mut self, _: &Record) -> io::Result<()> {
        Ok(())
    }
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

/// Files and directories below a root.
struct Tree<'d> {
    cursor: Cursor<'d>,
    file: Option<File>,
    one_by_one: bool,
}

impl Sink for Tree<'_> {
    fn directory(&mut self, record: &Record) -> io::Result<()> {
        let (parent, name) = self.cursor.at(&record.path)?;
        parent.create_directory(name)
    }

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
        if self.one_by_one {
            file.sync_all()?;
        }
        Ok(())
    }
}

impl Tree<'_> {
    /// Gives directories their modes and times: at the end, since a read-only one takes no files
    /// and every file changes the time; children first, since they can't be reached through a
    /// closed one.
    fn finish(&mut self, audited: &Audited) -> Result<(), UnpackError> {
        let directories =
            audited.records.iter().rev().filter(|record| record.kind == Kind::Directory);
        for record in directories {
            let mut finish = || {
                let (parent, name) = self.cursor.at(&record.path)?;
                let directory = parent.subdirectory(name)?;
                directory.finish(record.mode, record.mtime)?;
                if self.one_by_one {
                    directory.sync()?;
                }
                Ok(())
            };
            finish().map_err(|source| UnpackError::Write { path: record.path.clone(), source })?;
        }
        Ok(())
    }
}
