//! The bytes of one version, brought here and held against their label.

use std::io::{self, Seek, Write};
use std::path::Path;

use keybackup_protocol::{PersonaId, limits};

use super::{Vault, VaultError};
use crate::records::{Content, Digest, Label};
use crate::remote::Progress;
use crate::seal::{BlobError, BlobReader};
use crate::secret::PersonaKey;
use crate::spool::Spool;

/// Writes through, and hashes.
struct Hashing<'a> {
    into: &'a mut Spool,
    hasher: blake3::Hasher,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.into.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

impl Vault {
    /// Downloads the blob that `label` names into a spool in `directory`, whose room is checked
    /// first, and opens it: every byte is the one that was pushed, or this is an error.
    pub fn fetch(
        &self,
        persona: PersonaId,
        label: &Label,
        directory: &Path,
        progress: Progress<'_>,
    ) -> Result<BlobReader<Spool>, VaultError> {
        let (content, version) = named_content(label)?;
        let mut spool = Spool::for_bytes(directory, content.blob_bytes)?;
        let mut hashing = Hashing { into: &mut spool, hasher: blake3::Hasher::new() };
        self.remote.blob(&persona, version, content.blob_bytes, &mut hashing, progress)?;
        let hash = Digest::from(*hashing.hasher.finalize().as_bytes());
        if hash != content.blake3 {
            return Err(BlobError::HashMismatch.into());
        }
        spool.rewind()?;
        let key = self.content_key(persona, content)?;
        let reader = BlobReader::open(spool, &key, content.header.as_bytes())?;
        if reader.zip_bytes() != content.zip_bytes {
            return Err(BlobError::ZipBytes.into());
        }
        Ok(reader)
    }

    /// The key of a blob: its header names the vault key that it was sealed under.
    pub fn content_key(
        &self,
        persona: PersonaId,
        content: &Content,
    ) -> Result<PersonaKey, VaultError> {
        let key_id = content.header.key_id();
        self.keyring
            .persona_key(key_id, persona)
            .ok_or_else(|| BlobError::UnknownKey(key_id).into())
    }
}

/// The content that a label names, and the version that brought it.
pub(super) fn named_content(label: &Label) -> Result<(&Content, u64), VaultError> {
    let (Some(content), Some(version)) = (&label.content, label.content_version) else {
        return Err(BlobError::NoContent.into());
    };
    if content.blob_bytes > limits::MAX_BLOB_BYTES {
        return Err(BlobError::TooLong.into());
    }
    Ok((content, version))
}
