//! Files that have no name until they are whole: Linux, on most file systems.

use std::io;
use std::path::Path;

/// What became of it.
pub(super) enum Outcome {
    /// It is there, whole and fsynced; its name is not durable yet.
    Made,
    /// Nothing happened: system or file system does not have such files.
    Unsupported,
}

/// Makes a file with mode 0600 where nothing is (else `AlreadyExists`).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<Outcome> {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    // If the directory is to blame, who tries without gets the same error.
    let Ok(file) = open(super::parent(path), flags, mode) else { return Ok(Outcome::Unsupported) };
    let mut file = File::from(file);
    file.write_all(bytes)?;
    file.sync_all()?;
    // AT_EMPTY_PATH would need a privilege; this way needs /proc.
    let proc = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(CWD, proc, CWD, path, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(Outcome::Made),
        Err(rustix::io::Errno::EXIST) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => Ok(Outcome::Unsupported),
    }
}

/// Makes nothing.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn create(_path: &Path, _bytes: &[u8]) -> io::Result<Outcome> {
    Ok(Outcome::Unsupported)
}
