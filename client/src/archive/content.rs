//! Reads the content of one entry, held to what the audit saw: its size as it comes out, its end,
//! its CRC.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation as _};

use super::audit::Record;
use super::source::PIECE_BYTES;
use super::zip::Method;

/// Largest window of zstd that is accepted, 8 MiB by its binary logarithm: a peer must not choose
/// how much memory it takes. Ours have at most 2 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// Why a content can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The archive couldn't be read; of a sealed one, perhaps because it isn't authentic.
    #[error("can't read {path:?} from the archive")]
    Read {
        /// The entry.
        path: String,
        /// What the reader said.
        source: io::Error,
    },
    /// What came out couldn't be written.
    #[error("can't write {path:?}")]
    Write {
        /// The entry.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The content isn't what the archive says.
    #[error("the archive's entry {path:?} {damage}")]
    Damaged {
        /// The entry.
        path: String,
        /// What is wrong.
        damage: Damage,
    },
}

/// What is wrong with a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It doesn't decompress.
    #[error("does not decompress")]
    Stream,
    /// More comes out than was declared.
    #[error("is larger than declared")]
    TooLong,
    /// Less comes out than was declared.
    #[error("is smaller than declared")]
    TooShort,
    /// Bytes follow its end.
    #[error("goes on after its end")]
    Trailing,
    /// Its CRC is another.
    #[error("has a wrong checksum")]
    Checksum,
}

/// The contexts of the decompressors, kept from entry to entry.
pub(super) struct Decoder {
    zstd: ZstdDecoder<'static>,
    inflate: Decompress,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// One step of decompression.
struct Step {
    read: usize,
    written: usize,
    is_end: bool,
}

impl Decoder {
    pub(super) fn new() -> io::Result<Self> {
        let mut zstd = ZstdDecoder::new()?;
        zstd.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Self {
            zstd,
            inflate: Decompress::new(false),
            input: vec![0; PIECE_BYTES],
            output: vec![0; PIECE_BYTES],
        })
    }

    /// Hands the content of `record` to `emit`, piece by piece; never more than was declared.
    pub(super) fn read<R: Read + Seek>(
        &mut self,
        reader: &mut R,
        record: &Record,
        emit: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ContentError> {
        let path = || record.path.clone();
        let unreadable = |source| ContentError::Read { path: path(), source };
        let damaged = |damage| ContentError::Damaged { path: path(), damage };
        let placed = &record.placed;
        let (mut left, mut size) = (placed.compressed, 0_u64);
        let mut crc = crc32fast::Hasher::new();
        let mut is_end = placed.method == Method::Stored && left == 0;
        self.reset(placed.method).map_err(unreadable)?;
        reader.seek(SeekFrom::Start(record.data)).map_err(unreadable)?;
        while left > 0 {
            let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            reader.read_exact(&mut self.input[..length]).map_err(unreadable)?;
            left -= length as u64;
            let mut start = 0;
            // Once more with no input where the output was full: more may be waiting.
            let mut was_full = false;
            while start < length || was_full {
                if is_end {
                    if start < length {
                        return Err(damaged(Damage::Trailing));
                    }
                    break;
                }
                let step = self
                    .step(placed.method, start..length)
                    .ok_or_else(|| damaged(Damage::Stream))?;
                let out = match placed.method {
                    Method::Stored => &self.input[start..start + step.written],
                    _ => &self.output[..step.written],
                };
                size += out.len() as u64;
                if size > placed.size {
                    return Err(damaged(Damage::TooLong));
                }
                crc.update(out);
                emit(out).map_err(|source| ContentError::Write { path: path(), source })?;
                start += step.read;
                was_full = placed.method != Method::Stored && step.written == PIECE_BYTES;
                is_end = step.is_end || (placed.method == Method::Stored && left == 0);
                if step.read == 0 && step.written == 0 && start < length && !is_end {
                    return Err(damaged(Damage::Stream));
                }
            }
        }
        if size < placed.size || !is_end {
            return Err(damaged(Damage::TooShort));
        }
        if crc.finalize() != placed.crc {
            return Err(damaged(Damage::Checksum));
        }
        Ok(())
    }

    fn reset(&mut self, method: Method) -> io::Result<()> {
        match method {
            Method::Stored => Ok(()),
            Method::Deflate => {
                self.inflate.reset(false);
                Ok(())
            }
            Method::Zstd => self.zstd.reinit(),
        }
    }

    /// Decompresses from `range` of the input to the front of the output; `None` if it can't.
    fn step(&mut self, method: Method, range: std::ops::Range<usize>) -> Option<Step> {
        let input = &self.input[range];
        match method {
            Method::Stored => Some(Step { read: input.len(), written: input.len(), is_end: false }),
            Method::Deflate => {
                let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
                let status =
                    self.inflate.decompress(input, &mut self.output, FlushDecompress::None).ok()?;
                Some(Step {
                    read: usize::try_from(self.inflate.total_in() - read).ok()?,
                    written: usize::try_from(self.inflate.total_out() - written).ok()?,
                    is_end: status == Status::StreamEnd,
                })
            }
            Method::Zstd => {
                let status = self.zstd.run_on_buffers(input, &mut self.output).ok()?;
                Some(Step {
                    read: status.bytes_read,
                    written: status.bytes_written,
                    is_end: status.remaining == 0,
                })
            }
        }
    }
}
