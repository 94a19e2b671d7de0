//! Files that get their name late: Linux, on most file systems.

use std::fs::File;
use std::io;
use std::path::Path;

/// A file in `directory` with mode 0600, where such files can be had.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn create(directory: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};

    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    open(directory, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

/// Gives it a name, in place of what has that.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn link(file: File, path: &Path) -> io::Result<File> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, linkat};

    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // AT_EMPTY_PATH would need a privilege; this way needs /proc.
    let proc = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, proc, CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(file)
}

/// None.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn create(_directory: &Path) -> Option<File> {
    None
}

/// Can't be.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn link(_file: File, _path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
