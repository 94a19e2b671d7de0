//! What the process gives up before it touches a secret, and the descriptors that it asks for.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Descriptors that no request needs: database, listener, standard streams, and some to spare.
const OTHER_DESCRIPTORS: u64 = 256;
/// A connection's socket, and the part that its request reads or writes.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;

/// What the system did not let the process give up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Weakness {
    /// A crash may write memory to a file.
    #[error("core dumps stay on")]
    CoreDumps(#[source] rustix::io::Errno),
    /// Other processes of the same user may read memory.
    #[error("the process stays dumpable")]
    Dumpable(#[source] rustix::io::Errno),
}

/// Turns core dumps off and makes every new file the owner's alone. What did not work is
/// returned: logging starts later.
#[must_use]
pub(crate) fn harden() -> Vec<Weakness> {
    let mut weaknesses = Vec::new();
    umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        weaknesses.push(Weakness::CoreDumps(error));
    }
    // Neither dumped nor read by another process of the same user.
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        weaknesses.push(Weakness::Dumpable(error));
    }
    weaknesses
}

/// Raises the limit of open descriptors as far as the system lets it, and returns how many
/// connections fit, so that they never take the descriptors that a push needs.
pub(crate) fn room_for_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    connections_within(current)
}

/// How many fit into a limit of descriptors; none is no limit.
fn connections_within(limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return usize::MAX };
    let room = limit.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_PER_CONNECTION;
    usize::try_from(room.max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_may_open_a_part() {
        assert_eq!(connections_within(Some(1024)), 384);
        assert_eq!(connections_within(Some(20_256)), 10_000);
        assert_eq!(connections_within(Some(100)), 1);
        assert_eq!(connections_within(None), usize::MAX);
    }
}
