//! Which uploads a request of this process adds to, so that no other does at the same time, and how
//! far each one's hash is. Both save work, and no more: of two that add at one offset, the store takes
//! one, and a hash that is not known is made from the parts.

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

/// Most hashes that are kept between requests; each takes some 2 KiB.
const MAX_HASHES: usize = 1000;

type Holders = Arc<Mutex<HashMap<UploadId, Holder>>>;
type Hashes = Arc<Mutex<HashMap<UploadId, Hashed>>>;

/// Uploads, who holds them, and what is known of their hashes.
#[derive(Default)]
pub(crate) struct Uploading {
    holders: Holders,
    hashes: Hashes,
}

/// BLAKE3 of the first bytes of an upload.
struct Hashed {
    bytes: u64,
    hasher: blake3::Hasher,
}

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
    hashes: Hashes,
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
                let next = locked(&self.holders).values().next().cloned();
                let Some(mut holder) = next else { return };
                let _ = holder.held.changed().await;
            }
        });
        let _ = settled.await;
    }

    #[cfg(test)]
    pub(crate) fn is_held(&self, id: UploadId) -> bool {
        locked(&self.holders).contains_key(&id)
    }

    fn try_claim(&self, id: UploadId) -> Result<Claim, Holder> {
        let mut holders = locked(&self.holders);
        if let Some(holder) = holders.get(&id) {
            return Err(holder.clone());
        }
        let (sender, held) = watch::channel(());
        let stop = Arc::<Stop>::default();
        holders.insert(id, Holder { stop: Arc::clone(&stop), held });
        let (holders, hashes) = (Arc::clone(&self.holders), Arc::clone(&self.hashes));
        Ok(Claim { holders, hashes, id, stop, _held: sender })
    }
}

impl Claim {
    /// BLAKE3 of the upload's first `bytes` bytes, where that is known.
    pub(crate) fn take_hash(&self, bytes: u64) -> Option<blake3::Hasher> {
        if bytes == 0 {
            return Some(blake3::Hasher::new());
        }
        let known = locked(&self.hashes).remove(&self.id)?;
        (known.bytes == bytes).then_some(known.hasher)
    }

    /// Keeps it for the next request: of the `bytes` that are durable.
    pub(crate) fn keep_hash(&self, bytes: u64, hasher: blake3::Hasher) {
        let mut hashes = locked(&self.hashes);
        if hashes.len() >= MAX_HASHES {
            // Any: its upload takes longer to commit, or was left long ago.
            let Some(other) = hashes.keys().next().copied() else { return };
            hashes.remove(&other);
        }
        hashes.insert(self.id, Hashed { bytes, hasher });
    }

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
fn locked<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(locked(&uploading.holders).is_empty());
    }

    #[tokio::test]
    async fn a_hash_goes_on_where_it_was_kept_and_nowhere_else() {
        let uploading = Uploading::default();
        let id = |number: u16| {
            let mut bytes = [0; UploadId::LEN];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            UploadId::from_bytes(bytes)
        };
        let claim = uploading.claim(id(0)).expect("it is free");
        let mut hasher = claim.take_hash(0).expect("of nothing it is known");
        hasher.update(b"abc");
        claim.keep_hash(3, hasher);
        drop(claim);
        let claim = uploading.claim(id(0)).expect("it is free again");
        let hasher = claim.take_hash(3).expect("it was kept");
        assert_eq!(hasher.finalize(), blake3::hash(b"abc"));
        assert!(claim.take_hash(3).is_none(), "once");
        claim.keep_hash(3, hasher);
        assert!(claim.take_hash(4).is_none(), "another replica may have taken more");
        for number in 0..u16::try_from(MAX_HASHES).expect("fits") + 9 {
            uploading.claim(id(number)).map_or_else(
                |_| claim.keep_hash(1, blake3::Hasher::new()),
                |other| {
                    other.keep_hash(1, blake3::Hasher::new());
                },
            );
        }
        assert_eq!(locked(&uploading.hashes).len(), MAX_HASHES);
    }
}
