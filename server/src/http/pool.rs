//! What all requests share, and of which nobody may take more than a share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::peer::Owner;
use crate::error::ApiError;

/// How long a request waits for what others hold.
const WAIT: Duration = Duration::from_secs(10);
/// Owners that are remembered before those that hold nothing are looked for.
const LEAST_OWNERS: usize = 64;

/// So many units of something.
pub(crate) struct Pool {
    all: Arc<Semaphore>,
    share: u32,
    owners: Mutex<Owners>,
}

#[derive(Default)]
struct Owners {
    /// What is left of each owner's share; dead when the owner holds and wants nothing.
    shares: HashMap<Owner, Weak<Semaphore>>,
    prune_at: usize,
}

/// Units that are held until it is dropped.
pub(crate) struct Permit {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Pool {
    /// `units`, of which one owner gets at most `share` at the same time.
    pub(crate) fn new(units: u32, share: u32) -> Self {
        let all = Arc::new(Semaphore::new(units as usize));
        Self { all, share: share.min(units), owners: Mutex::default() }
    }

    /// Takes `units`, or a whole share where that is less, waiting a bounded time for them.
    pub(crate) async fn take(&self, owner: Owner, units: u32) -> Result<Permit, ApiError> {
        let units = units.min(self.share);
        let own = self.own(owner);
        let taken = timeout(WAIT, async {
            // In this order, who waits for their own keeps nobody else waiting.
            let own = own.acquire_many_owned(units).await?;
            let all = Arc::clone(&self.all).acquire_many_owned(units).await?;
            Ok::<_, tokio::sync::AcquireError>(Permit { _own: own, _all: all })
        });
        match taken.await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphores are never closed, so this is the time-out.
            Ok(Err(_)) | Err(_) => Err(ApiError::Busy),
        }
    }

    fn own(&self, owner: Owner) -> Arc<Semaphore> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = owners.shares.get(&owner).and_then(Weak::upgrade) {
            return own;
        }
        if owners.shares.len() >= owners.prune_at {
            owners.shares.retain(|_, own| own.strong_count() > 0);
            owners.prune_at = LEAST_OWNERS.max(2 * owners.shares.len());
        }
        let own = Arc::new(Semaphore::new(self.share as usize));
        owners.shares.insert(owner, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt as _;

    use super::*;

    fn owner(n: u32) -> Owner {
        Owner::Network(IpAddr::V4(Ipv4Addr::from_bits(n)).into())
    }

    #[tokio::test]
    async fn nobody_takes_more_than_a_share() {
        let pool = Pool::new(9, 3);
        let take = |n, units| pool.take(owner(n), units).now_or_never().and_then(Result::ok);
        let first = take(1, 3).expect("a share");
        assert!(take(1, 1).is_none(), "and no more");
        let _second = take(2, 100).expect("a share is the most");
        let _third = take(3, 3).expect("another's");
        assert!(take(4, 1).is_none(), "all is taken");
        drop(first);
        take(4, 1).expect("what was given back");
        take(1, 3).expect("a share again");
    }

    #[tokio::test]
    async fn owners_that_hold_nothing_are_forgotten() {
        let pool = Pool::new(9, 3);
        let _held = pool.take(owner(0), 1).await;
        for n in 1..1000 {
            drop(pool.take(owner(n), 1).await);
        }
        let owners = pool.owners.lock().expect("no panic");
        assert!(owners.shares.len() <= LEAST_OWNERS, "{}", owners.shares.len());
        assert!(owners.shares.contains_key(&owner(0)));
    }
}
