//! Compresses contents with zstd, or leaves them as they are where a sample doesn't shrink.

use std::io;

use zstd::bulk;
use zstd::stream::raw::{Encoder, Operation as _};

/// zstd's level; its window is then at most 2 MiB.
const LEVEL: i32 = 3;
/// How much of a content's front tells whether it shrinks.
pub(super) const SAMPLE_BYTES: usize = 64 * 1024;

/// The contexts of zstd, kept from file to file: making one costs more than a small file.
pub(super) struct Compressor {
    whole: bulk::Compressor<'static>,
    stream: Encoder<'static>,
    out: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            whole: bulk::Compressor::new(LEVEL)?,
            stream: Encoder::new(LEVEL)?,
            out: Vec::new(),
        })
    }

    /// The compressed form of a content that is in memory; `None` if it doesn't pay.
    pub(super) fn compress(&mut self, content: &[u8]) -> io::Result<Option<&[u8]>> {
        if content.len() > SAMPLE_BYTES && !self.pays(&content[..SAMPLE_BYTES])? {
            return Ok(None);
        }
        Ok(if self.pays(content)? { Some(&self.out) } else { None })
    }

    /// Compresses `content` and tells whether that saves more than one part in 64.
    pub(super) fn pays(&mut self, content: &[u8]) -> io::Result<bool> {
        self.out.clear();
        self.out.reserve(zstd::zstd_safe::compress_bound(content.len()));
        self.whole.compress_to_buffer(content, &mut self.out)?;
        Ok(self.out.len() + content.len() / 64 < content.len())
    }

    /// Begins a content that comes in pieces.
    pub(super) fn start(&mut self) -> io::Result<()> {
        self.out.resize(zstd::zstd_safe::CCtx::out_size(), 0);
        self.stream.reinit()
    }

    /// Takes the next piece; hands on what is ready.
    pub(super) fn feed(
        &mut self,
        mut piece: &[u8],
        ready: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !piece.is_empty() {
            let status = self.stream.run_on_buffers(piece, &mut self.out)?;
            piece = &piece[status.bytes_read..];
            ready(&self.out[..status.bytes_written])?;
        }
        Ok(())
    }

    /// Hands on the rest.
    pub(super) fn end(&mut self, ready: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            let mut out = zstd::stream::raw::OutBuffer::around(self.out.as_mut_slice());
            let left = self.stream.finish(&mut out, true)?;
            ready(out.as_slice())?;
            if left == 0 {
                return Ok(());
            }
        }
    }
}
