//! The bytes of one version, brought here and held against their label.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use bytes::Bytes;
use keybackup_protocol::{PersonaId, limits};

use super::{Vault, VaultError};
use crate::received::{Received, Receiving};
use crate::records::{Content, Digest, Label};
use crate::remote::Progress;
use crate::seal::{BlobError, BlobReader};
use crate::secret::PersonaKey;

/// Pieces that have come and wait to be hashed and kept.
const PIECES_AHEAD: usize = 8;

impl Vault {
    /// Downloads the blob that `label` names, beyond 8 MiB into `directory`, whose room is checked
    /// first, and opens it: every byte is the one that was pushed, or this is an error.
    pub fn fetch(
        &self,
        persona: PersonaId,
        label: &Label,
        directory: &Path,
        progress: Progress<'_>,
    ) -> Result<BlobReader<Received>, VaultError> {
        let (content, version) = named_content(label)?;
        let receiving = Receiving::for_bytes(directory, content.blob_bytes)?;
        let (sender, pieces) = sync_channel(PIECES_AHEAD);
        let (kept, came) = thread::scope(|scope| {
            let keeper = scope.spawn(move || keep(pieces, receiving));
            let came = self.remote.blob(
                &persona,
                version,
                content.blob_bytes,
                // Nobody takes it any more: keeping failed, and tells why.
                &mut |piece| sender.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into()),
                progress,
            );
            drop(sender);
            (keeper.join(), came)
        });
        let (received, hash) = match kept {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => return Err(error.into()),
            Err(panic) => std::panic::resume_unwind(panic),
        };
        came?;
        if hash != content.blake3 {
            return Err(BlobError::HashMismatch.into());
        }
        let key = self.content_key(persona, content)?;
        let reader = BlobReader::open(received, &key, content.header.as_bytes())?;
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

/// Hashes and keeps what comes, beside the thread that receives it.
fn keep(pieces: Receiver<Bytes>, mut receiving: Receiving) -> io::Result<(Received, Digest)> {
    let mut hasher = blake3::Hasher::new();
    for piece in pieces {
        receiving.write_all(&piece)?;
        hasher.update(&piece);
    }
    Ok((receiving.finish(), Digest::from(*hasher.finalize().as_bytes())))
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
