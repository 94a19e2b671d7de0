//! Packs entries one after the other into a stretch of a zip, and tells of each whether it is what
//! was seen before.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use super::compress::{Compressor, SAMPLE_BYTES};
use super::dir::{Cursor, Dir};
use super::entry::{Item, Kind};
use super::pack::{PackError, meta};
use super::plan::Look;
use super::source::{PIECE_BYTES, Source};
use super::zip::headers::Style;
use super::zip::writer::Writer;
use super::zip::{Method, Placed};

/// Files to this size are read whole before they are compressed.
pub(super) const WHOLE_BYTES: usize = 1024 * 1024;
/// Bytes of a part.
const PART_BYTES: usize = 256 * 1024;

/// What one thread hands to another.
pub(super) enum Part {
    /// The next bytes of the stretch.
    Bytes(Vec<u8>),
    /// It is over: what became of its entries.
    End(Result<Vec<Outcome>, PackError>),
}

/// What became of an entry.
pub(super) struct Outcome {
    /// Where it lies; `None` if it went.
    pub(super) placed: Option<Placed>,
    /// BLAKE3 of the content, zeros for a directory.
    pub(super) content: [u8; 32],
    /// What was packed, where that is not what was seen.
    pub(super) changed: Option<Box<Item>>,
}

impl Outcome {
    pub(super) const fn is_same(&self) -> bool {
        self.placed.is_some() && self.changed.is_none()
    }

    /// The same, in a stretch that begins at `start`.
    pub(super) fn moved_by(mut self, start: u64) -> Self {
        if let Some(placed) = &mut self.placed {
            placed.header += start;
        }
        self
    }
}

/// Packs entries, one stretch after another.
pub(super) struct Packer<'p> {
    cursor: Cursor<'p>,
    zip: Writer<Line<'p>>,
    compressor: Compressor,
    buffer: Vec<u8>,
    read: &'p AtomicU64,
}

impl<'p> Packer<'p> {
    /// Adds what it reads to `read`, and hands on what it makes to `parts`.
    pub(super) fn new(
        root: &'p Dir,
        read: &'p AtomicU64,
        parts: &'p SyncSender<Part>,
    ) -> io::Result<Self> {
        Ok(Self {
            cursor: Cursor::new(root),
            zip: Writer::new(Line { parts, held: Vec::new() }, Style::Sealed),
            compressor: Compressor::new()?,
            buffer: Vec::new(),
            read,
        })
    }

    /// Ends a stretch; what comes next is another one's.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.zip.begin_anew()
    }

    /// Packs one entry.
    pub(super) fn item(&mut self, seen: &Item, look: Look<'_>) -> Result<Outcome, PackError> {
        if seen.kind == Kind::Directory {
            let placed = self.zip.empty(meta(seen, Placed::EMPTY)).map_err(PackError::Write)?;
            return Ok(Outcome { placed: Some(placed), content: seen.content, changed: None });
        }
        let unreadable = |source| PackError::Read { path: seen.path.clone(), source };
        let opened = Source::open(&mut self.cursor, &seen.path).map_err(unreadable)?;
        let Some(mut source) = opened else {
            return Ok(Outcome { placed: None, content: seen.content, changed: None });
        };
        let mut item = seen.clone();
        (item.mode, item.mtime) = (source.status.mode, source.status.mtime);
        let placed = if source.status.size <= WHOLE_BYTES as u64 {
            self.whole(&mut item, &mut source)
        } else {
            self.pieces(&mut item, &mut source)
        }?;
        let held_still = source.held_still().map_err(unreadable)?;
        let is_same = held_still && look.is_same(seen, &item, &source.status);
        let content = item.content;
        let changed = (!is_same).then(|| Box::new(item));
        Ok(Outcome { placed: Some(placed), content, changed })
    }

    /// Packs a file that fits into memory.
    fn whole(&mut self, item: &mut Item, source: &mut Source) -> Result<Placed, PackError> {
        self.buffer.resize(WHOLE_BYTES, 0);
        let read = fill(source, &mut self.buffer, item)?;
        let content = &self.buffer[..read];
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        (item.size, item.content) = (read as u64, *blake3::hash(content).as_bytes());
        let compressed = self.compressor.compress(content).map_err(PackError::Write)?;
        let mut placed = Placed {
            method: if compressed.is_some() { Method::Zstd } else { Method::Stored },
            crc: crc32fast::hash(content),
            size: item.size,
            compressed: compressed.map_or(read, <[u8]>::len) as u64,
            header: 0,
        };
        let mut write = || {
            placed.header = self.zip.begin(&meta(item, placed))?;
            self.zip.content(compressed.unwrap_or(content))?;
            self.zip.end(&meta(item, placed))?;
            Ok(placed)
        };
        write().map_err(PackError::Write)
    }

    /// Packs a file piece by piece.
    fn pieces(&mut self, item: &mut Item, source: &mut Source) -> Result<Placed, PackError> {
        self.buffer.resize(WHOLE_BYTES, 0);
        let buffer = &mut self.buffer[..PIECE_BYTES];
        let mut read = fill(source, buffer, item)?;
        let sample = &buffer[..read.min(SAMPLE_BYTES)];
        let pays = self.compressor.pays(sample).map_err(PackError::Write)?;
        let method = if pays { Method::Zstd } else { Method::Stored };
        let mut placed = Placed { method, ..Placed::EMPTY };
        placed.header = self.zip.begin(&meta(item, placed)).map_err(PackError::Write)?;

        let (mut content, mut crc) = (blake3::Hasher::new(), crc32fast::Hasher::new());
        let zip = &mut self.zip;
        let mut put = |bytes: &[u8]| {
            placed.compressed += bytes.len() as u64;
            zip.content(bytes)
        };
        self.compressor.start().map_err(PackError::Write)?;
        while read > 0 {
            let piece = &buffer[..read];
            content.update(piece);
            crc.update(piece);
            placed.size += read as u64;
            self.read.fetch_add(read as u64, Ordering::Relaxed);
            if pays { self.compressor.feed(piece, &mut put) } else { put(piece) }
                .map_err(PackError::Write)?;
            read = fill(source, buffer, item)?;
        }
        if pays {
            self.compressor.end(&mut put).map_err(PackError::Write)?;
        }
        (item.size, item.content) = (placed.size, *content.finalize().as_bytes());
        placed.crc = crc.finalize();
        self.zip.end(&meta(item, placed)).map_err(PackError::Write)?;
        Ok(placed)
    }
}

fn fill(source: &mut Source, buffer: &mut [u8], item: &Item) -> Result<usize, PackError> {
    source.fill(buffer).map_err(|source| PackError::Read { path: item.path.clone(), source })
}

/// The way to the thread that puts stretches together.
struct Line<'l> {
    parts: &'l SyncSender<Part>,
    held: Vec<u8>,
}

impl Line<'_> {
    fn send(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.held);
        // Nobody takes it any more: the pack has failed.
        self.parts.send(Part::Bytes(bytes)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.capacity() == 0 {
            self.held.reserve_exact(PART_BYTES);
        }
        let count = bytes.len().min(PART_BYTES - self.held.len());
        self.held.extend_from_slice(&bytes[..count]);
        if self.held.len() == PART_BYTES {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() { Ok(()) } else { self.send() }
    }
}
