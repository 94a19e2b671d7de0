//! A commit whose parts fit each other: parsed before it queues for the writer, so that one that
//! contradicts itself costs no transaction.

use bytes::Bytes;
use keybackup_protocol::api::{CommitBlob, CommitIndex};
use keybackup_protocol::limits::{MAX_INDEX_BYTES, MAX_LABEL_BYTES, MAX_ORDINAL, MAX_STEP};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId, PersonaId, UploadId};

use crate::store::tx::count;
use crate::store::{Base, Commit, CommitBytes, Part, ROW_BYTES, StoreError};

/// A commit that may be tried against the rows. Numbers are as rows hold them.
pub(crate) struct Proposal {
    pub(crate) session: i64,
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) persona: PersonaId,
    /// The version that must be the newest, if the persona must exist.
    pub(crate) base: Option<i64>,
    pub(crate) version: i64,
    pub(crate) epoch: EpochId,
    pub(crate) keyring_version: i64,
    pub(crate) label: B64,
    pub(crate) content: Content,
    pub(crate) index: NewIndex,
    pub(crate) now: i64,
}

/// What a label names.
pub(crate) enum Content {
    /// Nothing: a tombstone.
    Removed,
    /// The bytes of an older version.
    Of(i64),
    /// The bytes that come with it.
    New(NewBlob),
}

/// Bytes that come with a label.
pub(crate) struct NewBlob {
    pub(crate) bytes: i64,
    pub(crate) blake3: [u8; 32],
    pub(crate) source: Source,
}

/// Where these bytes are.
pub(crate) enum Source {
    Row(Bytes),
    Part(Part),
    Upload(UploadId),
}

/// The index that comes with a label.
pub(crate) struct NewIndex {
    pub(crate) base: i64,
    pub(crate) counter: i64,
    pub(crate) sealed: B64,
}

impl Proposal {
    /// Checks a commit against itself.
    pub(crate) fn parse(commit: Commit) -> Result<Self, StoreError> {
        let Commit { session, account, device, persona, base, head, bytes, now } = commit;
        let base = match base {
            Base::Absent => None,
            Base::Version(version) => Some(count(version)?),
        };
        let version = above(base.unwrap_or(0), head.version)?
            .ok_or(StoreError::Invalid("the version must be above its base, and not far"))?;
        if head.label.0.is_empty() || head.label.0.len() > MAX_LABEL_BYTES {
            return Err(StoreError::Invalid("the label is empty or too large"));
        }
        Ok(Self {
            session,
            account,
            device,
            persona,
            base,
            version,
            epoch: head.epoch,
            keyring_version: count(head.keyring_version)?,
            label: head.label,
            content: content(version, head.removed, head.content_version, head.blob, bytes)?,
            index: index(head.index)?,
            now,
        })
    }

    /// What the new label's row says of its content.
    pub(crate) const fn content_version(&self) -> Option<i64> {
        match self.content {
            Content::Removed => None,
            Content::Of(version) => Some(version),
            Content::New(_) => Some(self.version),
        }
    }
}

/// A number as rows hold it, if it is above what it replaces and leaves room for the next ones.
pub(crate) fn above(base: i64, number: u64) -> Result<Option<i64>, StoreError> {
    let number = count(number)?;
    let highest = base.saturating_add(count(MAX_STEP)?).min(count(MAX_ORDINAL)?);
    Ok((base < number && number <= highest).then_some(number))
}

fn content(
    version: i64,
    removed: bool,
    content_version: Option<u64>,
    blob: Option<CommitBlob>,
    bytes: Option<CommitBytes>,
) -> Result<Content, StoreError> {
    let content_version = content_version.map(count).transpose()?;
    match (removed, content_version, blob) {
        (true, None, None) if bytes.is_none() => Ok(Content::Removed),
        (true, ..) => Err(StoreError::Invalid("a tombstone has no content")),
        (false, Some(own), Some(blob)) if own == version => new_blob(&blob, bytes),
        (false, Some(older), None) if older < version && bytes.is_none() => Ok(Content::Of(older)),
        (false, ..) => Err(StoreError::Invalid(
            "a label names its own version and brings bytes, or an older one and brings none",
        )),
    }
}

fn new_blob(blob: &CommitBlob, bytes: Option<CommitBytes>) -> Result<Content, StoreError> {
    let source = match (blob.upload, bytes) {
        (Some(upload), None) => Source::Upload(upload),
        (None, Some(CommitBytes::Row(bytes))) => Source::Row(bytes),
        (None, Some(CommitBytes::Part(part))) => Source::Part(part),
        (Some(_), Some(_)) => {
            return Err(StoreError::Invalid("the bytes come with the commit or by upload"));
        }
        (None, None) => return Err(StoreError::Invalid("the bytes are missing")),
    };
    let held = match &source {
        Source::Row(bytes) if bytes.len() > ROW_BYTES => {
            return Err(StoreError::Invalid("too many bytes for a row"));
        }
        Source::Row(bytes) => Some(bytes.len() as u64),
        Source::Part(part) => Some(part.bytes),
        Source::Upload(_) => None,
    };
    if blob.bytes == 0 || held.is_some_and(|held| held != blob.bytes) {
        return Err(StoreError::Invalid("the blob has another length"));
    }
    let blake3 = blob.blake3.0.as_slice().try_into();
    Ok(Content::New(NewBlob {
        bytes: count(blob.bytes)?,
        blake3: blake3.map_err(|_| StoreError::Invalid("a BLAKE3 hash has 32 bytes"))?,
        source,
    }))
}

fn index(index: Option<CommitIndex>) -> Result<NewIndex, StoreError> {
    let index = index.ok_or(StoreError::Invalid("a session's commit brings an index"))?;
    if index.sealed.0.is_empty() || index.sealed.0.len() > MAX_INDEX_BYTES {
        return Err(StoreError::Invalid("the index is empty or too large"));
    }
    let base = count(index.base)?;
    let counter = above(base, index.counter)?
        .ok_or(StoreError::Invalid("the index counter must be above its base, and not far"))?;
    Ok(NewIndex { base, counter, sealed: index.sealed })
}
