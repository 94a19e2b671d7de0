//! Commits, and bytes on their way in and out.

use bytes::Bytes;
use keybackup_protocol::api::CommitHead;
use keybackup_protocol::{AccountId, DeviceId, PersonaId, UploadId};

use super::{ProvenLogin, StoreError};

/// What a commit is based on: `If-None-Match: *` or `If-Match: "N"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The persona must not exist.
    Absent,
    /// This must be its newest version, a tombstone or not.
    Version(u64),
}

/// A commit of label, index and bytes.
pub struct Commit {
    /// The session that commits; it must hold until it has.
    pub session: i64,
    /// The session's account.
    pub account: AccountId,
    /// The session's device.
    pub device: DeviceId,
    /// The persona.
    pub persona: PersonaId,
    /// What it is based on.
    pub base: Base,
    /// The rest, as the client said it.
    pub head: CommitHead,
    /// The bytes, when they came with it.
    pub bytes: Option<CommitBytes>,
    /// Now.
    pub now: i64,
}

/// Bytes of a commit, already checked against length and hash.
pub enum CommitBytes {
    /// Small enough for a row.
    Row(Bytes),
    /// Durable in a part that no row names yet.
    Part(Part),
}

/// Bytes in the object store, durable; dropped by the sweep unless a row names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Random, made by the server; a path component.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// Bytes on their way into a part.
#[async_trait::async_trait]
pub trait PartWriter: Send {
    /// Appends a copy. The writer takes at most [`PART_MEMORY_BYTES`](crate::store::PART_MEMORY_BYTES).
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;
    /// Makes it durable under its name. It counts until a row names it or it is deleted, so
    /// this and what names it must be seen through, whoever leaves meanwhile.
    async fn finish(self: Box<Self>) -> Result<Part, StoreError>;
    /// Hands on what is gathered, and waits until it is written; not until it is durable.
    async fn flush(&mut self) -> Result<(), StoreError>;
    /// As [`finish`](Self::finish), with fewer bytes than were announced, but at least one.
    async fn keep(self: Box<Self>) -> Result<Part, StoreError>;
    /// Drops it; so does dropping the writer, a little later.
    async fn abort(self: Box<Self>);
}

/// An upload that begins, and has no bytes yet.
pub struct NewUpload {
    /// The session that begins it; it must hold until it is kept.
    pub session: i64,
    /// Its account.
    pub account: AccountId,
    /// Made by the server.
    pub id: UploadId,
    /// Its length in bytes, counted to the quota from now on; absent while that is not known.
    pub announced_bytes: Option<u64>,
    /// Now.
    pub now: i64,
    /// When it is dropped unless it goes on or is committed.
    pub expires_at: i64,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// Its bytes that are durable, all from the first one on.
    pub bytes: u64,
    /// Its length in bytes, if it is known.
    pub announced_bytes: Option<u64>,
    /// When it is dropped unless it goes on or is committed.
    pub expires_at: i64,
}

/// More bytes of an upload.
pub struct Addition {
    /// The session that brings them; it must hold until they are kept.
    pub session: i64,
    /// Its account.
    pub account: AccountId,
    /// The upload.
    pub id: UploadId,
    /// How many bytes it must have until now.
    pub offset: u64,
    /// The bytes.
    pub part: Part,
    /// BLAKE3 of the whole, where it is whole with them and the hash is known.
    pub blake3: Option<[u8; 32]>,
    /// Now.
    pub now: i64,
    /// When it is dropped unless it goes on or is committed.
    pub expires_at: i64,
}

/// A blob that can be read.
#[derive(Clone)]
pub struct Blob {
    /// Version that it came with.
    pub version: u64,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of header and payload.
    pub blake3: [u8; 32],
    /// Where its bytes are, so that reading takes no second look at the rows.
    pub source: BlobSource,
}

/// Where the bytes of a blob are. A matter of the store alone.
#[derive(Clone)]
pub enum BlobSource {
    /// In the row, and so already here.
    Row(Bytes),
    /// In the object store, in this order.
    Parts(Vec<Part>),
}

/// Bytes that go at once, by who has proven the password.
pub struct PersonaPurge {
    /// Proof of the password, of the session's account and epoch.
    pub login: ProvenLogin,
    /// The session that asks.
    pub session: i64,
    /// Whose bytes.
    pub persona: PersonaId,
    /// Of which version; of all, where the persona is removed.
    pub version: Option<u64>,
    /// Now.
    pub now: i64,
}
