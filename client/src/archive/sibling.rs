//! The names beside a restored directory while it is under way: made, locked, and swept when their
//! process was killed.
//!
//! There are two, `.NAME.keybackup-R` for the directory and, with `.restore` behind it, an empty
//! file that is its marker: made before the directory, locked while its process lives, removed
//! after it. Only what has a marker is swept. A directory that merely has such a name is somebody's
//! own: no restore makes markers out of what it restores.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::dir::{Dir, NodeKind};
use super::names::MAX_COMPONENT_BYTES;

/// Between a directory's name and the random part of a restore's under way: `.NAME.keybackup-R`.
const TEMPORARY: &[u8] = b".keybackup-";
/// Behind the name of a directory under way: its marker.
const MARKER: &[u8] = b".restore";
/// Hexadecimal digits of the random part.
const RANDOM_DIGITS: usize = 16;

/// Removes what killed processes left half restored in `parent`; returns how many there were.
/// What a living process works on is locked, and stays.
pub fn sweep(parent: &Path) -> io::Result<usize> {
    let parent = Dir::open(parent)?;
    let mut removed = 0;
    for marker in parent.names()? {
        let Some(temporary) = marked(&marker) else { continue };
        let Ok(file) = parent.file(&marker) else { continue };
        if !is_ours(&file)? || !try_lock(&file)? {
            continue;
        }
        match parent.status_of(temporary) {
            Ok(_) => {
                parent.remove_tree(temporary)?;
                removed += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        parent.remove_file(&marker)?;
    }
    Ok(removed)
}

/// Removes a file, or a directory and all in it, also where directories in it are read-only.
pub fn remove(path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = Dir::open(parent)?;
    if parent.status_of(name)?.kind == NodeKind::Directory {
        parent.remove_tree(name)
    } else {
        parent.remove_file(name)
    }
}

/// The directory that a file of this name marks; `None` if it is not a name that [`Marked::make`]
/// gives to a marker.
fn marked(marker: &OsStr) -> Option<&OsStr> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let bytes = marker.as_bytes().strip_suffix(MARKER)?;
    let (before, random) = bytes.split_at_checked(bytes.len().checked_sub(RANDOM_DIGITS)?)?;
    let is_temporary =
        before.starts_with(b".") && before.ends_with(TEMPORARY) && random.iter().all(is_digit);
    is_temporary.then(|| OsStr::from_bytes(bytes))
}

/// Whether a marker is one: an empty file of this process's user.
fn is_ours(marker: &File) -> io::Result<bool> {
    let metadata = marker.metadata()?;
    let user = rustix::process::geteuid().as_raw();
    Ok(metadata.is_file() && metadata.len() == 0 && metadata.uid() == user)
}

fn try_lock(marker: &File) -> io::Result<bool> {
    match marker.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A directory under way, and its marker.
#[derive(Debug)]
pub(super) struct Marked {
    /// The directory's name.
    pub(super) temporary: OsString,
    /// The marker's name.
    pub(super) marker: OsString,
    /// Closing it unlocks.
    _lock: File,
}

impl Marked {
    /// Makes a directory beside `name`, for its owner only.
    pub(super) fn make(parent: &Dir, name: &OsStr) -> io::Result<(Self, Dir)> {
        loop {
            // Unpredictable enough: who guesses it can make us try again, as long as they like.
            let random = RandomState::new().hash_one(std::process::id());
            let others = 1 + TEMPORARY.len() + RANDOM_DIGITS + MARKER.len();
            let random = format!("{random:016x}");
            let temporary = [b".", shortened(name, others), TEMPORARY, random.as_bytes()].concat();
            let marker = OsString::from_vec([&temporary, MARKER].concat());
            let temporary = OsString::from_vec(temporary);
            let lock = match parent.create_file(&marker) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            };
            // A sweeper may find the marker before it is locked: then it is gone, or soon will be.
            if !try_lock(&lock)? {
                continue;
            }
            let same = super::dir::status(&lock)?.stamp.ino;
            if !parent.status_of(&marker).is_ok_and(|found| found.stamp.ino == same) {
                continue;
            }
            let marked = Self { temporary, marker, _lock: lock };
            match parent.create_directory(&marked.temporary) {
                Ok(()) => {
                    let directory = parent.subdirectory(&marked.temporary)?;
                    return Ok((marked, directory));
                }
                Err(error) => {
                    marked.unmark(parent);
                    if error.kind() != io::ErrorKind::AlreadyExists {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Removes the marker: the directory has its place, or is gone.
    pub(super) fn unmark(&self, parent: &Dir) {
        // A marker of nothing harms nobody; `sweep` tries again.
        let _ = parent.remove_file(&self.marker);
    }
}

/// As much of `name` as leaves room for `others` more bytes in a file's name.
pub(super) fn shortened(name: &OsStr, others: usize) -> &[u8] {
    let bytes = name.as_bytes();
    let room = MAX_COMPONENT_BYTES - others;
    let mut end = bytes.len().min(room);
    // Not through the middle of a character: some file systems want UTF-8.
    while end < bytes.len() && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::archive::place::Placement;
    use crate::archive::time::Ticks;

    #[test]
    fn sweeping_spares_what_is_in_use_and_what_is_not_ours() {
        let temporary = tempfile::tempdir().expect("a directory");
        let at = |name: &str| temporary.path().join(name);
        let living = Placement::prepare(&at("target")).expect("prepared");
        let dead = at(".target.keybackup-0123456789abcdef");
        fs::create_dir_all(dead.join("closed")).expect("made");
        fs::write(dead.join("closed/file"), "").expect("written");
        let closed = Dir::open(&dead.join("closed")).expect("open");
        closed.finish(0o500, Ticks::from_unix(0, 0)).expect("closed");
        fs::write(at(".target.keybackup-0123456789abcdef.restore"), "").expect("marked");
        // Killed before the directory was made, or after it had its place.
        let marker = at(".target.keybackup-00000000000000aa.restore");
        fs::write(&marker, "").expect("marked");
        // Somebody's own: without a marker, with a directory or a text for one, of another name.
        let own = [
            ".target.keybackup-other",
            ".mine.keybackup-0123456789abcdef",
            ".dir.keybackup-0123456789abcdef",
            ".text.keybackup-0123456789abcdef",
        ];
        for name in own {
            fs::create_dir(at(name)).expect("made");
        }
        fs::create_dir(at(".dir.keybackup-0123456789abcdef.restore")).expect("made");
        fs::write(at(".text.keybackup-0123456789abcdef.restore"), "text").expect("written");

        assert_eq!(sweep(temporary.path()).expect("swept"), 1);
        assert!(!dead.exists() && !marker.exists());
        assert!(own.iter().all(|name| at(name).exists()));
        living.commit().expect("still there");
    }

    #[test]
    fn nothing_is_left_of_a_restore_that_ends() {
        let temporary = tempfile::tempdir().expect("a directory");
        let long = "n".repeat(MAX_COMPONENT_BYTES);
        for name in ["target", &long] {
            Placement::prepare(&temporary.path().join(name))
                .expect("prepared")
                .commit()
                .expect("ok");
            drop(Placement::prepare(&temporary.path().join(name)).expect("prepared"));
        }
        assert_eq!(fs::read_dir(temporary.path()).expect("readable").count(), 2);
    }
}
