//! Which uploads a request of this process adds to, so that no other does at the same time. It
//! saves work, and no more: of two that add at one offset, the store takes one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use keybackup_protocol::UploadId;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::error::ApiError;

/// How long who holds an upload may take to make what it has durable, once it is told to.
const WAIT: Duration = Duration::from_secs(10);

/// How long it goes on taking what still comes.
const GRACE: Duration = Duration::from_secs(1);

type Holders = Arc<Mutex<HashMap<UploadId, Holder>>>;

/// Uploads, and who holds them.
#[derive(Default)]
pub(crate) struct Uploading(Holders);

#[derive(Default)]
struct Stop {
    notify: Notify,
    since: OnceLock<Instant>,
}

#[derive(Clone)]
struct Holder {
    stop: Arc<Stop>,
    held: watch::Receiver<()>,
}

/// An upload that nobody else adds to until this is dropped.
pub(crate) struct Claim {
    holders: Holders,
    id: UploadId,
    stop: Arc<Stop>,
    /// Who waits is woken by its end, after the upload is free.
    _held: watch::Sender<()>,
}

impl Uploading {
    /// Claims an upload that is free.
    pub(crate) fn claim(&self, id: UploadId) -> Result<Claim, ApiError> {
        self.try_claim(id).map_err(|_| ApiError::Locked)
    }

    /// Claims an upload; whoever holds it is told to stop, and waited for. A connection that broke
    /// without a word holds one until its time is over, while its client comes back on another.
    pub(crate) async fn take_over(&self, id: UploadId) -> Result<Claim, ApiError> {
        let taken = timeout(WAIT, async {
            loop {
                match self.try_claim(id) {
                    Ok(claim) => return claim,
                    Err(mut holder) => {
                        holder.stop.since.get_or_init(Instant::now);
                        holder.stop.notify.notify_one();
                        // Nothing is ever sent: it ends with an error when the holder goes.
                        let _ = holder.held.changed().await;
                    }
                }
            }
        });
        taken.await.map_err(|_| ApiError::Locked)
    }

    /// Waits until nothing is held, for a while.
    pub(crate) async fn settled(&self) {
        let settled = timeout(WAIT, async {
            loop {
                let next = locked(&self.0).values().next().cloned();
                let Some(mut holder) = next else { return };
                let _ = holder.held.changed().await;
            }
        });
        let _ = settled.await;
    }

    #[cfg(test)]
    pub(crate) fn is_held(&self, id: UploadId) -> bool {
        locked(&self.0).contains_key(&id)
    }

    fn try_claim(&self, id: UploadId) -> Result<Claim, Holder> {
        let mut holders = locked(&self.0);
        if let Some(holder) = holders.get(&id) {
            return Err(holder.clone());
        }
        let (sender, held) = watch::channel(());
        let stop = Arc::<Stop>::default();
        holders.insert(id, Holder { stop: Arc::clone(&stop), held });
        Ok(Claim { holders: Arc::clone(&self.0), id, stop, _held: sender })
    }
}

impl Claim {
    /// Whether somebody wants the upload.
    pub(crate) fn is_wanted(&self) -> bool {
        self.stop.since.get().is_some()
    }

    /// Completes when somebody wants the upload, also when that was before.
    pub(crate) async fn wanted(&self) {
        self.stop.notify.notified().await;
    }

    /// Whether somebody has waited long enough for it to end, though more keeps coming.
    pub(crate) fn is_overdue(&self) -> bool {
        self.stop.since.get().is_some_and(|since| since.elapsed() >= GRACE)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        locked(&self.holders).remove(&self.id);
    }
}

// A map is whole after every call, so a panic elsewhere leaves it usable.
fn locked(holders: &Holders) -> MutexGuard<'_, HashMap<UploadId, Holder>> {
    holders.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holds_it_until_it_is_told_to_stop() {
        let uploading = Arc::new(Uploading::default());
        let (one, other) = (UploadId::from_bytes([1; 16]), UploadId::from_bytes([2; 16]));
        let claim = uploading.claim(one).expect("it is free");
        assert!(matches!(uploading.claim(one), Err(ApiError::Locked)));
        drop(uploading.claim(other).expect("another one is free"));
        let waiting = Arc::clone(&uploading);
        let taker = tokio::spawn(async move { waiting.take_over(one).await.map(drop) });
        claim.wanted().await;
        assert!(!taker.is_finished());
        drop(claim);
        taker.await.expect("no panic").expect("it is free again");
        drop(uploading.claim(one).expect("and again"));
        assert!(locked(&uploading.0).is_empty());
    }
}
