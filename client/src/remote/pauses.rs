//! How long to wait before a transfer that was broken off goes on.

use std::time::Duration;

use super::RemoteError;

/// After a failure without progress since the one before; after the last one it is given up.
pub(super) const PAUSES: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// Longest pause that a server may ask for.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pause after a failure, `before` it so many without progress, unless there were too many.
pub(super) fn pause(before: usize, failure: &RemoteError) -> Option<Duration> {
    let pause = *PAUSES.get(before)?;
    let asked = match failure {
        RemoteError::Refused { retry_after_s: Some(seconds), .. } => {
            Duration::from_secs(*seconds).min(LONGEST_PAUSE)
        }
        _ => Duration::ZERO,
    };
    Some(pause.max(asked))
}
