//! One process at a time: a second one waits, and says so, and gives up in time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{LockedProfile, Profile, ProfileError, durable};

/// How often to look whether the other process is done.
const INTERVAL: Duration = Duration::from_millis(50);

impl Profile {
    /// Makes the directory if it is missing, and holds the profile. Waits up to `timeout` for
    /// another process, after calling `waiting` once.
    ///
    /// The system lets go of the lock with the process, however it ends. What a killed one left
    /// unfinished is removed.
    pub fn lock(
        &self,
        timeout: Duration,
        waiting: impl FnOnce(),
    ) -> Result<LockedProfile, ProfileError> {
        let failed = |source| ProfileError::writing(self.directory.clone(), source);
        durable::make_private_dir(&self.directory).map_err(failed)?;
        let path = self.path("lock");
        let file = open(&path, &self.directory)
            .map_err(|source| ProfileError::writing(path.clone(), source))?;
        let started = Instant::now();
        let mut waiting = Some(waiting);
        while !is_taken(&file).map_err(|source| ProfileError::writing(path.clone(), source))? {
            // Before the clock is looked at: a machine that stood still says it, too.
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            if started.elapsed() >= timeout {
                let profile = self.name.to_string();
                return Err(ProfileError::Busy { profile, waited: timeout });
            }
            thread::sleep(INTERVAL);
        }
        let profile = LockedProfile { profile: self.clone(), _lock: file };
        // What can't be removed now is tried again by the next process; logging out insists.
        let _ = profile.sweep();
        Ok(profile)
    }
}

/// What to lock: the file of that name or, where it can't be written (a file system that is
/// read-only, or full), as much as there is of it. Reading works there, and writing tells why not.
fn open(path: &Path, directory: &Path) -> io::Result<File> {
    let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    made.or_else(|error| File::open(path).or_else(|_| File::open(directory)).map_err(|_| error))
}

/// Whether the lock is ours now.
fn is_taken(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
