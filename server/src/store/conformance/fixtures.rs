//! A user with an account, and the commits such a user makes.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use keybackup_protocol::api::{
    CommitBlob, CommitHead, CommitIndex, DeviceRecord, Index, Keyring, NewEpoch, Slot, SlotKind,
};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId, PersonaId, UploadId};

use crate::store::{
    Addition, AddressTag, Base, Bucket, Commit, CommitBytes, Credential, EpochChoice,
    FinishedLogin, LoginMaterial, NetworkTag, NewAccount, NewAttempt, NewRegistration, NewSession,
    NewUpload, Part, ProvenLogin, QueuedMail, Session, Store, StoreError, TokenHash,
};

/// When every test begins.
pub(crate) const NOW: i64 = 1_800_000_000;

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 24 * 60 * 60;

/// The address of user `n`.
pub(crate) fn address(n: u8) -> AddressTag {
    AddressTag([n; 32])
}

/// Where user `n` is.
pub(crate) fn network(n: u8) -> NetworkTag {
    NetworkTag([n ^ 0xff; 32])
}

/// Some persona.
pub(crate) const fn persona(n: u8) -> PersonaId {
    PersonaId::from_bytes([n; 16])
}

/// Session `n`; no two share token or cookie.
pub(crate) fn session(n: u8) -> NewSession {
    NewSession {
        token: TokenHash([n; 32]),
        device: DeviceId::from_bytes([n; 16]),
        device_cookie: [n; 32],
        expires_at: NOW + 1_000_000,
        idle_ttl_s: 100_000,
    }
}

/// What user `n` registers with.
pub(crate) fn new_account(n: u8) -> NewAccount {
    NewAccount {
        attempt: [n; 16],
        digest: [n; 32],
        address: address(n),
        sealed_address: vec![n; 40],
        account: AccountId::from_bytes([n; 16]),
        epoch: new_epoch(n),
        setup_id: 7,
        confirmation: None,
        network: network(n),
        device: DeviceRecord {
            id: DeviceId::from_bytes([n; 16]),
            revision: 1,
            sealed: B64(vec![n]),
        },
        session: session(n),
        now: NOW,
    }
}

pub(crate) fn new_epoch(n: u8) -> NewEpoch {
    let slot = |kind| Slot { kind, generation: 1, sealed: B64(vec![n; 300]) };
    NewEpoch {
        id: EpochId::from_bytes([n; 16]),
        record: B64(vec![n; 192]),
        slots: vec![slot(SlotKind::Password), slot(SlotKind::Recovery)],
        phrase_verifier: B64(vec![n; 32]),
        root_verifier: B64(vec![n; 32]),
        keyring: Keyring { version: 1, sealed: B64(vec![n; 1000]) },
        index: Index { counter: 1, sealed: B64(vec![n; 4096]) },
    }
}

/// Registration attempt `n`, without an invitation.
pub(crate) fn new_registration(n: u8) -> NewRegistration {
    NewRegistration {
        id: [n; 16],
        address: address(n),
        invite: None,
        confirmation: None,
        holder: None,
        network: network(n),
        now: NOW,
        expires_at: NOW + 1800,
    }
}

/// A login attempt against user `n`.
pub(crate) fn new_attempt(n: u8, id: u8, bucket: Bucket, now: i64) -> NewAttempt {
    NewAttempt {
        id: [id; 16],
        address: address(n),
        bucket,
        network: network(n),
        epoch: EpochChoice::Current,
        now,
        expires_at: now + 120,
        evaluations: 1,
    }
}

/// A user with an account.
pub(crate) struct User<'s> {
    pub(crate) store: &'s dyn Store,
    pub(crate) n: u8,
    pub(crate) account: AccountId,
    pub(crate) epoch: EpochId,
    /// Of the registration, or a login.
    pub(crate) session_id: i64,
}

impl<'s> User<'s> {
    /// Registers user `n`.
    pub(crate) async fn register(store: &'s dyn Store, n: u8) -> Self {
        store.open_registration(new_registration(n)).await.expect("opens");
        store.register(new_account(n)).await.expect("registers");
        Self::again(store, n).await
    }

    /// User `n`, who registered before.
    pub(crate) async fn again(store: &'s dyn Store, n: u8) -> Self {
        let session = store.session(&TokenHash([n; 32]), NOW).await.expect("answers");
        Self {
            store,
            n,
            account: AccountId::from_bytes([n; 16]),
            epoch: EpochId::from_bytes([n; 16]),
            session_id: session.expect("it holds").id,
        }
    }

    /// The same with session `id`, of a new login: the sweep drops those that are over.
    pub(crate) async fn logged_in(self, id: u8) -> Self {
        self.attempt(id, Bucket::Strangers, NOW).await.expect("opens");
        self.finish(id, NOW).await.expect("finishes");
        let session = self.store.session(&TokenHash([id; 32]), NOW).await.expect("answers");
        Self { session_id: session.expect("it holds").id, ..self }
    }

    /// The device of the registration.
    pub(crate) const fn device(&self) -> DeviceId {
        DeviceId::from_bytes([self.n; 16])
    }

    /// The session of the registration.
    pub(crate) async fn session(&self, now: i64) -> Option<Session> {
        self.store.session(&TokenHash([self.n; 32]), now).await.expect("answers")
    }

    /// Begins a login.
    pub(crate) async fn attempt(
        &self,
        id: u8,
        bucket: Bucket,
        now: i64,
    ) -> Result<Credential, StoreError> {
        let attempt = new_attempt(self.n, id, bucket, now);
        self.store.open_attempt(attempt).await.map(|found| found.expect("is registered"))
    }

    /// Finishes a login as session `id`.
    pub(crate) async fn finish(&self, id: u8, now: i64) -> Result<LoginMaterial, StoreError> {
        self.store.finish_login(self.finished(id, now)).await
    }

    /// A login that OPAQUE has accepted.
    pub(crate) fn finished(&self, id: u8, now: i64) -> FinishedLogin {
        FinishedLogin {
            attempt: [id; 16],
            account: self.account,
            epoch: self.epoch,
            generation: 1,
            session: session(id),
            mail: None,
            now,
        }
    }

    /// Login `id` into the registration's epoch, which OPAQUE has accepted for one request.
    pub(crate) const fn proven(&self, id: u8) -> ProvenLogin {
        ProvenLogin {
            attempt: [id; 16],
            digest: [id; 32],
            account: self.account,
            epoch: self.epoch,
            generation: 1,
        }
    }

    /// A commit without bytes; its index follows the one with counter `index`.
    pub(crate) fn label(&self, persona: PersonaId, base: u64, index: u64) -> Commit {
        let version = base + 1;
        Commit {
            session: self.session_id,
            account: self.account,
            device: DeviceId::from_bytes([self.n; 16]),
            persona,
            base: if base == 0 { Base::Absent } else { Base::Version(base) },
            head: CommitHead {
                epoch: self.epoch,
                keyring_version: 1,
                version,
                label: B64(format!("label {version}").into_bytes()),
                blob: None,
                content_version: None,
                removed: false,
                index: Some(CommitIndex {
                    base: index,
                    counter: index + 1,
                    sealed: B64(format!("index {}", index + 1).into_bytes()),
                }),
            },
            bytes: None,
            now: NOW,
        }
    }

    /// A push of bytes.
    pub(crate) fn push(&self, persona: PersonaId, base: u64, index: u64, content: &[u8]) -> Commit {
        let mut commit = self.label(persona, base, index);
        commit.head.content_version = Some(commit.head.version);
        commit.head.blob = Some(blob(content.len() as u64));
        commit.bytes = Some(CommitBytes::Row(Bytes::copy_from_slice(content)));
        commit
    }

    /// A tombstone.
    pub(crate) fn removal(&self, persona: PersonaId, base: u64, index: u64) -> Commit {
        let mut commit = self.label(persona, base, index);
        commit.head.removed = true;
        commit
    }

    /// Commits, and expects it to be taken.
    pub(crate) async fn commit(&self, commit: Commit) -> u64 {
        self.store.commit(commit).await.expect("commits")
    }

    /// Whether there is room for so many bytes.
    pub(crate) async fn room(&self, bytes: u64) -> Result<(), StoreError> {
        self.store.begin_part(self.account, bytes).await?.abort().await;
        Ok(())
    }

    /// Commits one after the other without waiting in between, so that a backend that queues them
    /// need not make each durable by itself.
    pub(crate) async fn commit_all(&self, commits: impl IntoIterator<Item = Commit>) {
        let commits = commits.into_iter().map(|commit| self.store.commit(commit));
        // A task that yields to others in the middle would go on in another order.
        for result in tokio::task::unconstrained(join_all(commits)).await {
            result.expect("commits");
        }
    }

    /// Writes a part.
    pub(crate) async fn part(&self, content: &[u8]) -> Part {
        let mut writer =
            self.store.begin_part(self.account, content.len() as u64).await.expect("begins");
        for piece in content.chunks(70_000) {
            writer.write(Bytes::copy_from_slice(piece)).await.expect("writes");
        }
        writer.finish().await.expect("finishes")
    }

    /// An upload to begin, that is kept for a day.
    pub(crate) fn new_upload(&self, n: u8, announced_bytes: Option<u64>) -> NewUpload {
        NewUpload {
            session: self.session_id,
            account: self.account,
            id: UploadId::from_bytes([n; 16]),
            announced_bytes,
            now: NOW,
            expires_at: NOW + DAY_S,
        }
    }

    /// A part of upload `n`, to be appended, without a hash.
    pub(crate) async fn addition(
        &self,
        n: u8,
        offset: u64,
        content: &[u8],
    ) -> Result<Addition, StoreError> {
        let id = UploadId::from_bytes([n; 16]);
        let upload = self.store.upload(self.account, id, NOW).await?;
        let bytes = content.len() as u64;
        let mut writer = self.store.begin_upload_part(self.account, &upload, bytes).await?;
        writer.write(Bytes::copy_from_slice(content)).await?;
        Ok(Addition {
            session: self.session_id,
            account: self.account,
            id,
            offset,
            part: writer.keep().await?,
            blake3: None,
            now: NOW,
            expires_at: NOW + DAY_S,
        })
    }

    /// Makes upload `n` of one part, with the hash that [`blob`] announces.
    pub(crate) async fn upload(&self, n: u8, content: &[u8]) -> UploadId {
        let new = self.new_upload(n, Some(content.len() as u64));
        let id = new.id;
        self.store.create_upload(new).await.expect("begins");
        let addition = self.addition(n, 0, content).await.expect("is kept");
        let addition = Addition { blake3: Some([3; 32]), ..addition };
        self.store.append(addition).await.expect("appends");
        id
    }

    /// The bytes of a blob.
    pub(crate) async fn content(
        &self,
        persona: PersonaId,
        version: Option<u64>,
    ) -> Result<Vec<u8>, StoreError> {
        let blob = self.store.blob(self.account, persona, version).await?;
        let stream = self.store.read(&blob, 0..blob.bytes).await?;
        Ok(stream.try_collect::<Vec<_>>().await?.concat())
    }
}

/// Mail `n` to somebody.
pub(crate) fn mail(n: u8) -> QueuedMail {
    QueuedMail { id: [n; 16], kind: "test", sealed_body: vec![n] }
}

/// The announcement of a blob.
pub(crate) fn blob(bytes: u64) -> CommitBlob {
    CommitBlob { bytes, blake3: B64(vec![3; 32]), upload: None }
}

/// Asserts that a result is a certain error.
macro_rules! assert_refused {
    ($result:expr, $error:pat) => {
        match $result {
            Err($error) => {}
            Err(other) => panic!("refused for another reason: {other:?}"),
            Ok(_) => panic!("not refused"),
        }
    };
}
pub(crate) use assert_refused;
