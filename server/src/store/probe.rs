//! When the disk was last seen to take something: whoever asks for the store's health may ask
//! often, and each answer would be a write.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long what was seen holds.
const HOLDS: Duration = Duration::from_secs(5);

/// The last time that all was well.
#[derive(Default)]
pub(crate) struct Probe(Mutex<Option<Instant>>);

impl Probe {
    /// Whether it is time to try again.
    pub(crate) fn is_due(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| last.elapsed() >= HOLDS)
    }

    /// Notes that all is well.
    pub(crate) fn passed(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}
