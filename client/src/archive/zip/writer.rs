//! Writes a zip from front to back: local headers and contents, then the central directory.

use std::io::{self, Write};

use super::headers::{Style, end_records};
use super::{Meta, Placed};

/// A zip under way.
#[derive(Debug)]
pub(in super::super) struct Writer<W> {
    out: W,
    style: Style,
    position: u64,
    directory: u64,
    count: u64,
}

impl<W: Write> Writer<W> {
    pub(in super::super) const fn new(out: W, style: Style) -> Self {
        Self { out, style, position: 0, directory: 0, count: 0 }
    }

    /// Bytes written so far.
    pub(in super::super) const fn position(&self) -> u64 {
        self.position
    }

    /// Flushes, and counts positions from here.
    pub(in super::super) fn begin_anew(&mut self) -> io::Result<()> {
        self.position = 0;
        self.out.flush()
    }

    /// Writes the local header; returns its position. The content follows by [`Self::content`].
    pub(in super::super) fn begin(&mut self, meta: &Meta<'_>) -> io::Result<u64> {
        let header = self.position;
        self.put(&meta.local_header(self.style))?;
        Ok(header)
    }

    pub(in super::super) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)
    }

    /// Ends the content of the entry that was begun; `meta` now has sizes and CRC.
    pub(in super::super) fn end(&mut self, meta: &Meta<'_>) -> io::Result<()> {
        if meta.has_descriptor(self.style) {
            self.put(&meta.descriptor(self.style))?;
        }
        Ok(())
    }

    /// Writes an entry without content.
    pub(in super::super) fn empty(&mut self, meta: Meta<'_>) -> io::Result<Placed> {
        let header = self.begin(&meta)?;
        let placed = Placed { header, ..Placed::EMPTY };
        self.end(&Meta { placed, ..meta })?;
        Ok(placed)
    }

    /// Writes the next header of the central directory, in the order of the entries. After the
    /// first, no entry may begin.
    pub(in super::super) fn list(&mut self, meta: &Meta<'_>) -> io::Result<()> {
        if self.count == 0 {
            self.directory = self.position;
        }
        self.count += 1;
        self.put(&meta.central_header(self.style))
    }

    /// Writes the end; returns the zip's length in bytes.
    pub(in super::super) fn finish(mut self) -> io::Result<u64> {
        if self.count == 0 {
            self.directory = self.position;
        }
        let bytes = self.position - self.directory;
        self.put(&end_records(self.style, self.count, self.directory, bytes))?;
        self.out.flush()?;
        Ok(self.position)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}
