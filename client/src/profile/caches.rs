//! What spares work or questions: the last listing, stat caches, what was sent last, the place for
//! spools. None of it is trusted, so none of it is fsynced: what a power cut leaves does not parse or
//! does not open, and counts as absent.

use std::path::PathBuf;

use keybackup_protocol::{PersonaId, UploadId};
use serde::{Deserialize, Serialize};

use super::{LockedProfile, ProfileError, durable};
use crate::records::Digest;

/// A listing as the server sent it, and the `ETag` it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The `ETag`, as it was sent.
    pub etag: String,
    /// The listing's bytes.
    pub listing: Vec<u8>,
}

impl Snapshot {
    /// The file is the `ETag`, a line feed, the length of the listing, a line feed, the listing.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(3, |&byte| byte == b'\n');
        let etag = std::str::from_utf8(parts.next()?).ok()?.to_owned();
        let length = std::str::from_utf8(parts.next()?).ok()?.parse::<usize>().ok()?;
        let listing = parts.next()?.to_vec();
        (listing.len() == length).then_some(Self { etag, listing })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let head = format!("{}\n{}\n", self.etag, self.listing.len());
        [head.as_bytes(), &self.listing].concat()
    }
}

/// What a whole spool is called in the directory for ciphertext on its way.
pub const PARCEL: &str = "parcel";

/// How many labels are noted when they are sent: as many processes may be killed, one after the
/// other, before the first of their commits comes about.
const SENT_KEPT: usize = 8;

/// A label that this device sent. If it stands at the server, it is nobody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Of which persona.
    pub persona: PersonaId,
    /// BLAKE3 of the sealed label.
    pub label: Digest,
}

impl LockedProfile {
    /// Notes what is about to be sent. A process that is killed leaves it; a power cut may not.
    pub fn save_sent(&self, sent: &Sent) -> Result<(), ProfileError> {
        let mut all = self.sent();
        all.insert(0, *sent);
        all.truncate(SENT_KEPT);
        let Ok(bytes) = serde_json::to_vec(&all) else { return Ok(()) };
        save_cache(self.path("sent.json"), &bytes)
    }

    /// Notes which upload is under way, or that none is.
    pub fn save_upload(&self, upload: Option<&UploadId>) -> Result<(), ProfileError> {
        let path = self.path("upload");
        match upload {
            Some(upload) => save_cache(path, upload.to_string().as_bytes()),
            None => durable::remove(&path).map_err(|source| ProfileError::writing(path, source)),
        }
    }

    /// Keeps the sealed record of a blob that is to be sent.
    pub fn save_parcel(&self, sealed: &[u8]) -> Result<(), ProfileError> {
        save_cache(self.path("parcel.sealed"), sealed)
    }

    /// Forgets it; the file that it names is who made it to remove.
    pub fn drop_parcel(&self) -> Result<(), ProfileError> {
        let path = self.path("parcel.sealed");
        durable::remove(&path).map_err(|source| ProfileError::writing(path, source))
    }

    /// Keeps a listing in place of the last one. An `ETag` with a line feed in it is not kept.
    pub fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), ProfileError> {
        if snapshot.etag.contains('\n') {
            return self.drop_snapshot();
        }
        save_cache(self.path("snapshot"), &snapshot.to_bytes())
    }

    /// Forgets the last listing.
    pub fn drop_snapshot(&self) -> Result<(), ProfileError> {
        let path = self.path("snapshot");
        durable::remove(&path).map_err(|source| ProfileError::writing(path, source))
    }

    /// Keeps the sealed stat cache of a persona.
    pub fn save_stat_cache(&self, persona: &PersonaId, sealed: &[u8]) -> Result<(), ProfileError> {
        self.private_dir("cache")?;
        save_cache(self.cache_path(persona), sealed)
    }

    /// A directory for ciphertext on its way, emptied of what a killed process left there, but for a
    /// parcel. Where it can't be made, what is small needs none, and what is not tells it.
    pub fn spool_dir(&self) -> Result<PathBuf, ProfileError> {
        let path = self.path("spool");
        let Ok(Ok(entries)) = self.private_dir("spool").map(std::fs::read_dir) else {
            return Ok(path);
        };
        // A link leads to where a person keeps things; nothing there is ours to judge.
        if std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(path);
        }
        let failed = |source| ProfileError::writing(path.clone(), source);
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // Spools are files; what is none, somebody else has put there.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && (entry.file_name() != PARCEL || self.parcel().is_none()) {
                durable::remove(&entry.path()).map_err(failed)?;
            }
        }
        Ok(path)
    }

    fn private_dir(&self, name: &str) -> Result<PathBuf, ProfileError> {
        let path = self.path(name);
        match durable::make_private_dir(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(ProfileError::writing(path, source)),
        }
    }
}

fn save_cache(path: PathBuf, bytes: &[u8]) -> Result<(), ProfileError> {
    durable::replace_cache(&path, bytes).map_err(|source| ProfileError::writing(path, source))
}
