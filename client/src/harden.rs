//! What a process that holds keys asks of the system first: no core dumps, no looking in by other
//! processes of the same user (Linux), and files that only the owner can read.

use std::io;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Hardens this process. To be called first in `main`.
pub fn process() -> io::Result<()> {
    umask(Mode::RWXG | Mode::RWXO);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Whether core dumps are off.
pub fn no_core_dumps() -> bool {
    getrlimit(Resource::Core).current == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 34.
    #[test]
    fn core_dumps_are_off_afterwards() {
        process().expect("the system allows it");
        assert!(no_core_dumps());
        #[cfg(target_os = "linux")]
        assert_eq!(
            rustix::process::dumpable_behavior().expect("readable"),
            rustix::process::DumpableBehavior::NotDumpable
        );
    }
}
