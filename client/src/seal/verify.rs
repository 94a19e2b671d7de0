//! Verifying a whole blob from front to back, without seeking.

use std::io::{self, Read};

use zeroize::Zeroizing;

use super::blob::{BlobError, SealedBlob};
use super::chunk::{ChunkCipher, SEALED_CHUNK_BYTES};
use super::header::Header;
use super::padding::{TRAILER_BYTES, blob_plaintext_bytes};
use crate::secret::PersonaKey;

/// Reads `inner` to its end and authenticates all of it: header (which must be the `expected` one,
/// from the label), every chunk, trailer, padding, and that nothing follows. What it gives must
/// still be compared with the label's hash and lengths.
pub fn verify_blob(
    mut inner: impl Read,
    key: &PersonaKey,
    expected: &[u8; Header::LEN],
) -> Result<SealedBlob, BlobError> {
    let mut bytes = [0; Header::LEN];
    inner.read_exact(&mut bytes)?;
    let (cipher, header) = ChunkCipher::open(key, &bytes, expected)?;
    let mut hash = blake3::Hasher::new();
    hash.update(&bytes);
    let mut plaintext = Plaintext::default();

    // One byte more than a chunk: whether it comes tells whether the chunk is the last.
    let mut buffer = Zeroizing::new(vec![0; SEALED_CHUNK_BYTES + 1]);
    let mut held = 0;
    let mut blob_bytes = Header::LEN as u64;
    for counter in 0..=u32::MAX {
        held += fill(&mut inner, &mut buffer[held..])?;
        let last = held <= SEALED_CHUNK_BYTES;
        let next = buffer[SEALED_CHUNK_BYTES];
        let sealed = &mut buffer[..held.min(SEALED_CHUNK_BYTES)];
        blob_bytes += sealed.len() as u64;
        hash.update(sealed);
        plaintext.take(cipher.open_chunk(counter, last, sealed)?);
        if last {
            let zip_bytes = plaintext.zip_bytes()?;
            let blake3 = *hash.finalize().as_bytes();
            return Ok(SealedBlob { header, blake3, blob_bytes, zip_bytes });
        }
        buffer[0] = next;
        held = 1;
    }
    Err(BlobError::TooLong)
}

/// What must be remembered of the plaintext to judge its padding at the end.
#[derive(Default)]
struct Plaintext {
    bytes: u64,
    /// Just behind the last byte that is not zero, the last eight bytes aside.
    content_bytes: u64,
    /// The last eight bytes of the chunk before. A chunk with fewer has none: no blob whose length
    /// is of the format ends in one.
    trailer: Option<[u8; 8]>,
}

impl Plaintext {
    fn take(&mut self, chunk: &[u8]) {
        // What looked like a trailer was not the last: it is content after all.
        if let Some(index) =
            self.trailer.take().and_then(|bytes| bytes.iter().rposition(|byte| *byte != 0))
        {
            self.content_bytes = self.bytes - TRAILER_BYTES + index as u64 + 1;
        }
        if let Some((content, trailer)) = chunk.split_last_chunk::<8>() {
            if let Some(index) = content.iter().rposition(|byte| *byte != 0) {
                self.content_bytes = self.bytes + index as u64 + 1;
            }
            self.trailer = Some(*trailer);
        }
        self.bytes += chunk.len() as u64;
    }

    fn zip_bytes(&self) -> Result<u64, BlobError> {
        let zip_bytes = self.trailer.map(u64::from_be_bytes).ok_or(BlobError::Padding)?;
        let sound = zip_bytes <= self.bytes
            && self.content_bytes <= zip_bytes
            && blob_plaintext_bytes(zip_bytes) == self.bytes;
        if sound { Ok(zip_bytes) } else { Err(BlobError::Padding) }
    }
}

/// Reads until `buffer` is full or nothing more comes.
fn fill(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while !buffer[filled..].is_empty() {
        match inner.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
