//! Rewrites somebody else's audited zip as one of ours, so that an import is sealed without ever
//! lying unpacked on the disk.

use std::io::{self, Read, Seek, Write};

use super::audit::{Audited, Record};
use super::compress::{Compressor, SAMPLE_BYTES};
use super::content::{ContentError, Decoder};
use super::entry::{Kind, Summing};
use super::pack::Packed;
use super::stat_cache::StatCache;
use super::zip::headers::Style;
use super::zip::writer::Writer;
use super::zip::{Meta, Method, Placed};

/// Why a zip couldn't be rewritten. What was written so far is to be thrown away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepackError {
    /// A content couldn't be had or written.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The zip couldn't be written, or what it is written into failed.
    #[error("can't write the archive")]
    Write(#[source] io::Error),
    /// No memory for a compressor.
    #[error("can't start compressing")]
    Start(#[source] io::Error),
}

/// Rewrites what `audited` lists of `reader` to `out`, in bounded memory. Calls `progress` with
/// the number of bytes read each time some were.
pub fn repack<R: Read + Seek, W: Write>(
    reader: &mut R,
    audited: &Audited,
    out: W,
    progress: &mut dyn FnMut(u64),
) -> Result<Packed, RepackError> {
    let mut decoder = Decoder::new().map_err(RepackError::Start)?;
    let mut compressor = Compressor::new().map_err(RepackError::Start)?;
    let mut zip = Writer::new(out, Style::Sealed);
    let mut summing = Summing::default();
    let mut all_placed = Vec::with_capacity(audited.records.len());
    for record in &audited.records {
        let mut content = [0; 32];
        let placed = match record.kind {
            Kind::Directory => {
                zip.empty(meta(record, Placed::EMPTY)).map_err(RepackError::Write)?
            }
            Kind::File => {
                let mut file = File {
                    record,
                    zip: &mut zip,
                    compressor: &mut compressor,
                    placed: None,
                    hasher: blake3::Hasher::new(),
                };
                decoder.read(reader, record, &mut |bytes| {
                    progress(bytes.len() as u64);
                    file.feed(bytes)
                })?;
                content = *file.hasher.finalize().as_bytes();
                file.end().map_err(RepackError::Write)?
            }
        };
        let Record { path, kind, mode, mtime, placed: Placed { size, .. }, .. } = record;
        summing.add(path, *kind, *mode, *mtime, *size, &content);
        all_placed.push(placed);
    }
    for (record, placed) in audited.records.iter().zip(all_placed) {
        zip.list(&meta(record, placed)).map_err(RepackError::Write)?;
    }
    let zip_bytes = zip.finish().map_err(RepackError::Write)?;
    let (changed, cache) = (Vec::new(), StatCache::default());
    Ok(Packed { zip_bytes, summary: summing.finish(), changed, cache })
}

/// The content of the file at `path`, if there is one of at most `max_bytes`.
pub fn small_content<R: Read + Seek>(
    reader: &mut R,
    audited: &Audited,
    path: &str,
    max_bytes: u64,
) -> Result<Option<Vec<u8>>, RepackError> {
    let is_small = |record: &&Record| record.kind == Kind::File && record.placed.size <= max_bytes;
    let Some(record) = audited.find(path).filter(is_small) else { return Ok(None) };
    let mut content = Vec::new();
    Decoder::new().map_err(RepackError::Start)?.read(reader, record, &mut |bytes| {
        content.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(Some(content))
}

/// One file on its way from zip to zip.
struct File<'a, W> {
    record: &'a Record,
    zip: &'a mut Writer<W>,
    compressor: &'a mut Compressor,
    /// `None` until the first bytes came.
    placed: Option<Placed>,
    hasher: blake3::Hasher,
}

impl<W: Write> File<'_, W> {
    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.hasher.update(bytes);
        if self.placed.is_none() {
            let pays = self.compressor.pays(&bytes[..bytes.len().min(SAMPLE_BYTES)])?;
            let method = if pays { Method::Zstd } else { Method::Stored };
            let mut placed = Placed { method, compressed: 0, ..self.record.placed };
            placed.header = self.zip.begin(&meta(self.record, placed))?;
            self.compressor.start()?;
            self.placed = Some(placed);
        }
        let placed = self.placed.as_mut().expect("it was just set");
        let is_zstd = placed.method == Method::Zstd;
        let zip = &mut *self.zip;
        let mut put = |out: &[u8]| {
            placed.compressed += out.len() as u64;
            zip.content(out)
        };
        if is_zstd { self.compressor.feed(bytes, &mut put) } else { put(bytes) }
    }

    fn end(mut self) -> io::Result<Placed> {
        let Some(mut placed) = self.placed.take() else {
            return self.zip.empty(meta(self.record, Placed::EMPTY));
        };
        if placed.method == Method::Zstd {
            let zip = &mut *self.zip;
            self.compressor.end(&mut |out| {
                placed.compressed += out.len() as u64;
                zip.content(out)
            })?;
        }
        self.zip.end(&meta(self.record, placed))?;
        Ok(placed)
    }
}

fn meta(record: &Record, placed: Placed) -> Meta<'_> {
    Meta { placed, ..record.meta() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::archive::audit::Policy;
    use crate::archive::testing::{audited, fingerprinted, forged, stored, unpacked};

    #[test]
    fn what_is_repacked_is_ours_and_the_same() {
        let text = "text ".repeat(100_000);
        let files = [("a/b", text.as_str()), ("a/empty", ""), ("c", "xyz")];
        let files = files.map(|(path, content)| (stored(path, content.as_bytes()), content));
        let files = files.map(|(meta, content)| (meta, content.as_bytes()));
        let zip = forged(Style::Plain, &files);
        let foreign = audited(&zip, Policy::Foreign).expect("good");
        let mut ours = Vec::new();
        let mut read = 0;
        let mut progress = |bytes| read += bytes;
        let packed =
            repack(&mut Cursor::new(&zip), &foreign, &mut ours, &mut progress).expect("repacked");
        assert_eq!((packed.zip_bytes, read), (ours.len() as u64, foreign.bytes));
        assert!(ours.len() < 2_000, "{}", ours.len());
        let restored = fingerprinted(&unpacked(&ours, Policy::Ours));
        assert_eq!(restored.summary, packed.summary);
        assert_eq!(restored.items(), fingerprinted(&unpacked(&zip, Policy::Foreign)).items());

        let small = |path, limit| {
            small_content(&mut Cursor::new(&zip), &foreign, path, limit).expect("readable")
        };
        assert_eq!(small("c", 3).as_deref(), Some(&b"xyz"[..]));
        assert_eq!((small("c", 2), small("a", 9), small("x", 9)), (None, None, None));
    }
}
