//! Label, index and bytes become one version at the server, or nothing does.

use keybackup_protocol::api::{CommitBlob, CommitHead, CommitIndex, Committed, code};
use keybackup_protocol::{B64, PersonaId, UploadId};
use rand08::rngs::OsRng;

use super::{Notes, Vault, VaultError};
use crate::marks::Opened;
use crate::records::{Label, SealedRecord};
use crate::remote::{Base, Progress, RemoteError};
use crate::seal::SealedBlob;

/// How often a commit is tried again because another device changed the index meanwhile.
const MAX_TRIES: u32 = 16;

/// A new version of one persona.
pub struct Change<'a> {
    /// The persona.
    pub persona: PersonaId,
    /// What it is based on.
    pub base: Base,
    /// Its label.
    pub label: Label,
    /// Its bytes, if it brings any.
    pub blob: Option<NewBlob<'a>>,
}

/// The bytes of a new version.
pub struct NewBlob<'a> {
    /// What its label says of them.
    pub sealed: SealedBlob,
    /// Where they are.
    pub bytes: BlobAt<'a>,
}

/// Where the bytes of a new version are.
pub enum BlobAt<'a> {
    /// Here: they go with the commit.
    Here(&'a [u8]),
    /// At the server.
    Upload(UploadId),
}

/// A change that the server has, and this device knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landed {
    /// The version made.
    pub version: u64,
}

impl Vault {
    /// Commits a change seen against `opened`.
    ///
    /// A commit whose answer was lost is recognised by its label and counts as made; one that
    /// only the index stood against is sent again, bytes and label as they were.
    pub fn commit(
        &mut self,
        mut opened: Opened,
        change: Change<'_>,
        notes: &mut dyn Notes,
        now: i64,
        progress: Progress<'_>,
    ) -> Result<Landed, VaultError> {
        let Change { persona, base, label, blob } = change;
        let sealed = label.seal(&mut OsRng, &self.keyring, self.account, persona)?;
        notes.note_sent(persona, sealed.hash);
        let (inline, upload) = match blob.as_ref().map(|blob| &blob.bytes) {
            Some(BlobAt::Here(bytes)) => (Some(*bytes), None),
            Some(BlobAt::Upload(upload)) => (None, Some(*upload)),
            None => (None, None),
        };
        let blob_head = blob.as_ref().map(|NewBlob { sealed, .. }| CommitBlob {
            bytes: sealed.blob_bytes,
            blake3: B64(sealed.blake3.to_vec()),
            upload,
        });
        let mut head = CommitHead {
            epoch: self.epoch,
            keyring_version: self.keyring.version(),
            version: label.version,
            label: B64(sealed.bytes.clone()),
            blob: blob_head,
            content_version: label.content_version,
            removed: label.removed,
            index: None,
        };
        for _ in 0..MAX_TRIES {
            let mut index = opened.index.clone();
            index.put(persona, &label, sealed.hash)?;
            index.next_above(self.state.index_counter, self.keyring.version());
            let (based_on, counter) = (opened.index.counter(), index.counter());
            let sealed_index = index.seal(&mut OsRng, &self.keyring, self.account, self.epoch)?;
            head.index =
                Some(CommitIndex { base: based_on, counter, sealed: B64(sealed_index.bytes) });
            let answer = self.remote.commit(&persona, base, &head, inline, progress);
            let doubt = match answer {
                Ok(Committed { version, .. }) if version == label.version => {
                    let hash = sealed_index.hash;
                    if upload.is_some() {
                        notes.note_upload(None);
                    }
                    self.state.committed(persona, version, sealed.hash, counter, hash, now);
                    return Ok(Landed { version });
                }
                // Success for another version than the one asked for: look what stands.
                Ok(_) => RemoteError::NotKeybackup {
                    server: self.remote.server(),
                    what: "it made another version than was asked for",
                },
                Err(error) => error,
            };
            let lost = doubt.leaves_doubt();
            if !lost && !doubt.is(code::CONFLICT) {
                if matches!(doubt, RemoteError::Refused { status: 400, .. }) {
                    // It may be what was uploaded that it will not have: not a second time.
                    self.end_left(notes);
                }
                return Err(doubt.into());
            }
            opened = match self.snapshot(notes) {
                Ok(opened) => opened,
                // No second answer either: the first failure is the one to tell.
                Err(VaultError::Remote(_)) => return Err(doubt.into()),
                Err(error) => return Err(error),
            };
            // Seen is seen, whatever comes of the change.
            self.state.absorb(&opened, now);
            if let Some(landed) = landed(&opened, persona, base, &label, &sealed)? {
                notes.note_upload(None);
                return Ok(landed);
            }
            // Nothing stands against it, and yet it was refused: the server contradicts itself.
            if lost || opened.index.counter() <= based_on {
                return Err(doubt.into());
            }
        }
        Err(VaultError::Busy)
    }
}

/// Whether the change stands after all; an error when another one stands instead.
fn landed(
    opened: &Opened,
    persona: PersonaId,
    base: Base,
    label: &Label,
    sealed: &SealedRecord,
) -> Result<Option<Landed>, VaultError> {
    let standing = opened.personas.get(&persona);
    if standing.is_some_and(|standing| standing.label.hash == sealed.hash) {
        return Ok(Some(Landed { version: label.version }));
    }
    let version = standing.map(|standing| standing.label.label.version);
    let unmoved = match base {
        Base::Absent => version.is_none(),
        Base::Version(base) => version == Some(base),
    };
    if unmoved {
        return Ok(None);
    }
    Err(VaultError::Moved { name: label.name.clone(), version: version.unwrap_or_default() })
}
