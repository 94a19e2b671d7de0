//! Random access to the zip inside a blob; only one chunk is in the clear at a time.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use keybackup_protocol::limits::MAX_BLOB_BYTES;
use zeroize::Zeroizing;

use super::blob::BlobError;
use super::chunk::{CHUNK_BYTES, ChunkCipher, SEALED_CHUNK_BYTES};
use super::cipher::TAG_LEN;
use super::header::Header;
use super::padding::{TRAILER_BYTES, blob_bytes, blob_plaintext_bytes, plaintext_of_blob};
use crate::secret::PersonaKey;

/// Reads and seeks in the zip of a blob. Nothing leaves it that was not authenticated; chunks that
/// nobody reads are not looked at, so it proves only what was read (and the padding).
///
/// Errors of `Read` and `Seek` are those of `R`, or hold a [`BlobError`].
pub struct BlobReader<R> {
    inner: R,
    /// Where `inner` stands, to seek only when it must.
    inner_at: u64,
    cipher: Arc<ChunkCipher>,
    plaintext_bytes: u64,
    zip_bytes: u64,
    /// Where the next read begins, in the zip.
    position: u64,
    /// One sealed chunk, opened in place.
    chunk: Zeroizing<Vec<u8>>,
    /// Which chunk stands opened there.
    opened: Option<u32>,
}

impl<R: Read + Seek> BlobReader<R> {
    /// Opens a blob that is all of `inner`. Checks that its header is the `expected` one, from
    /// the label; the commitment; the length; the trailer; and all of the padding, which makes
    /// it read up to 12 % of the blob (of a large one 3 %).
    pub fn open(
        inner: R,
        key: &PersonaKey,
        expected: &[u8; Header::LEN],
    ) -> Result<Self, BlobError> {
        let mut reader = Self::start(inner, key, expected)?;
        reader.check_padding(0)?;
        Ok(reader)
    }

    /// The same for a blob that is far away: of the padding it checks only what lies in the last
    /// chunk, which holds the trailer. All that is read is authentic nevertheless.
    pub fn open_sparse(
        inner: R,
        key: &PersonaKey,
        expected: &[u8; Header::LEN],
    ) -> Result<Self, BlobError> {
        let mut reader = Self::start(inner, key, expected)?;
        let last_chunk_at = (reader.plaintext_bytes - 1) / CHUNK_BYTES as u64 * CHUNK_BYTES as u64;
        reader.check_padding(last_chunk_at)?;
        Ok(reader)
    }

    fn start(
        mut inner: R,
        key: &PersonaKey,
        expected: &[u8; Header::LEN],
    ) -> Result<Self, BlobError> {
        let blob_bytes = inner.seek(SeekFrom::End(0))?;
        inner.rewind()?;
        let mut header = [0; Header::LEN];
        inner.read_exact(&mut header)?;
        let (cipher, _) = ChunkCipher::open(key, &header, expected)?;
        let plaintext_bytes =
            plaintext_of_blob(blob_bytes).ok_or_else(|| length_error(blob_bytes))?;
        let mut reader = Self {
            inner,
            inner_at: Header::LEN as u64,
            cipher: Arc::new(cipher),
            plaintext_bytes,
            zip_bytes: 0,
            position: 0,
            chunk: Zeroizing::new(vec![0; SEALED_CHUNK_BYTES]),
            opened: None,
        };
        reader.zip_bytes = reader.trailer()?;
        Ok(reader)
    }

    /// Length of the zip.
    pub const fn zip_bytes(&self) -> u64 {
        self.zip_bytes
    }

    /// Another one, from the start, that reads independently of this one.
    #[must_use]
    pub fn another(&self) -> Self
    where
        R: Clone,
    {
        Self {
            inner: self.inner.clone(),
            // Wherever a clone stands: the first read seeks.
            inner_at: u64::MAX,
            cipher: Arc::clone(&self.cipher),
            position: 0,
            chunk: Zeroizing::new(vec![0; SEALED_CHUNK_BYTES]),
            opened: None,
            plaintext_bytes: self.plaintext_bytes,
            zip_bytes: self.zip_bytes,
        }
    }

    /// What it reads from.
    pub const fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Where in the blob the chunk begins that holds byte `position` of the zip.
    pub const fn chunk_at(position: u64) -> u64 {
        Header::LEN as u64 + position / CHUNK_BYTES as u64 * SEALED_CHUNK_BYTES as u64
    }

    /// Gives back what it reads from.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Where the trailer begins in the plaintext.
    const fn trailer_at(&self) -> u64 {
        self.plaintext_bytes - TRAILER_BYTES
    }

    /// The zip length, if the plaintext can have it.
    fn trailer(&mut self) -> Result<u64, BlobError> {
        // Lengths of the format leave far more than a trailer in the last chunk.
        let trailer =
            self.plaintext_at(self.trailer_at())?.first_chunk().ok_or(BlobError::Padding)?;
        let zip_bytes = u64::from_be_bytes(*trailer);
        let fits = zip_bytes <= self.trailer_at()
            && blob_plaintext_bytes(zip_bytes) == self.plaintext_bytes;
        if fits { Ok(zip_bytes) } else { Err(BlobError::Padding) }
    }

    /// Checks every byte between zip and trailer, from `from` on.
    fn check_padding(&mut self, from: u64) -> Result<(), BlobError> {
        let end = self.trailer_at();
        let mut at = self.zip_bytes.max(from);
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let plaintext = self.plaintext_at(at)?;
            let padding = &plaintext[..plaintext.len().min(left)];
            if padding.iter().any(|byte| *byte != 0) {
                return Err(BlobError::Padding);
            }
            at += padding.len() as u64;
        }
        Ok(())
    }

    /// The authenticated plaintext from `at` to the end of its chunk; never empty.
    fn plaintext_at(&mut self, at: u64) -> Result<&[u8], BlobError> {
        let counter = u32::try_from(at / CHUNK_BYTES as u64).map_err(|_| BlobError::TooLong)?;
        let offset = usize::try_from(at % CHUNK_BYTES as u64).map_err(|_| BlobError::TooLong)?;
        let start = u64::from(counter) * CHUNK_BYTES as u64;
        let rest = self.plaintext_bytes - start;
        let last = rest <= CHUNK_BYTES as u64;
        let length = if last { usize::try_from(rest).unwrap_or(CHUNK_BYTES) } else { CHUNK_BYTES };
        if self.opened != Some(counter) {
            self.load(counter, last, length + TAG_LEN)?;
        }
        Ok(&self.chunk[offset..length])
    }

    fn load(&mut self, counter: u32, last: bool, sealed_bytes: usize) -> Result<(), BlobError> {
        self.opened = None;
        let at = Self::chunk_at(u64::from(counter) * CHUNK_BYTES as u64);
        if self.inner_at != at {
            self.inner.seek(SeekFrom::Start(at))?;
        }
        // Unknown until the read is done.
        self.inner_at = u64::MAX;
        let sealed = &mut self.chunk[..sealed_bytes];
        self.inner.read_exact(sealed)?;
        self.inner_at = at + sealed_bytes as u64;
        self.cipher.open_chunk(counter, last, sealed)?;
        self.opened = Some(counter);
        Ok(())
    }
}

fn length_error(bytes: u64) -> BlobError {
    match bytes {
        bytes if bytes < blob_bytes(0) => BlobError::Truncated,
        bytes if bytes > MAX_BLOB_BYTES => BlobError::TooLong,
        _ => BlobError::Padding,
    }
}

impl<R: Read + Seek> Read for BlobReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.zip_bytes.saturating_sub(self.position);
        if left == 0 || out.is_empty() {
            return Ok(0);
        }
        let plaintext = self.plaintext_at(self.position)?;
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let count = plaintext.len().min(out.len()).min(left);
        out[..count].copy_from_slice(&plaintext[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for BlobReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.zip_bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the start")
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_no_blob_has_is_told_from_one_that_ended_early() {
        assert!(matches!(length_error(0), BlobError::Truncated));
        assert!(matches!(length_error(blob_bytes(0) - 1), BlobError::Truncated));
        for odd in [blob_bytes(0), blob_bytes(0) + 1, MAX_BLOB_BYTES] {
            assert!(matches!(length_error(odd), BlobError::Padding), "{odd}");
        }
        assert!(matches!(length_error(MAX_BLOB_BYTES + 1), BlobError::TooLong));
    }
}
