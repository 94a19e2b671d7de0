//! Sealing a blob while its zip is written.

use std::io::{self, Write};

use keybackup_protocol::AccountId;
use keybackup_protocol::limits::MAX_BLOB_BYTES;
use rand08::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::blob::{BlobError, SealedBlob};
use super::chunk::{CHUNK_BYTES, ChunkCipher, SEALED_CHUNK_BYTES};
use super::header::Header;
use super::padding::{TRAILER_BYTES, blob_bytes, blob_plaintext_bytes};
use crate::keys::BlobType;
use crate::secret::PersonaKey;

/// Takes a zip through [`Write`] and puts a sealed blob into `W`, one `write_all` a chunk. Holds
/// one chunk; encrypts it in place. A writer that is dropped without [`finish`](Self::finish), or
/// whose write failed, has made nothing that opens: throw it away and seal anew.
pub struct BlobWriter<W> {
    out: W,
    cipher: ChunkCipher,
    header: Header,
    hash: blake3::Hasher,
    counter: u32,
    /// Room for one chunk and its tag, of which `filled` bytes are plaintext.
    chunk: Zeroizing<Vec<u8>>,
    filled: usize,
    zip_bytes: u64,
}

impl<W: Write> BlobWriter<W> {
    /// Begins a blob for version `version` of the key's persona, under a fresh salt.
    pub fn create(
        rng: &mut (impl RngCore + CryptoRng),
        key: &PersonaKey,
        blob_type: BlobType,
        account: AccountId,
        version: u64,
        mut out: W,
    ) -> io::Result<Self> {
        let (cipher, header) = ChunkCipher::generate(rng, key, blob_type, account, version);
        let bytes = header.to_bytes();
        out.write_all(&bytes)?;
        let mut hash = blake3::Hasher::new();
        hash.update(&bytes);
        let chunk = Zeroizing::new(vec![0; SEALED_CHUNK_BYTES]);
        Ok(Self { out, cipher, header, hash, counter: 0, chunk, filled: 0, zip_bytes: 0 })
    }

    /// Ends the zip: pads, seals the last chunk, flushes.
    pub fn finish(mut self) -> io::Result<(W, SealedBlob)> {
        let zip_bytes = self.zip_bytes;
        let plaintext_bytes = blob_plaintext_bytes(zip_bytes);
        let mut zeros = plaintext_bytes - TRAILER_BYTES - zip_bytes;
        while zeros > 0 {
            let room = self.room()?;
            let count = usize::try_from(zeros).map_or(room.len(), |zeros| zeros.min(room.len()));
            room[..count].fill(0);
            self.filled += count;
            zeros -= count as u64;
        }
        let mut trailer = &zip_bytes.to_be_bytes()[..];
        while !trailer.is_empty() {
            let count = self.put(trailer)?;
            trailer = &trailer[count..];
        }
        self.seal_chunk(true)?;
        self.out.flush()?;
        let sealed = SealedBlob {
            header: self.header,
            blake3: *self.hash.finalize().as_bytes(),
            blob_bytes: blob_bytes(zip_bytes),
            zip_bytes,
        };
        Ok((self.out, sealed))
    }

    /// Room in the chunk. A full chunk is sealed only here, when more is to come, so that the
    /// last one is never empty.
    fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.filled == CHUNK_BYTES {
            self.seal_chunk(false)?;
        }
        Ok(&mut self.chunk[self.filled..CHUNK_BYTES])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room()?;
        let count = bytes.len().min(room.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        Ok(count)
    }

    fn seal_chunk(&mut self, last: bool) -> io::Result<()> {
        let counter = self.counter;
        // Moves on before anything is written: a counter is used once, whatever happens.
        self.counter = counter.checked_add(1).ok_or(BlobError::TooLong)?;
        let (chunk, room) = self.chunk.split_at_mut(self.filled);
        self.filled = 0;
        let tag = self.cipher.seal(counter, last, chunk);
        room[..tag.len()].copy_from_slice(&tag);
        let sealed_bytes = chunk.len() + tag.len();
        let sealed = &self.chunk[..sealed_bytes];
        self.hash.update(sealed);
        self.out.write_all(sealed)
    }
}

impl<W: Write> Write for BlobWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let zip_bytes = self.zip_bytes.saturating_add(bytes.len() as u64);
        // A zip as long as a blob may be is too long already; beyond, the sum would overflow.
        if blob_bytes(zip_bytes.min(MAX_BLOB_BYTES)) > MAX_BLOB_BYTES {
            return Err(BlobError::TooLong.into());
        }
        let count = self.put(bytes)?;
        self.zip_bytes += count as u64;
        Ok(count)
    }

    /// Flushes what has been sealed; a chunk that is not full waits.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use keybackup_protocol::{KeyId, PersonaId};
    use rand08::rngs::OsRng;

    use super::*;
    use crate::secret::DerivedKey;

    fn writer<W: Write>(out: W) -> BlobWriter<W> {
        let secret = DerivedKey::init_with(|key| key.fill(7));
        let key =
            PersonaKey::new(KeyId::from_bytes([2; 8]), PersonaId::from_bytes([3; 16]), secret);
        let account = AccountId::from_bytes([1; 16]);
        BlobWriter::create(&mut OsRng, &key, BlobType::Directory, account, 5, out)
            .expect("memory takes it")
    }

    #[test]
    fn a_zip_that_no_blob_can_hold_is_refused_before_it_is_sealed() {
        // Padding goes in steps of 2^33 there, and the last one below the limit leaves room.
        let longest = blob_plaintext_bytes(MAX_BLOB_BYTES - (1 << 34)) - TRAILER_BYTES;
        assert!(blob_bytes(longest) <= MAX_BLOB_BYTES && blob_bytes(longest + 1) > MAX_BLOB_BYTES);
        for (before, fits) in [
            (longest - 1, true),
            (longest, false),
            (MAX_BLOB_BYTES, false),
            (u64::MAX - 1, false),
            (u64::MAX, false),
        ] {
            let mut writer = writer(Vec::new());
            writer.zip_bytes = before;
            match writer.write(b"x") {
                Ok(count) => assert!(fits && count == 1, "{before}"),
                Err(error) => {
                    assert!(!fits && error.kind() == io::ErrorKind::FileTooLarge, "{before}");
                }
            }
            assert_eq!(writer.filled, usize::from(fits), "{before}");
        }
    }

    #[test]
    fn a_flush_goes_through() {
        let mut writer = writer(io::BufWriter::with_capacity(1024, Vec::new()));
        assert_eq!(writer.out.get_ref().len(), 0);
        writer.flush().expect("memory takes it");
        assert_eq!(writer.out.get_ref().len(), Header::LEN);
    }
}
