//! The slowest that a body may come.

use std::time::Duration;

/// How long a body may be slower than that at its beginning.
const GRACE: Duration = Duration::from_secs(10);

/// A running average: what has come so far says how much longer the next bytes may take.
pub(crate) struct Pace {
    grace: Duration,
    bytes_per_s: u64,
    bytes: u64,
    waited: Duration,
}

impl Pace {
    /// At least so many bytes a second on average, after a grace of ten seconds, or of `idle`
    /// where that is shorter.
    pub(crate) fn new(bytes_per_s: u64, idle: Duration) -> Self {
        Self { grace: GRACE.min(idle), bytes_per_s, bytes: 0, waited: Duration::ZERO }
    }

    /// Counts bytes that came.
    pub(crate) const fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Counts time that was spent waiting for the client; the server's own does not count.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// How much longer the client may take to send anything.
    pub(crate) fn left(&self) -> Duration {
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / self.bytes_per_s);
        self.grace.saturating_add(earned).saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    #[test]
    fn a_trickle_ends_with_the_grace_however_long_the_body() {
        let mut pace = Pace::new(1024, IDLE);
        assert_eq!(pace.left(), GRACE);
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
}
