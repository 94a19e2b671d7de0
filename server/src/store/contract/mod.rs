//! The store's contract: what every backend does for the handlers, and promises.
//!
//! Promises of every implementation, held by one conformance suite:
//! * **Durable.** A call that changes something returns `Ok` only after its bytes and rows are
//!   on stable storage; one that fails has changed nothing, but for a start that was counted
//!   before it was refused.
//! * **Atomic.** Every call is one transaction. Bytes are durable before the row that names them,
//!   and outlive the last row that names them.
//! * **Restrictions live here**, not in handlers: quota, retention, compare-and-swap, single use
//!   of attempts and invitations, attempt counting, expiry.
//! * **Blind.** It sees sealed bytes, ids, keyed hashes of addresses and hashes of tokens.
//!
//! Times are unix seconds and come from the caller, so that tests own the clock. Versions,
//! counters and generations are unsigned here and at most `i64::MAX` in rows.

mod account;
mod address;
mod blobs;
mod epochs;
mod error;
mod login;
mod mail;
mod registration;
mod tags;

use std::ops::Range;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use keybackup_protocol::api::{
    AccountAnswer, DeviceRecord, Keyring, Labels, ListedEpoch, ListedSession, Listing, OpenedEpoch,
};
use keybackup_protocol::{AccountId, EpochId, PersonaId, UploadId};

pub use account::*;
pub use address::*;
pub use blobs::*;
pub use epochs::*;
pub use error::*;
pub use login::*;
pub use mail::*;
pub use registration::*;
pub use tags::*;

/// Limits that the store enforces.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Bytes that one account may hold: blobs, uploads as they are announced, labels with their rows, index
    /// and device records; what lies in a file counts for 4,096 bytes at least, and 256 more. At
    /// most 100 uploads wait. Removing a persona may go beyond it by a bounded reserve.
    pub quota_bytes: u64,
    /// Personas of one account, removed ones included.
    pub personas: u64,
    /// OPRF evaluations an hour in one bucket of one address.
    pub attempts_per_hour: u64,
    /// Registrations and logins begun an hour from one network, and by one known device of an
    /// account.
    pub starts_per_hour: u64,
}

/// What the server keeps. See the promises at the top of this file.
#[async_trait::async_trait]
pub trait Store: AccountStore {
    /// Whether rows can be read and written, and parts be written. What was tried with success
    /// some seconds ago is not tried again.
    async fn health(&self) -> Result<(), StoreError>;

    /// Counts a start, also when it is then refused, and opens a login attempt, then finds the
    /// credential. The same statements
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

    /// Makes a code the live one of its address and purpose, and queues its letter, or the other one
    /// where the code is of no use. The same statements run for all addresses, and who has asked too
    /// often is answered the same, and gets nothing.
    async fn request_code(&self, code: NewCode) -> Result<(), StoreError>;

    /// Takes mail that is due, for so long: then it is due again, unless it was sent or put off.
    async fn claim_mail(&self, now: i64, until: i64) -> Result<Option<WaitingMail>, StoreError>;

    /// When the next mail is due.
    async fn next_mail_at(&self) -> Result<Option<i64>, StoreError>;

    /// Forgets mail that was sent, or that nobody waits for any more.
    async fn forget_mail(&self, id: [u8; 16]) -> Result<(), StoreError>;

    /// Puts mail off that was not sent; `why` names nobody.
    async fn put_off_mail(
        &self,
        id: [u8; 16],
        not_before: i64,
        why: String,
    ) -> Result<(), StoreError>;

    /// Counts a start, also when it is then refused; checks the code, of which a wrong one takes a
    /// try, and the phrase; and opens a reset. All that before the OPRF is evaluated.
    async fn open_reset(&self, reset: NewReset) -> Result<OpenedReset, StoreError>;

    /// Consumes code and attempt, and gives an epoch whose phrase was proven another password, or the
    /// account a new epoch; opens the session. Removes nothing. The same attempt with the same digest
    /// again opens the new session, ends the one before it, and returns `Ok` too.
    async fn reset_password(&self, reset: Reset) -> Result<(), StoreError>;

    /// Makes an epoch the current one again that came before it, by its own authenticator, and bars
    /// resets without phrase for 30 days. Returns the epoch, and false where it is the current one
    /// already.
    async fn undo_reset(&self, undo: Undo) -> Result<(EpochId, bool), StoreError>;

    /// Drops the bytes of a version that the newest does not name, or of all versions of a persona that
    /// is removed, whatever retention says; labels stay. False when there were none. The same attempt
    /// with the same digest again is answered true.
    async fn purge_persona(&self, purge: PersonaPurge) -> Result<bool, StoreError>;

    /// Replaces recovery slot and phrase verifier at once. The same attempt with the same digest
    /// again is `Ok`, too.
    async fn rotate_recovery(&self, rotation: RecoveryRotation) -> Result<(), StoreError>;

    /// The epochs of an account, in the order in which they came.
    async fn epochs(&self, account: AccountId) -> Result<Vec<ListedEpoch>, StoreError>;

    /// What opens an epoch of the account, for who has proven it.
    async fn open_epoch(
        &self,
        account: AccountId,
        epoch: EpochId,
        proof: EpochVerifier,
    ) -> Result<OpenedEpoch, StoreError>;

    /// Moves the personas of a locked epoch to the current one, with its next keyring and index, and
    /// closes the locked one: all at once, compare-and-swap on both indexes and the keyring.
    async fn unlock(&self, unlocking: Unlocking) -> Result<(), StoreError>;

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

    /// The same, and what [`blob`](Self::blob) says to its account, in one look: of all requests this is
    /// made most.
    async fn session_and_blob(
        &self,
        token: &TokenHash,
        now: i64,
        persona: PersonaId,
        version: Option<u64>,
    ) -> Result<Option<(Session, Result<Blob, StoreError>)>, StoreError>;

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

    /// Begins a part of an upload, for at most so many bytes; refused when the disk can't hold
    /// them, or the quota where it does not count them already, as it does all that the upload has
    /// announced.
    async fn begin_upload_part(
        &self,
        account: AccountId,
        upload: &Upload,
        bytes: u64,
    ) -> Result<Box<dyn PartWriter>, StoreError>;

    /// Begins an upload.
    async fn create_upload(&self, upload: NewUpload) -> Result<(), StoreError>;

    /// An upload of the account's current epoch, while it is kept.
    async fn upload(
        &self,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<Upload, StoreError>;

    /// Says how long an upload is that has not said it yet; the same again is fine.
    async fn announce_upload(
        &self,
        account: AccountId,
        id: UploadId,
        bytes: u64,
        now: i64,
    ) -> Result<(), StoreError>;

    /// Appends a part to an upload, if that has exactly the bytes that it is to have before. After
    /// a failure the part is no longer to be used, as with [`commit`](Self::commit).
    async fn append(&self, addition: Addition) -> Result<(), StoreError>;

    /// Makes sure that the hash of a whole upload is known, for its commit: reads all of it where
    /// it did not come in one go. Takes half a MiB of memory.
    async fn hash_upload(
        &self,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<(), StoreError>;

    /// Drops an upload of the session's account.
    async fn end_upload(
        &self,
        session: i64,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<(), StoreError>;

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
    /// ago; removed ones after 30 days), what was deleted 30 days ago, and parts that no row names and that are older than a
    /// day. Safe at any time, and interrupted at any point.
    async fn sweep(&self, now: i64) -> Result<(), StoreError>;
}
