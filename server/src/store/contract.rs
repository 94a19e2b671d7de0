//! The store's contract: what every backend does for the handlers, and promises.
//!
//! Promises of every implementation, held by one conformance suite:
//! * **Durable.** A call that changes something returns `Ok` only after its bytes and rows are
//!   on stable storage; one that fails has changed nothing.
//! * **Atomic.** Every call is one transaction. Bytes are durable before the row that names them,
//!   and outlive the last row that names them.
//! * **Restrictions live here**, not in handlers: quota, retention, compare-and-swap, single use
//!   of attempts and invitations, attempt counting, expiry.
//! * **Blind.** It sees sealed bytes, ids, keyed hashes of addresses and hashes of tokens.
//!
//! Times are unix seconds and come from the caller, so that tests own the clock. Versions,
//! counters and generations are unsigned here and at most `i64::MAX` in rows.

use std::ops::Range;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use keybackup_protocol::api::{
    AccountAnswer, CommitHead, DeviceRecord, Keyring, Labels, ListedSession, Listing, NewEpoch,
    Slot, SlotKind,
};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId, PersonaId, UploadId};

/// Keyed hash of a normalised address (HMAC-SHA-256): how accounts are found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressTag(pub [u8; 32]);

/// SHA-256 of a bearer token: all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// Keyed hash of an invitation code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InviteTag(pub [u8; 32]);

/// Keyed hash of the network that a request came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkTag(pub [u8; 32]);

/// Whose bucket an OPRF evaluation counts in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// All devices that the account doesn't know, together.
    Strangers,
    /// One known device, by the SHA-256 of its cookie: the newest it was given, or the one
    /// before until the newest is first shown. One that the account doesn't know counts
    /// as a stranger.
    Device([u8; 32]),
}

/// An attempt about to be made: counted before the OPRF is evaluated.
pub struct NewAttempt {
    /// Random; the ticket names it.
    pub id: [u8; 16],
    /// Whom it is made against, known or not.
    pub address: AddressTag,
    /// Which bucket counts it.
    pub bucket: Bucket,
    /// Where it came from.
    pub network: NetworkTag,
    /// Another epoch than the current one; an unknown one is as an unknown address.
    pub epoch: Option<EpochId>,
    /// Now.
    pub now: i64,
    /// When the attempt can no longer be finished.
    pub expires_at: i64,
    /// OPRF evaluations that it is for: 2 where a new password is registered beside the login.
    pub evaluations: u8,
}

/// What an OPAQUE login is checked against.
#[derive(Clone)]
pub struct Credential {
    /// Its account.
    pub account: AccountId,
    /// Its epoch.
    pub epoch: EpochId,
    /// OPAQUE record, 192 bytes.
    pub record: Vec<u8>,
    /// Which AKE key pair of `server.key` it was registered with.
    pub setup_id: u32,
    /// Counts up with each replacement of the record.
    pub generation: u64,
}

/// A login that OPAQUE has accepted.
pub struct FinishedLogin {
    /// The attempt, consumed by this call.
    pub attempt: [u8; 16],
    /// From the credential the attempt began with.
    pub account: AccountId,
    /// From the credential.
    pub epoch: EpochId,
    /// From the credential; a record replaced since makes the call fail.
    pub generation: u64,
    /// The session to open.
    pub session: NewSession,
    /// Now.
    pub now: i64,
}

/// A new password, after a login with the old one that OPAQUE has accepted.
pub struct PasswordChange {
    /// The attempt of that login, consumed by this call.
    pub attempt: [u8; 16],
    /// SHA-256 of the request's bytes: the same again is the same change.
    pub digest: [u8; 32],
    /// The session that asks; it stays, and all others end.
    pub session: i64,
    /// Its account, and that of the login.
    pub account: AccountId,
    /// Its epoch, and that of the login.
    pub epoch: EpochId,
    /// From the credential that the login began with.
    pub generation: u64,
    /// AKE key pair that the new record was made with.
    pub setup_id: u32,
    /// OPAQUE record, 192 bytes.
    pub record: B64,
    /// The password slot, of the next generation.
    pub slot: Slot,
    /// Now.
    pub now: i64,
}

/// A session to open.
pub struct NewSession {
    /// Hash of its token.
    pub token: TokenHash,
    /// Device that it belongs to.
    pub device: DeviceId,
    /// SHA-256 of the device cookie handed out with it, kept with the device.
    pub device_cookie: [u8; 32],
    /// When it ends even if used.
    pub expires_at: i64,
    /// Seconds without use after which it ends.
    pub idle_ttl_s: i64,
}

/// What a login answers, beside the session.
pub struct LoginMaterial {
    /// The epoch's slots.
    pub slots: Vec<Slot>,
    /// Its newest keyring.
    pub keyring: Keyring,
    /// The device's own record.
    pub device: Option<DeviceRecord>,
}

/// A registration about to be made.
pub struct NewRegistration {
    /// Random; the ticket names it.
    pub id: [u8; 16],
    /// Address to register.
    pub address: AddressTag,
    /// Invitation that pays for it. It is spent by the finish.
    pub invite: Option<InviteTag>,
    /// Where it came from.
    pub network: NetworkTag,
    /// Now.
    pub now: i64,
    /// When it can no longer be finished.
    pub expires_at: i64,
}

/// A new account, all of it.
pub struct NewAccount {
    /// The registration attempt, consumed by this call.
    pub attempt: [u8; 16],
    /// SHA-256 of the finish's bytes: the same again is the same registration.
    pub digest: [u8; 32],
    /// Address, as it is found.
    pub address: AddressTag,
    /// Address, sealed for mailing.
    pub sealed_address: Vec<u8>,
    /// Made by the client.
    pub account: AccountId,
    /// Its first epoch.
    pub epoch: NewEpoch,
    /// AKE key pair that the record was made with.
    pub setup_id: u32,
    /// Where it came from.
    pub network: NetworkTag,
    /// The device that registers.
    pub device: DeviceRecord,
    /// Its session.
    pub session: NewSession,
    /// Now.
    pub now: i64,
}

/// A session that holds.
#[derive(Clone)]
pub struct Session {
    /// Row number.
    pub id: i64,
    /// Its account.
    pub account: AccountId,
    /// The epoch that it was opened in.
    pub epoch: EpochId,
    /// Its device.
    pub device: DeviceId,
    /// The account's current epoch.
    pub current_epoch: EpochId,
    /// Newest keyring version of the session's epoch.
    pub keyring_version: u64,
}

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
    /// Appends a copy. The writer takes at most [`PART_MEMORY_BYTES`](super::PART_MEMORY_BYTES).
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;
    /// Makes it durable under its name. It counts until a row names it or it is deleted, so
    /// this and what names it must be seen through, whoever leaves meanwhile.
    async fn finish(self: Box<Self>) -> Result<Part, StoreError>;
    /// Drops it; so does dropping the writer, a little later.
    async fn abort(self: Box<Self>);
}

/// A whole upload that waits for its commit.
pub struct NewUpload {
    /// The session that brings it; it must hold until it is kept.
    pub session: i64,
    /// Its account.
    pub account: AccountId,
    /// Made by the server.
    pub id: UploadId,
    /// The bytes.
    pub part: Part,
    /// BLAKE3 of the bytes as they came.
    pub blake3: [u8; 32],
    /// Now.
    pub now: i64,
    /// When it is dropped unless committed.
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

/// An invitation, as the operator sees it.
pub struct Invite {
    /// Row number, for revoking.
    pub id: i64,
    /// When it was made.
    pub created_at: i64,
    /// When it expires.
    pub expires_at: i64,
    /// Registrations that it still pays for.
    pub uses_left: u32,
}

/// Limits that the store enforces.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Bytes that one account may hold: blobs, waiting uploads, labels with their rows, index
    /// and device records; what lies in a file counts for 4,096 bytes at least, and 256 more. At
    /// most 100 uploads wait. Removing a persona may go beyond it by a bounded reserve.
    pub quota_bytes: u64,
    /// Personas of one account, removed ones included.
    pub personas: u64,
    /// OPRF evaluations an hour in one bucket of one address.
    pub attempts_per_hour: u64,
    /// Registrations and logins begun an hour from one network, and by one account's known
    /// devices.
    pub starts_per_hour: u64,
}

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address has an account.
    #[error("the address is taken")]
    Taken,
    /// The invitation is unknown, used up or expired.
    #[error("the invitation does not hold")]
    InviteRefused,
    /// The session has ended since it was found.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many attempts in the bucket.
    #[error("too many attempts")]
    TooMany {
        /// Seconds until the oldest counted attempt leaves the hour.
        retry_after_s: u64,
    },
    /// The attempt is unknown, used, expired, or its record was replaced.
    #[error("the attempt no longer holds")]
    AttemptRefused,
    /// The named epoch or keyring version is not current.
    #[error("epoch or keyring is stale")]
    Stale,
    /// Version or index moved since the client looked.
    #[error("version or index moved")]
    Conflict,
    /// What the request names does not exist (any more).
    #[error("no such object")]
    Gone,
    /// The request contradicts itself or the rows.
    #[error("the request does not fit: {0}")]
    Invalid(&'static str),
    /// The account's quota is used up.
    #[error("quota is used up")]
    Quota,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The database failed.
    #[error("the database failed")]
    Rows(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The object store failed.
    #[error("the object store failed")]
    Bytes(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the server keeps. See the promises at the top of this file.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether rows can be read and written, and parts be written. What was tried with success
    /// some seconds ago is not tried again.
    async fn health(&self) -> Result<(), StoreError>;

    /// Counts a start and opens a login attempt, then finds the credential. The same statements
    /// run for known and unknown addresses. Strangers count for their network; devices that the
    /// account knows for the account, since strangers may share their network.
    async fn open_attempt(&self, attempt: NewAttempt) -> Result<Option<Credential>, StoreError>;

    /// Consumes the attempt and opens the session, in one transaction. An account has at most
    /// 100 devices: beyond them the one longest not in use is forgotten. A device has at most
    /// 8 sessions: beyond them the oldest ends.
    async fn finish_login(&self, login: FinishedLogin) -> Result<LoginMaterial, StoreError>;

    /// Counts a start, also when it is then refused, and opens a registration; a taken address or an invitation that does not hold
    /// is refused here, before the OPRF is evaluated.
    async fn open_registration(&self, registration: NewRegistration) -> Result<(), StoreError>;

    /// Counts a start and makes the account. The same attempt with the same digest again opens the new session, ends
    /// the one before it, and returns `Ok` too.
    async fn register(&self, account: NewAccount) -> Result<(), StoreError>;

    /// Replaces record and slot of the password at once, and ends all other sessions of the
    /// account. The same attempt with the same digest again is `Ok`, too.
    async fn change_password(&self, change: PasswordChange) -> Result<(), StoreError>;

    /// What is known of an account, in one of its epochs.
    async fn account(
        &self,
        account: AccountId,
        epoch: EpochId,
    ) -> Result<AccountAnswer, StoreError>;

    /// The sessions of an account that hold, newest first; `asking` is marked as the current one.
    async fn sessions(
        &self,
        account: AccountId,
        asking: i64,
        now: i64,
    ) -> Result<Vec<ListedSession>, StoreError>;

    /// Ends a session of the account; false when there was none. `asking` must hold.
    async fn revoke_session(
        &self,
        account: AccountId,
        asking: i64,
        id: i64,
        now: i64,
    ) -> Result<bool, StoreError>;

    /// Ends all sessions of the account but `asking`, which must hold. Returns how many.
    async fn revoke_others(
        &self,
        account: AccountId,
        asking: i64,
        now: i64,
    ) -> Result<u64, StoreError>;

    /// The session with this token, if it holds; its last use is noted, to the minute.
    async fn session(&self, token: &TokenHash, now: i64) -> Result<Option<Session>, StoreError>;

    /// Ends a session; false when there was none.
    async fn end_session(&self, id: i64) -> Result<bool, StoreError>;

    /// The newest keyring of an epoch of the account.
    async fn keyring(&self, account: AccountId, epoch: EpochId) -> Result<Keyring, StoreError>;

    /// One snapshot of an epoch: index and the newest label of every persona.
    async fn listing(&self, account: AccountId, epoch: EpochId) -> Result<Listing, StoreError>;

    /// Most bytes that the listing has as JSON, without reading it. No commit makes it more than
    /// a client reads, [`MAX_ANSWER_BYTES`](keybackup_protocol::limits::MAX_ANSWER_BYTES).
    async fn listing_bytes(&self, account: AccountId, epoch: EpochId) -> Result<u64, StoreError>;

    /// Labels of a persona from a version on, oldest first: so many that they are at most 1,000
    /// and about 1 MiB, and whether there are more.
    async fn labels(
        &self,
        account: AccountId,
        persona: PersonaId,
        from: u64,
    ) -> Result<Labels, StoreError>;

    /// Commits bytes, label and index at once, or nothing; compare-and-swap on persona version
    /// and index counter. Returns the version. After a failure the part named is no longer to be
    /// used: it is deleted, or left for the sweep when the failure leaves doubt.
    async fn commit(&self, commit: Commit) -> Result<u64, StoreError>;

    /// The blob that came with a version, while its bytes are held, of a removed persona too.
    /// When no version is named, the one that the newest label names as its content: gone when
    /// the persona is absent, removed or in the trash.
    async fn blob(
        &self,
        account: AccountId,
        persona: PersonaId,
        version: Option<u64>,
    ) -> Result<Blob, StoreError>;

    /// Reads a range of a blob as it is stored.
    async fn read(
        &self,
        blob: &Blob,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError>;

    /// A bare delete: marks the persona as moved to the trash, and nothing else. False when it
    /// was absent or there already. The next commit takes it out again.
    async fn trash(
        &self,
        account: AccountId,
        persona: PersonaId,
        now: i64,
    ) -> Result<bool, StoreError>;

    /// Begins a part; `bytes` is what is announced, and refused here when quota or disk can't
    /// hold it.
    async fn begin_part(
        &self,
        account: AccountId,
        bytes: u64,
    ) -> Result<Box<dyn PartWriter>, StoreError>;

    /// Keeps a whole upload until its commit or expiry.
    async fn add_upload(&self, upload: NewUpload) -> Result<(), StoreError>;

    /// Stores a device record of a higher revision; an older or equal one is a conflict. The
    /// session must hold until it is stored.
    async fn put_device(
        &self,
        account: AccountId,
        session: i64,
        record: DeviceRecord,
        now: i64,
    ) -> Result<(), StoreError>;

    /// The account's device records.
    async fn devices(&self, account: AccountId) -> Result<Vec<DeviceRecord>, StoreError>;

    /// Most bytes that they have as JSON, without reading them.
    async fn devices_bytes(&self, account: AccountId) -> Result<u64, StoreError>;

    /// Makes an invitation.
    async fn create_invite(
        &self,
        tag: InviteTag,
        now: i64,
        expires_at: i64,
        uses: u32,
    ) -> Result<(), StoreError>;

    /// Invitations that still hold.
    async fn invites(&self, now: i64) -> Result<Vec<Invite>, StoreError>;

    /// Revokes an invitation; false when there is none.
    async fn revoke_invite(&self, id: i64) -> Result<bool, StoreError>;

    /// Drops what is over: expired attempts, sessions, uploads and invitations, bytes that
    /// retention no longer keeps (beyond the newest 20 versions *and* superseded over 30 days
    /// ago; removed ones after 30 days), and parts that no row names and that are older than a
    /// day. Safe at any time, and interrupted at any point.
    async fn sweep(&self, now: i64) -> Result<(), StoreError>;
}

/// The slot kinds that every epoch must have.
pub const REQUIRED_SLOTS: [SlotKind; 2] = [SlotKind::Password, SlotKind::Recovery];
