//! Rewrites one of our zips as one that any unzip reads: deflate, Unix modes and times.

use std::io::{self, Read, Seek, Write};

use flate2::{Compress, Compression, FlushCompress, Status};

use super::audit::{AuditError, Limits, Policy, Record, audit};
use super::content::{ContentError, Decoder};
use super::entry::{Kind, Summary, Summing};
use super::source::PIECE_BYTES;
use super::zip::headers::Style;
use super::zip::writer::Writer;
use super::zip::{Meta, Method, Placed};

/// Why a zip couldn't be rewritten. What was written so far is to be thrown away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The archive is refused.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A content couldn't be had or written.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The zip couldn't be written.
    #[error("can't write the zip")]
    Write(#[source] io::Error),
    /// No memory for a decompressor.
    #[error("can't start decompressing")]
    Start(#[source] io::Error),
}

/// Rewrites the zip that all of `reader` is to `out`, in bounded memory; the caller makes it
/// durable. The summary is of what came out. Calls `progress` with the number of bytes read each
/// time some were.
pub fn export<R: Read + Seek, W: Write>(
    reader: &mut R,
    out: W,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, ExportError> {
    let audited = audit(reader, Policy::Ours, &Limits::OURS)?;
    let mut decoder = Decoder::new().map_err(ExportError::Start)?;
    let mut deflater = Deflater::new();
    let mut zip = Writer::new(out, Style::Plain);
    let mut summing = Summing::default();
    let mut all_placed = Vec::with_capacity(audited.records.len());
    for record in &audited.records {
        let mut content = [0; 32];
        let placed = if record.kind == Kind::Directory {
            zip.empty(meta(record, Placed::EMPTY)).map_err(ExportError::Write)?
        } else if record.placed.size == 0 {
            // Checks that it is empty indeed.
            decoder.read(reader, record, &mut |_| Ok(()))?;
            content = *blake3::hash(b"").as_bytes();
            zip.empty(meta(record, Placed::EMPTY)).map_err(ExportError::Write)?
        } else {
            let mut placed = Placed { method: Method::Deflate, compressed: 0, ..record.placed };
            placed.header = zip.begin(&meta(record, placed)).map_err(ExportError::Write)?;
            let mut hasher = blake3::Hasher::new();
            deflater.start();
            decoder.read(reader, record, &mut |bytes| {
                hasher.update(bytes);
                progress(bytes.len() as u64);
                deflater.feed(bytes, FlushCompress::None, &mut |out| zip.content(out))
            })?;
            deflater
                .feed(&[], FlushCompress::Finish, &mut |out| zip.content(out))
                .map_err(ExportError::Write)?;
            placed.compressed = deflater.0.total_out();
            zip.end(&meta(record, placed)).map_err(ExportError::Write)?;
            content = *hasher.finalize().as_bytes();
            placed
        };
        let Record { path, kind, mode, mtime, .. } = record;
        summing.add(path, *kind, *mode, *mtime, record.placed.size, &content);
        all_placed.push(placed);
    }
    for (record, placed) in audited.records.iter().zip(all_placed) {
        zip.list(&meta(record, placed)).map_err(ExportError::Write)?;
    }
    zip.finish().map_err(ExportError::Write)?;
    Ok(summing.finish())
}

fn meta(record: &Record, placed: Placed) -> Meta<'_> {
    Meta { placed, ..record.meta() }
}

/// Deflate's context and a buffer for what comes out.
struct Deflater(Compress, Vec<u8>);

impl Deflater {
    fn new() -> Self {
        Self(Compress::new(Compression::default(), false), vec![0; PIECE_BYTES])
    }

    fn start(&mut self) {
        self.0.reset();
    }

    /// Compresses `bytes`, and with [`FlushCompress::Finish`] ends the stream.
    fn feed(
        &mut self,
        mut bytes: &[u8],
        flush: FlushCompress,
        ready: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let (read, written) = (self.0.total_in(), self.0.total_out());
            let status = self.0.compress(bytes, &mut self.1, flush)?;
            let read = usize::try_from(self.0.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.0.total_out() - written).unwrap_or(usize::MAX);
            bytes = &bytes[read..];
            ready(&self.1[..written])?;
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => bytes.is_empty(),
            };
            if is_done {
                return Ok(());
            }
        }
    }
}
