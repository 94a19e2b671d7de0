//! Bytes that move no faster than a person allows.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that are handed to a connection at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// The same at least, however slow they are to go.
const LEAST_PIECE_BYTES: usize = 1024;

/// What moves one way. Without a limit nothing waits.
pub(super) struct Pace {
    bytes_per_s: Option<u64>,
    /// When what was taken so far has moved.
    clear_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most so many bytes a second.
    pub(super) const fn new(bytes_per_s: Option<u64>) -> Self {
        Self { bytes_per_s, clear_at: Mutex::new(None) }
    }

    /// Bytes to move at a time: some ten pieces a second.
    pub(super) fn piece_bytes(&self) -> usize {
        let tenth = self.bytes_per_s.map_or(u64::MAX, |bytes_per_s| bytes_per_s / 10);
        usize::try_from(tenth).unwrap_or(PIECE_BYTES).clamp(LEAST_PIECE_BYTES, PIECE_BYTES)
    }

    /// Takes bytes, and tells how long to wait before they move.
    pub(super) fn take(&self, bytes: usize, now: Instant) -> Duration {
        let Some(bytes_per_s) = self.bytes_per_s else { return Duration::ZERO };
        // An instant is whole, so a panic elsewhere leaves it usable.
        let mut clear_at = self.clear_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = clear_at.map_or(now, |clear_at| clear_at.max(now));
        let nanoseconds = bytes as u64 * 1_000_000_000 / bytes_per_s.max(1);
        *clear_at = Some(begins + Duration::from_nanos(nanoseconds));
        begins - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_waits_for_what_was_taken_before() {
        let now = Instant::now();
        let pace = Pace::new(Some(100_000));
        assert_eq!(pace.piece_bytes(), 10_000);
        assert_eq!(pace.take(10_000, now), Duration::ZERO);
        assert_eq!(pace.take(10_000, now), Duration::from_millis(100));
        assert_eq!(pace.take(10_000, now + Duration::from_millis(50)), Duration::from_millis(150));
        assert_eq!(
            pace.take(1, now + Duration::from_secs(9)),
            Duration::ZERO,
            "nothing is saved up"
        );
        let free = Pace::new(None);
        assert_eq!((free.piece_bytes(), free.take(1 << 30, now)), (PIECE_BYTES, Duration::ZERO));
        assert_eq!(free.take(1 << 30, now), Duration::ZERO);
        assert_eq!(Pace::new(Some(1)).piece_bytes(), LEAST_PIECE_BYTES);
        assert_eq!(Pace::new(Some(u64::MAX)).piece_bytes(), PIECE_BYTES);
    }
}
