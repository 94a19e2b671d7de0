//! The contract's methods: which function runs on which thread.

use std::ops::Range;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use keybackup_protocol::api::{
    AccountAnswer, DeviceRecord, Keyring, Labels, ListedEpoch, ListedSession, Listing, OpenedEpoch,
};
use keybackup_protocol::{AccountId, EpochId, PersonaId, UploadId};

use super::sql::proposal::Proposal;
use super::sql::{
    accounts, attempts, codes, commit, devices, epochs, invites, outbox, passwords, personas,
    quota, recovery, resets, retention, sessions, starts, undo, unlock, uploads,
};
use super::tx::Tx;
use super::{
    Addition, Blob, BlobSource, Commit, CommitBytes, Credential, EpochVerifier, FinishedLogin,
    Invite, InviteTag, LoginMaterial, NewAccount, NewAttempt, NewCode, NewRegistration, NewReset,
    NewUpload, OpenedReset, PartWriter, PasswordChange, PersonaPurge, RecoveryRotation, Reset,
    Session, SqlStore, Store, StoreError, TokenHash, Undo, Unlocking, Upload, WaitingMail,
};

impl SqlStore {
    /// Notes the last use of a session. Not waited for: at worst it ends a minute early.
    fn touched(&self, session: Session, touch: bool, now: i64) -> Session {
        if touch {
            let id = session.id;
            self.0.writer.post(move |tx| sessions::touch(tx, id, now));
        }
        session
    }
}

#[async_trait::async_trait]
impl Store for SqlStore {
    async fn health(&self) -> Result<(), StoreError> {
        self.0.readers.run(accounts::look).await?;
        if !self.0.probe.is_due() {
            return self.0.writer.run(accounts::look).await;
        }
        self.0.writer.run(accounts::probe).await?;
        self.0.parts.probe().await?;
        self.0.probe.passed();
        Ok(())
    }

    async fn open_attempt(&self, attempt: NewAttempt) -> Result<Option<Credential>, StoreError> {
        let limits = self.0.limits;
        self.0.writer.run(move |tx| counted(attempts::open_login(tx, &attempt, &limits))).await?
    }

    async fn finish_login(&self, login: FinishedLogin) -> Result<LoginMaterial, StoreError> {
        self.0
            .writer
            .run(move |tx| {
                attempts::finish_login(tx, &login)?;
                let (account, epoch, session) = (login.account, login.epoch, &login.session);
                if let Some(mail) = &login.mail
                    && !devices::exists(tx, account, session.device)?
                {
                    outbox::add_for_account(tx, account, mail, login.now)?;
                }
                devices::note_login(tx, account, session, login.now)?;
                sessions::open(tx, account, epoch, session, &login.attempt, login.now)?;
                Ok(LoginMaterial {
                    slots: accounts::slots(tx, account, epoch)?,
                    keyring: accounts::keyring(tx, account, epoch)?,
                    device: devices::record(tx, account, session.device)?,
                })
            })
            .await
    }

    async fn open_registration(&self, registration: NewRegistration) -> Result<(), StoreError> {
        let limits = self.0.limits;
        self.0
            .writer
            .run(move |tx| counted(attempts::open_registration(tx, &registration, &limits)))
            .await?
    }

    async fn register(&self, account: NewAccount) -> Result<(), StoreError> {
        let limits = self.0.limits;
        self.0
            .writer
            .run(move |tx| {
                starts::count(tx, &account.network.0, account.now, &limits)?;
                accounts::register(tx, &account)
            })
            .await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| passwords::change(tx, &change)).await
    }

    async fn request_code(&self, code: NewCode) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| codes::request(tx, &code)).await
    }

    async fn open_reset(&self, reset: NewReset) -> Result<OpenedReset, StoreError> {
        let limits = self.0.limits;
        self.0.writer.run(move |tx| counted(resets::open(tx, &reset, &limits))).await?
    }

    async fn reset_password(&self, reset: Reset) -> Result<(), StoreError> {
        let limits = self.0.limits;
        self.0.writer.run(move |tx| resets::finish(tx, &reset, &limits)).await
    }

    async fn undo_reset(&self, undo: Undo) -> Result<(EpochId, bool), StoreError> {
        let limits = self.0.limits;
        self.0.writer.run(move |tx| counted(undo::undo(tx, &undo, &limits))).await?
    }

    async fn purge_persona(&self, purge: PersonaPurge) -> Result<bool, StoreError> {
        let (parts, any) = self.0.writer.run(move |tx| retention::purge(tx, &purge)).await?;
        // What is left of them after a crash no row names: the sweep takes it.
        self.delete(&parts).await?;
        Ok(any)
    }

    async fn rotate_recovery(&self, rotation: RecoveryRotation) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| recovery::rotate(tx, &rotation)).await
    }

    async fn epochs(&self, account: AccountId) -> Result<Vec<ListedEpoch>, StoreError> {
        self.0.readers.run(move |tx| epochs::list(tx, account)).await
    }

    async fn open_epoch(
        &self,
        account: AccountId,
        epoch: EpochId,
        proof: EpochVerifier,
    ) -> Result<OpenedEpoch, StoreError> {
        self.0.readers.run(move |tx| epochs::open(tx, account, epoch, &proof)).await
    }

    async fn unlock(&self, unlocking: Unlocking) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| unlock::unlock(tx, &unlocking)).await
    }

    async fn claim_mail(&self, now: i64, until: i64) -> Result<Option<WaitingMail>, StoreError> {
        self.0.writer.run(move |tx| outbox::claim(tx, now, until)).await
    }

    async fn next_mail_at(&self) -> Result<Option<i64>, StoreError> {
        self.0.readers.run(outbox::next_at).await
    }

    async fn forget_mail(&self, id: [u8; 16]) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| outbox::forget(tx, &id)).await
    }

    async fn put_off_mail(
        &self,
        id: [u8; 16],
        not_before: i64,
        why: String,
    ) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| outbox::put_off(tx, &id, not_before, &why)).await
    }

    async fn account(
        &self,
        account: AccountId,
        epoch: EpochId,
    ) -> Result<AccountAnswer, StoreError> {
        let limits = self.0.limits;
        self.0.readers.run(move |tx| accounts::facts(tx, account, epoch, &limits)).await
    }

    async fn sessions(
        &self,
        account: AccountId,
        asking: i64,
        now: i64,
    ) -> Result<Vec<ListedSession>, StoreError> {
        self.0.readers.run(move |tx| sessions::list(tx, account, asking, now)).await
    }

    async fn revoke_session(
        &self,
        account: AccountId,
        asking: i64,
        id: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.0
            .writer
            .run(move |tx| {
                sessions::require(tx, asking, now)?;
                sessions::revoke(tx, account, id)
            })
            .await
    }

    async fn revoke_others(
        &self,
        account: AccountId,
        asking: i64,
        now: i64,
    ) -> Result<u64, StoreError> {
        self.0
            .writer
            .run(move |tx| {
                sessions::require(tx, asking, now)?;
                sessions::revoke_others(tx, account, asking)
            })
            .await
    }

    async fn session(&self, token: &TokenHash, now: i64) -> Result<Option<Session>, StoreError> {
        let token = *token;
        let found = self.0.readers.run(move |tx| sessions::find(tx, &token, now)).await?;
        Ok(found.map(|(session, touch)| self.touched(session, touch, now)))
    }

    async fn session_and_blob(
        &self,
        token: &TokenHash,
        now: i64,
        persona: PersonaId,
        version: Option<u64>,
    ) -> Result<Option<(Session, Result<Blob, StoreError>)>, StoreError> {
        let token = *token;
        let look = move |tx: &mut Tx<'_>| {
            let Some((session, touch)) = sessions::find(tx, &token, now)? else { return Ok(None) };
            let blob = personas::blob(tx, session.account, persona, version);
            Ok(Some((session, touch, blob)))
        };
        let found = self.0.readers.run(look).await?;
        Ok(found.map(|(session, touch, blob)| (self.touched(session, touch, now), blob)))
    }

    async fn end_session(&self, id: i64) -> Result<bool, StoreError> {
        self.0.writer.run(move |tx| sessions::end(tx, id)).await
    }

    async fn keyring(&self, account: AccountId, epoch: EpochId) -> Result<Keyring, StoreError> {
        self.0.readers.run(move |tx| accounts::keyring(tx, account, epoch)).await
    }

    async fn listing(&self, account: AccountId, epoch: EpochId) -> Result<Listing, StoreError> {
        self.0.readers.run(move |tx| personas::listing(tx, account, epoch)).await
    }

    async fn listing_bytes(&self, account: AccountId, epoch: EpochId) -> Result<u64, StoreError> {
        self.0.readers.run(move |tx| quota::listing_bytes(tx, account, epoch)).await
    }

    async fn labels(
        &self,
        account: AccountId,
        persona: PersonaId,
        from: u64,
    ) -> Result<Labels, StoreError> {
        self.0.readers.run(move |tx| personas::labels(tx, account, persona, from)).await
    }

    async fn commit(&self, commit: Commit) -> Result<u64, StoreError> {
        let part = match &commit.bytes {
            Some(CommitBytes::Part(part)) => Some(part.name.clone()),
            Some(CommitBytes::Row(_)) | None => None,
        };
        part.iter().try_for_each(|part| self.0.parts.check_unnamed(part))?;
        let result = match Proposal::parse(commit) {
            Ok(proposal) => self.commit_proposal(proposal, part.clone()).await,
            Err(error) => Err(error),
        };
        if let (Some(part), Err(error)) = (part, &result)
            && is_certain(error)
        {
            // What it can't delete now, the sweep will.
            let _ = self.0.parts.delete(&part).await;
        }
        result
    }

    async fn blob(
        &self,
        account: AccountId,
        persona: PersonaId,
        version: Option<u64>,
    ) -> Result<Blob, StoreError> {
        self.0.readers.run(move |tx| personas::blob(tx, account, persona, version)).await
    }

    async fn read(
        &self,
        blob: &Blob,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        if range.start > range.end || range.end > blob.bytes {
            return Err(StoreError::Invalid("the range is not within the blob"));
        }
        match &blob.source {
            BlobSource::Parts(parts) => self.0.parts.read(parts, range).await,
            BlobSource::Row(content) => {
                let within = usize::try_from(range.start)
                    .and_then(|start| Ok(start..usize::try_from(range.end)?))
                    .ok()
                    .filter(|within| within.end <= content.len())
                    .ok_or(StoreError::Invalid("the row holds fewer bytes than it says"))?;
                let bytes = content.slice(within);
                Ok(futures_util::stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed())
            }
        }
    }

    async fn trash(
        &self,
        account: AccountId,
        persona: PersonaId,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.0.writer.run(move |tx| personas::trash(tx, account, persona, now)).await
    }

    async fn begin_part(
        &self,
        account: AccountId,
        bytes: u64,
    ) -> Result<Box<dyn PartWriter>, StoreError> {
        let held_bytes = self.0.readers.run(move |tx| quota::held_bytes(tx, account)).await?;
        let room_bytes = self.0.limits.quota_bytes.saturating_sub(held_bytes);
        Ok(Box::new(self.0.parts.begin(account, bytes, room_bytes).await?))
    }

    async fn begin_upload_part(
        &self,
        account: AccountId,
        upload: &Upload,
        bytes: u64,
    ) -> Result<Box<dyn PartWriter>, StoreError> {
        self.begin_counted_part(account, upload, bytes).await
    }

    async fn create_upload(&self, upload: NewUpload) -> Result<(), StoreError> {
        self.begin_upload(upload).await
    }

    async fn upload(
        &self,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<Upload, StoreError> {
        self.0.readers.run(move |tx| uploads::look(tx, account, id, now)).await
    }

    async fn announce_upload(
        &self,
        account: AccountId,
        id: UploadId,
        bytes: u64,
        now: i64,
    ) -> Result<(), StoreError> {
        self.announce(account, id, bytes, now).await
    }

    async fn append(&self, addition: Addition) -> Result<(), StoreError> {
        self.append_part(addition).await
    }

    async fn hash_upload(
        &self,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<(), StoreError> {
        self.hash_parts(account, id, now).await
    }

    async fn end_upload(
        &self,
        session: i64,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<(), StoreError> {
        self.drop_upload(session, account, id, now).await
    }

    async fn put_device(
        &self,
        account: AccountId,
        session: i64,
        record: DeviceRecord,
        now: i64,
    ) -> Result<(), StoreError> {
        let limits = self.0.limits;
        self.0
            .writer
            .run(move |tx| {
                sessions::require(tx, session, now)?;
                devices::put(tx, account, &record, &limits)
            })
            .await
    }

    async fn devices(&self, account: AccountId) -> Result<Vec<DeviceRecord>, StoreError> {
        self.0.readers.run(move |tx| devices::records(tx, account)).await
    }

    async fn devices_bytes(&self, account: AccountId) -> Result<u64, StoreError> {
        self.0.readers.run(move |tx| devices::records_bytes(tx, account)).await
    }

    async fn create_invite(
        &self,
        tag: InviteTag,
        now: i64,
        expires_at: i64,
        uses: u32,
    ) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| invites::create(tx, &tag, now, expires_at, uses)).await
    }

    async fn invites(&self, now: i64) -> Result<Vec<Invite>, StoreError> {
        self.0.readers.run(move |tx| invites::list(tx, now)).await
    }

    async fn revoke_invite(&self, id: i64) -> Result<bool, StoreError> {
        self.0.writer.run(move |tx| invites::revoke(tx, id)).await
    }

    async fn sweep(&self, now: i64) -> Result<(), StoreError> {
        self.sweep_all(now).await
    }
}

impl SqlStore {
    async fn commit_proposal(
        &self,
        proposal: Proposal,
        part: Option<String>,
    ) -> Result<u64, StoreError> {
        let (limits, parts) = (self.0.limits, self.0.parts.clone());
        let version = proposal.version.unsigned_abs();
        self.0
            .writer
            .run(move |tx| {
                commit::commit(tx, &proposal, &limits)?;
                // Here, and not after the answer, which a caller who left never hears.
                if let Some(part) = part {
                    parts.is_named(&part);
                }
                Ok(version)
            })
            .await
    }
}

/// Keeps what was counted before a refusal: else guessing at an address whose attempts are used up,
/// and asking which ones are taken, would cost a network nothing. Nothing else was written by then.
pub(super) fn counted<T>(
    opened: Result<T, StoreError>,
) -> Result<Result<T, StoreError>, StoreError> {
    match opened {
        Err(
            refused @ (StoreError::TooMany { .. }
            | StoreError::Taken
            | StoreError::InviteRefused
            | StoreError::CodeRefused
            | StoreError::ProofRefused
            | StoreError::ResetBarred { .. }),
        ) => Ok(Err(refused)),
        other => other.map(Ok),
    }
}

/// Whether an error leaves no doubt that nothing was committed. After a failed commit of the
/// database there is some: then a part may be named, and must not be deleted.
pub(super) const fn is_certain(error: &StoreError) -> bool {
    !matches!(error, StoreError::Rows(_) | StoreError::Bytes(_))
}
