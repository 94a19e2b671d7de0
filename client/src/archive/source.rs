//! Opens a file of the tree for reading, and tells whether it held still meanwhile.

use std::fs::File;
use std::io::{self, Read};

use super::dir::{self, Cursor, NodeKind, Status};

/// Size of the pieces that files are read in.
pub(super) const PIECE_BYTES: usize = 128 * 1024;

/// A regular file, open, with its state before the first byte was read.
#[derive(Debug)]
pub(super) struct Source {
    file: io::Take<File>,
    pub(super) status: Status,
}

impl Source {
    /// Opens `path`; `None` if no regular file is there any more.
    pub(super) fn open(cursor: &mut Cursor<'_>, path: &str) -> io::Result<Option<Self>> {
        let opened = cursor.at(path).and_then(|(parent, name)| parent.file(name));
        let file = match opened {
            Ok(file) => file,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let status = dir::status(&file)?;
        if status.kind != NodeKind::File {
            return Ok(None);
        }
        // What grows while it is read must not be read for ever.
        Ok(Some(Self { file: file.take(status.size), status }))
    }

    /// Fills as much of `buffer` as the file has; 0 at its end.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Whether the file is as it was when it was opened, all of it having been read.
    pub(super) fn held_still(&self) -> io::Result<bool> {
        Ok(self.file.limit() == 0 && dir::status(self.file.get_ref())? == self.status)
    }
}

/// Whether the path no longer leads to a file: removed, or a symbolic link or something else in
/// its place or in a directory's.
fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::MLINK)
    )
}
