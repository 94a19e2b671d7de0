//! The contract's methods about uploads: parts that are written in files, and rows that name them.

use futures_util::TryStreamExt as _;
use keybackup_protocol::{AccountId, UploadId};

use super::calls::is_certain;
use super::sql::{quota, uploads};
use super::tx::count;
use super::{Addition, NewUpload, PartWriter, SqlStore, StoreError, Upload};

impl SqlStore {
    pub(super) async fn begin_upload(&self, upload: NewUpload) -> Result<(), StoreError> {
        self.0.parts.check_free(upload.announced_bytes.unwrap_or(0))?;
        let (limits, parts) = (self.0.limits, self.0.parts.clone());
        self.0
            .writer
            .run(move |tx| {
                // What is on its way into parts that no row counts has been promised its room.
                let limits = parts.limits_beside(upload.account, &limits);
                uploads::create(tx, &upload, &limits)
            })
            .await
    }

    pub(super) async fn announce(
        &self,
        account: AccountId,
        id: UploadId,
        bytes: u64,
        now: i64,
    ) -> Result<(), StoreError> {
        let (limits, parts, bytes) = (self.0.limits, self.0.parts.clone(), count(bytes)?);
        self.0
            .writer
            .run(move |tx| {
                let limits = parts.limits_beside(account, &limits);
                uploads::announce(tx, account, id, bytes, now, &limits)
            })
            .await
    }

    pub(super) async fn begin_counted_part(
        &self,
        account: AccountId,
        upload: &Upload,
        bytes: u64,
    ) -> Result<Box<dyn PartWriter>, StoreError> {
        if upload.announced_bytes.is_some() {
            return Ok(Box::new(self.0.parts.begin_counted(account, bytes).await?));
        }
        let held_bytes = self.0.readers.run(move |tx| quota::held_bytes(tx, account)).await?;
        let room_bytes = self.0.limits.quota_bytes.saturating_sub(held_bytes);
        Ok(Box::new(self.0.parts.begin(account, bytes, room_bytes).await?))
    }

    pub(super) async fn append_part(&self, addition: Addition) -> Result<(), StoreError> {
        let (limits, parts) = (self.0.limits, self.0.parts.clone());
        let part = addition.part.name.clone();
        self.0.parts.check_unnamed(&part)?;
        let result = self
            .0
            .writer
            .run(move |tx| {
                uploads::append(tx, &addition, &limits)?;
                // Here, and not after the answer, which a caller who left never hears.
                parts.is_named(&addition.part.name);
                Ok(())
            })
            .await;
        if result.as_ref().is_err_and(is_certain) {
            let _ = self.0.parts.delete(&part).await; // else the sweep does
        }
        result
    }

    pub(super) async fn hash_parts(
        &self,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<(), StoreError> {
        let to_hash = self.0.readers.run(move |tx| uploads::to_hash(tx, account, id, now)).await?;
        let Some((bytes, parts)) = to_hash else { return Ok(()) };
        let mut chunks = self.0.parts.read(&parts, 0..bytes).await?;
        let mut hasher = blake3::Hasher::new();
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
        }
        let blake3 = hasher.finalize();
        self.0.writer.run(move |tx| uploads::set_hash(tx, id, bytes, blake3.as_bytes())).await
    }

    pub(super) async fn drop_upload(
        &self,
        session: i64,
        account: AccountId,
        id: UploadId,
        now: i64,
    ) -> Result<(), StoreError> {
        let parts =
            self.0.writer.run(move |tx| uploads::end(tx, session, account, id, now)).await?;
        for part in &parts {
            // Its row is gone: what can't be deleted now is an orphan, which the sweep finds.
            let _ = self.0.parts.delete(part).await;
        }
        Ok(())
    }
}
