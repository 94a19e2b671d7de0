//! Directories that last as long as one run, in memory where the system has such: a run makes a
//! few durable files, and a disk would take its time.

use std::path::Path;

use keybackup::archive;
use tempfile::TempDir;

/// Where the system keeps files in memory.
const MEMORY: &str = "/dev/shm";

/// A directory that is removed when this is dropped.
pub(super) struct Scratch(TempDir);

impl Scratch {
    pub(super) fn new() -> Self {
        let mut builder = tempfile::Builder::new();
        builder.prefix("keybackup-fuzz-");
        let made = builder.tempdir_in(MEMORY).or_else(|_| builder.tempdir());
        Self(made.expect("a temporary directory can be made"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    /// Opens closed directories, so that they can be removed also by who isn't root.
    fn drop(&mut self) {
        // What is left after an error the TempDir tries once more.
        let _ = archive::remove(self.0.path());
    }
}
