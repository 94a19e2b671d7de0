//! The sweep: rows go first and bytes after, so that an interruption leaves orphans at worst,
//! which the next sweep finds. Orphans are set aside for a while, since a database that was
//! restored from before them makes orphans too.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use super::lost::Lost;
use super::sql::{expiry, purge, retention};
use super::tx::Tx;
use super::{SqlStore, StoreError};
use keybackup_protocol::AccountId;

/// Age at which a part that no row names is an orphan, and not one that waits for its commit.
const ORPHAN_AGE_S: i64 = 24 * 60 * 60;
/// How long an orphan stays set aside.
const KEEP_LOST_S: i64 = 30 * 24 * 60 * 60;
/// Names that are looked up in one read.
const NAMES: usize = 500;

impl SqlStore {
    pub(super) async fn sweep_all(&self, now: i64) -> Result<(), StoreError> {
        for drop_some in expiry::KINDS {
            while self.0.writer.run(move |tx| drop_some(tx, now)).await? {}
        }
        self.sweep_uploads(now).await?;
        self.sweep_blobs(now).await?;
        self.purge(None, now).await?;
        self.sweep_orphans(now).await
    }

    async fn sweep_uploads(&self, now: i64) -> Result<(), StoreError> {
        loop {
            let (parts, more) =
                self.0.writer.run(move |tx| retention::drop_uploads(tx, now)).await?;
            self.delete(&parts).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Searched for by a reader, and dropped in small transactions, so that pushes go on.
    async fn sweep_blobs(&self, now: i64) -> Result<(), StoreError> {
        let mut next = Some(retention::START);
        while let Some(after) = next {
            let (over, last) =
                self.0.readers.run(move |tx| retention::over_blobs(tx, now, after)).await?;
            next = last;
            if over.is_empty() {
                continue;
            }
            let parts = self.0.writer.run(move |tx| retention::drop_blobs(tx, now, &over)).await?;
            self.delete(&parts).await?;
        }
        Ok(())
    }

    /// Purges what was deleted and whose time has come, of all accounts or of one.
    pub(super) async fn purge(&self, of: Option<AccountId>, now: i64) -> Result<(), StoreError> {
        while let Some((account, epoch)) =
            self.0.readers.run(move |tx| purge::next(tx, of, now)).await?
        {
            loop {
                let dropped = move |tx: &mut Tx<'_>| purge::drop_some(tx, account, epoch, now);
                let (parts, more) = self.0.writer.run(dropped).await?;
                self.delete(&parts).await?;
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn sweep_orphans(&self, now: i64) -> Result<(), StoreError> {
        self.bring_back_lost().await?;
        let old = self.0.parts.written_before(now - ORPHAN_AGE_S).await?;
        let orphans = self.unnamed(&old).await?;
        if self.are_suspicious(orphans.len()).await? {
            return Ok(());
        }
        for orphan in orphans {
            self.0.parts.set_aside(orphan, now).await?;
        }
        self.0.parts.with_lost(move |lost| lost.remove_before(now - KEEP_LOST_S)).await?;
        self.0.parts.delete_staged_before(now - ORPHAN_AGE_S).await
    }

    /// Puts back what a row names (again): a newer database has been restored.
    async fn bring_back_lost(&self) -> Result<(), StoreError> {
        let lost = self.0.parts.with_lost(Lost::names).await?;
        let unnamed: HashSet<_> = self.unnamed(&lost).await?.into_iter().collect();
        let named: Vec<_> = lost.into_iter().filter(|name| !unnamed.contains(name)).collect();
        self.0
            .parts
            .with_lost(move |lost| named.iter().try_for_each(|name| lost.bring_back(name)))
            .await
    }

    async fn unnamed(&self, names: &[String]) -> Result<Vec<String>, StoreError> {
        let mut unnamed = Vec::new();
        for names in names.chunks(NAMES) {
            let names = names.to_vec();
            unnamed.extend(self.0.readers.run(move |tx| retention::unnamed(tx, names)).await?);
        }
        Ok(unnamed)
    }

    /// Whether the first sweep finds more orphans than parts that have a name, which tells of
    /// a wrong database. Then they stay where they are, and the operator has until the next
    /// sweep to stop the server.
    async fn are_suspicious(&self, orphans: usize) -> Result<bool, StoreError> {
        if self.0.swept.swap(true, Ordering::Relaxed) || orphans == 0 {
            return Ok(false);
        }
        let named = self.0.readers.run(retention::named_parts).await?;
        let suspicious = u64::try_from(orphans).is_ok_and(|orphans| orphans > named);
        if suspicious {
            tracing::error!(
                orphans,
                named,
                "more blobs are unknown to the database than known: was an older one restored? \
                 the next sweep moves them to blobs/lost, for 30 days"
            );
        }
        Ok(suspicious)
    }

    pub(super) async fn delete(&self, parts: &[String]) -> Result<(), StoreError> {
        for part in parts {
            self.0.parts.delete(part).await?;
        }
        Ok(())
    }
}
