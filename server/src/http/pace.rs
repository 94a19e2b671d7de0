//! The slowest that a body may come, and an answer go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a body may be slower than that at its beginning.
const BODY_GRACE: Duration = Duration::from_secs(10);
/// The same of an answer.
const ANSWER_GRACE: Duration = Duration::from_secs(30);
/// The slowest that an answer may go which others wait behind.
const SLOWEST_ANSWER_BYTES_PER_S: u64 = 16 * 1024;
/// What a fast beginning earns at most: without a bound, some GiB would pay for days.
const MOST_EARNED: Duration = Duration::from_mins(10);

/// A running average: what has moved so far says how much longer the next bytes may take.
pub(crate) struct Pace {
    left: Duration,
    most: Duration,
    bytes_per_s: u64,
}

impl Pace {
    /// A body, at least so many bytes a second on average, after a grace of ten seconds, or of
    /// `idle` where that is shorter.
    pub(crate) fn new(bytes_per_s: u64, idle: Duration) -> Self {
        Self { left: BODY_GRACE.min(idle), most: Duration::MAX, bytes_per_s }
    }

    /// An answer, after a grace of half a minute, or of `idle` where that is shorter.
    fn of_answer(idle: Duration) -> Self {
        let left = ANSWER_GRACE.min(idle);
        Self { left, most: MOST_EARNED, bytes_per_s: SLOWEST_ANSWER_BYTES_PER_S }
    }

    /// Counts bytes that came or went.
    pub(crate) fn came(&mut self, bytes: u64) {
        let earned = bytes.saturating_mul(1_000_000_000) / self.bytes_per_s;
        self.left = self.left.saturating_add(Duration::from_nanos(earned)).min(self.most);
    }

    /// Counts time that was spent waiting for the client; the server's own does not count.
    pub(crate) const fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// How much longer the client may take for anything.
    pub(crate) const fn left(&self) -> Duration {
        self.left
    }
}

/// Tells a connection whether what it sends holds something that others wait for. Clones share
/// it.
#[derive(Clone, Default)]
pub(crate) struct Holding(Arc<Counts>);

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    ever: AtomicUsize,
}

/// Something that is held until this is dropped.
pub(crate) struct Held(Holding);

impl Holding {
    /// Something is held from here on.
    pub(crate) fn begin(&self) -> Held {
        self.0.ever.fetch_add(1, Ordering::Relaxed);
        self.0.now.fetch_add(1, Ordering::Relaxed);
        Held(self.clone())
    }

    /// The number of what was held last, while anything is.
    fn newest(&self) -> Option<usize> {
        let is_held = self.0.now.load(Ordering::Relaxed) > 0;
        is_held.then(|| self.0.ever.load(Ordering::Relaxed))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The pace of the answers on one connection. Only those that hold something have one.
pub(crate) struct AnswerPace {
    holding: Holding,
    idle: Duration,
    /// With the number of what is held.
    pace: Option<(usize, Pace)>,
}

impl AnswerPace {
    /// `idle` is the longest that nothing may go.
    pub(crate) const fn new(holding: Holding, idle: Duration) -> Self {
        Self { holding, idle, pace: None }
    }

    /// The pace of the answer under way, if it has one.
    pub(crate) fn current(&mut self) -> Option<&mut Pace> {
        let Some(newest) = self.holding.newest() else {
            self.pace = None;
            return None;
        };
        if self.pace.as_ref().is_none_or(|(number, _)| *number != newest) {
            self.pace = Some((newest, Pace::of_answer(self.idle)));
        }
        self.pace.as_mut().map(|(_, pace)| pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    #[test]
    fn a_trickle_ends_with_the_grace_however_long_the_body() {
        let mut pace = Pace::new(1024, IDLE);
        assert_eq!(pace.left(), BODY_GRACE);
        for _ in 0..10 {
            pace.came(1);
            pace.waited(Duration::from_secs(1));
        }
        assert!(pace.left() < Duration::from_millis(10), "{:?}", pace.left());
        pace.waited(Duration::from_secs(1));
        assert_eq!(pace.left(), Duration::ZERO);
    }

    #[test]
    fn who_keeps_the_pace_goes_on_for_ever() {
        let mut pace = Pace::new(1024, Duration::from_secs(2));
        for _ in 0..10_000 {
            pace.came(1024);
            pace.waited(Duration::from_secs(1));
            assert_eq!(pace.left(), Duration::from_secs(2));
        }
    }

    #[test]
    fn each_answer_begins_anew_and_earns_no_days() {
        let holding = Holding::default();
        let mut paces = AnswerPace::new(holding.clone(), IDLE);
        assert!(paces.current().is_none(), "nothing is held");
        let first = holding.begin();
        let pace = paces.current().expect("one is held");
        pace.came(1 << 30);
        assert_eq!(pace.left(), MOST_EARNED);
        drop(first);
        let _second = holding.begin();
        assert_eq!(paces.current().expect("one is held").left(), ANSWER_GRACE);
    }
}
