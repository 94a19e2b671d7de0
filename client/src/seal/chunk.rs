//! The chunks of a blob: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-
//! Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015) over XChaCha20-Poly1305 with
//! nonce = prefix 19 B ‖ u32 counter ‖ last flag, the layout called `StreamBE32` elsewhere.

use subtle::ConstantTimeEq as _;

use super::blob::BlobError;
use super::cipher::{Cipher, NONCE_LEN, TAG_LEN};
use super::header::Header;
use crate::keys::{BlobKeys, BlobType};
use crate::secret::PersonaKey;
use keybackup_protocol::AccountId;
use rand08::{CryptoRng, RngCore};

/// Plaintext bytes of every chunk but the last.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of a full chunk with its tag.
pub(crate) const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_LEN;

/// The cipher of one blob.
pub(crate) struct ChunkCipher {
    cipher: Cipher,
    prefix: [u8; 19],
}

impl ChunkCipher {
    /// For a new blob: draws the salt and makes the header. One salt seals one plaintext.
    pub(crate) fn generate(
        rng: &mut (impl RngCore + CryptoRng),
        key: &PersonaKey,
        blob_type: BlobType,
        account: AccountId,
        version: u64,
    ) -> (Self, Header) {
        let mut header = Header {
            blob_type,
            key_id: key.key_id(),
            account,
            persona: key.persona(),
            version,
            salt: [0; 32],
            commitment: [0; 32],
        };
        rng.fill_bytes(&mut header.salt);
        let (cipher, commitment) = Self::derive(key, &header);
        header.commitment = commitment;
        (cipher, header)
    }

    /// For a blob that exists: its first bytes must be the header that its label names, and the
    /// key must be the one that the header commits to.
    pub(crate) fn open(
        key: &PersonaKey,
        found: &[u8],
        expected: &[u8; Header::LEN],
    ) -> Result<(Self, Header), BlobError> {
        let header = Header::parse(found)?;
        if found != expected {
            return Err(BlobError::HeaderMismatch);
        }
        if header.key_id != key.key_id() || header.persona != key.persona() {
            return Err(BlobError::WrongKey);
        }
        let (cipher, commitment) = Self::derive(key, &header);
        if !bool::from(commitment.ct_eq(&header.commitment)) {
            return Err(BlobError::Commitment);
        }
        Ok((cipher, header))
    }

    fn derive(key: &PersonaKey, header: &Header) -> (Self, [u8; 32]) {
        let keys = BlobKeys::derive(key, &header.salt, &header.bound_bytes());
        let (key, prefix, commitment) = keys.parts();
        (Self { cipher: Cipher::new(key), prefix: *prefix }, *commitment)
    }

    /// Seals one chunk in place. The caller counts, and never seals two under one counter.
    pub(crate) fn seal(&self, counter: u32, last: bool, chunk: &mut [u8]) -> [u8; TAG_LEN] {
        self.cipher.seal(&self.nonce(counter, last), b"", chunk)
    }

    /// Opens `chunk`, plaintext and tag, in place and gives the plaintext.
    pub(crate) fn open_chunk<'a>(
        &self,
        counter: u32,
        last: bool,
        chunk: &'a mut [u8],
    ) -> Result<&'a mut [u8], BlobError> {
        let damaged = BlobError::Damaged { chunk: counter };
        let Some((body, tag)) = chunk.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(damaged);
        };
        match self.cipher.open(&self.nonce(counter, last), b"", body, tag) {
            Ok(()) => Ok(body),
            Err(_) => Err(damaged),
        }
    }

    fn nonce(&self, counter: u32, last: bool) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[..19].copy_from_slice(&self.prefix);
        nonce[19..23].copy_from_slice(&counter.to_be_bytes());
        nonce[23] = u8::from(last);
        nonce
    }
}

#[cfg(test)]
mod tests {
    use aead_stream::{NewStream as _, StreamBE32, StreamPrimitive as _};
    use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};

    use super::*;

    #[test]
    fn chunks_are_those_of_stream_be32() {
        let key = [7; 32];
        let prefix: [u8; 19] = *b"nineteen byte nonce";
        let ours = ChunkCipher { cipher: Cipher::new(&key), prefix };
        let theirs = StreamBE32::from_aead(XChaCha20Poly1305::new(&key.into()), &prefix.into());
        for (counter, last) in [(0, false), (1, false), (0x0102_0304, true), (u32::MAX, true)] {
            let mut chunk = b"what a chunk holds".to_vec();
            let mut expected = chunk.clone();
            let tag = ours.seal(counter, last, &mut chunk);
            chunk.extend_from_slice(&tag);
            theirs.encrypt_in_place(counter, last, b"", &mut expected).expect("it encrypts");
            assert_eq!(chunk, expected);
            let plain = ours.open_chunk(counter, last, &mut chunk).expect("it opens");
            assert_eq!(plain, b"what a chunk holds");
        }
    }

    /// Holds rule 12.
    #[test]
    fn counter_and_flag_count() {
        let ours = ChunkCipher { cipher: Cipher::new(&[7; 32]), prefix: [9; 19] };
        let mut chunk = vec![1; 40];
        let tag = ours.seal(5, false, &mut chunk[..24]);
        chunk[24..].copy_from_slice(&tag);
        for (counter, last) in [(4, false), (6, false), (5, true)] {
            let opened = ours.open_chunk(counter, last, &mut chunk);
            assert!(matches!(opened, Err(BlobError::Damaged { chunk }) if chunk == counter));
        }
        assert!(ours.open_chunk(5, false, &mut chunk[..15]).is_err(), "shorter than a tag");
        assert!(ours.open_chunk(5, false, &mut chunk).is_ok());
    }
}
