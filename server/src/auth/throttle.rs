//! How many logins and registrations one network may begin: against guessing and flooding across
//! many addresses, which the count against each address does not see. Devices that an account
//! knows count for their account, since strangers may share their network.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use crate::error::ApiError;

/// How many are remembered one by one. What comes when so many are under way counts as one.
const MAX_STARTERS: usize = 1 << 16;
const HOUR_US: i64 = 3_600_000_000;

/// A bucket for each network or account, in memory; a restart empties them.
pub(crate) struct Throttle<K> {
    /// Microseconds after which a bucket has room for one more.
    interval_us: i64,
    buckets: Mutex<Buckets<K>>,
}

struct Buckets<K> {
    /// When each will be empty again, in unix microseconds.
    empty_at: HashMap<K, i64>,
    /// The same of all that are not in the map.
    others_empty_at: i64,
}

impl<K: Copy + Eq + Hash> Throttle<K> {
    /// Lets `starts_per_hour` through for each: at once, or spread out.
    pub(crate) fn new(starts_per_hour: u64) -> Self {
        let interval_us = i64::try_from(HOUR_US.unsigned_abs() / starts_per_hour.max(1));
        let buckets = Buckets { empty_at: HashMap::new(), others_empty_at: 0 };
        Self { interval_us: interval_us.unwrap_or(HOUR_US).max(1), buckets: buckets.into() }
    }

    /// Counts a start at `now`, in unix seconds, or refuses it and says when to come again.
    pub(crate) fn start(&self, who: K, now: i64) -> Result<(), ApiError> {
        let now = now.saturating_mul(1_000_000);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { empty_at, others_empty_at } = &mut *buckets;
        if empty_at.len() >= MAX_STARTERS && !empty_at.contains_key(&who) {
            empty_at.retain(|_, at| *at > now);
        }
        let bucket = if empty_at.len() < MAX_STARTERS || empty_at.contains_key(&who) {
            empty_at.entry(who).or_insert(now)
        } else {
            others_empty_at
        };
        // No further than an hour: a clock that was set back must not lock anybody out for long.
        let filled = (*bucket).clamp(now, now.saturating_add(HOUR_US)) + self.interval_us;
        let over = filled - now.saturating_add(HOUR_US);
        if over > 0 {
            return Err(ApiError::TooMany {
                retry_after_s: over.unsigned_abs().div_ceil(1_000_000),
            });
        }
        *bucket = filled;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::http::peer::Network;

    fn network(n: u32) -> Network {
        IpAddr::V4(Ipv4Addr::from_bits(n)).into()
    }

    fn retry_after(result: Result<(), ApiError>) -> Option<u64> {
        match result {
            Ok(()) => None,
            Err(ApiError::TooMany { retry_after_s }) => Some(retry_after_s),
            Err(error) => panic!("{error}"),
        }
    }

    /// Holds rule 25.
    #[test]
    fn a_network_has_its_starts_and_gets_them_back() {
        let throttle = Throttle::new(3);
        for _ in 0..3 {
            assert_eq!(retry_after(throttle.start(network(1), 1000)), None);
        }
        assert_eq!(retry_after(throttle.start(network(1), 1000)), Some(1200));
        assert_eq!(retry_after(throttle.start(network(2), 1000)), None, "another's");
        assert_eq!(retry_after(throttle.start(network(1), 2199)), Some(1));
        assert_eq!(retry_after(throttle.start(network(1), 2200)), None);
        assert_eq!(retry_after(throttle.start(network(1), 2200)), Some(1200));
    }

    /// Holds rule 25.
    #[test]
    fn a_clock_set_back_locks_nobody_out_for_long() {
        let throttle = Throttle::new(3);
        assert_eq!(retry_after(throttle.start(network(1), 1_000_000)), None);
        assert_eq!(retry_after(throttle.start(network(1), 1000)), Some(1200));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::new(3);
        let many = u32::try_from(MAX_STARTERS).expect("fits");
        for n in 0..many + 3 {
            assert_eq!(retry_after(throttle.start(network(n), 1000)), None);
        }
        assert_eq!(retry_after(throttle.start(network(many + 9), 1000)), Some(1200), "as one");
        assert_eq!(throttle.buckets.lock().expect("no panic").empty_at.len(), MAX_STARTERS);
        assert_eq!(retry_after(throttle.start(network(many + 9), 9000)), None);
        assert_eq!(throttle.buckets.lock().expect("no panic").empty_at.len(), 1, "forgotten");
    }
}
