//! Directory handles: every access below a root goes one component at a time from an open
//! directory and follows no symbolic link, so that nothing swapped in meanwhile can lead out of
//! the tree. The only file that knows the operating system's calls; Unix, for now.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT};

use super::entry::MODE_MASK;
use super::time::Ticks;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// What is neither a file nor a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Special {
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
    /// Something that this program doesn't know.
    Unknown,
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Unknown => "special file",
        })
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    File,
    Directory,
    Special(Special),
}

/// What tells whether a file is still the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) dev: u64,
    pub(super) ino: u64,
    /// Nanoseconds since 1970, as the file system has them.
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
}

/// The part of `stat` that matters here. Two equal ones, before and after reading, mean that
/// nobody wrote in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) kind: NodeKind,
    pub(super) mode: u32,
    pub(super) mtime: Ticks,
    pub(super) size: u64,
    pub(super) stamp: Stamp,
}

impl Dir {
    /// Opens the root of a tree. Here alone symbolic links are followed: this path is the
    /// person's own choice.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, DIRECTORY, Mode::empty())?))
    }

    /// Opens the directory `name`.
    pub(super) fn subdirectory(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = component(name.as_ref())?;
        Ok(Self(fs::openat(&self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Opens `name` for reading. Does not wait if a pipe has taken its place.
    pub(super) fn file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let name = component(name.as_ref())?;
        Ok(fs::openat(&self.0, name, flags | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    /// Makes the file `name`, readable by its owner only, where nothing is.
    pub(super) fn create_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let name = component(name.as_ref())?;
        Ok(fs::openat(&self.0, name, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))?.into())
    }

    /// Makes the directory `name`, for its owner only, where nothing is.
    pub(super) fn create_directory(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(fs::mkdirat(&self.0, component(name.as_ref())?, Mode::from_raw_mode(0o700))?)
    }

    /// What `name` is, itself and not what it may point to.
    pub(super) fn status_of(&self, name: impl AsRef<OsStr>) -> io::Result<Status> {
        let name = component(name.as_ref())?;
        Ok(Status::from(&fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// All names in the directory but `.` and `..`, in no order.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(names)
    }

    /// Renames `from` to `to`, both in this directory.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(fs::renameat(&self.0, component(from)?, &self.0, component(to)?)?)
    }

    /// Swaps two names of this directory in one step, where the system can.
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    pub(super) fn exchange(&self, one: &OsStr, other: &OsStr) -> io::Result<()> {
        let (one, other) = (component(one)?, component(other)?);
        Ok(fs::renameat_with(&self.0, one, &self.0, other, fs::RenameFlags::EXCHANGE)?)
    }

    /// Swaps two names of this directory in one step, where the system can.
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    pub(super) fn exchange(&self, _one: &OsStr, _other: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes the file `name`.
    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, component(name)?, AtFlags::empty())?)
    }

    /// Removes the directory `name` and all in it, also where it is read-only.
    pub(super) fn remove_tree(&self, name: &OsStr) -> io::Result<()> {
        let inner = self.subdirectory(name)?;
        set_mode(&inner.0, 0o700)?;
        for child in inner.names()? {
            if inner.status_of(&child)?.kind == NodeKind::Directory {
                inner.remove_tree(&child)?;
            } else {
                inner.remove_file(&child)?;
            }
        }
        Ok(fs::unlinkat(&self.0, component(name)?, AtFlags::REMOVEDIR)?)
    }

    /// Gives this directory its final mode and time.
    pub(super) fn finish(&self, mode: u32, mtime: Ticks) -> io::Result<()> {
        set_mode(&self.0, mode)?;
        set_mtime(&self.0, mtime)
    }

    /// Makes the names in this directory durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0)?)
    }

    /// Makes all that was written to this directory's file system durable.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn sync_file_system(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.0)?)
    }
}

impl From<Dir> for File {
    fn from(directory: Dir) -> Self {
        directory.0.into()
    }
}

/// Checks that `name` is one component, so that no call leaves the directory it starts from.
fn component(name: &OsStr) -> io::Result<&OsStr> {
    match name.as_bytes() {
        b"" | b"." | b".." => Err(io::ErrorKind::InvalidInput.into()),
        bytes if bytes.contains(&b'/') => Err(io::ErrorKind::InvalidInput.into()),
        _ => Ok(name),
    }
}

/// What an open file or directory is.
pub(super) fn status(fd: impl AsFd) -> io::Result<Status> {
    Ok(Status::from(&fs::fstat(fd)?))
}

/// Sets permission bits, whatever the process's mask.
pub(super) fn set_mode(fd: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(fs::fchmod(fd, Mode::from_raw_mode(integer(mode & MODE_MASK)))?)
}

/// Sets the time of the last modification.
pub(super) fn set_mtime(fd: impl AsFd, mtime: Ticks) -> io::Result<()> {
    let (tv_sec, nanoseconds) = mtime.to_unix();
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let last_modification = Timespec { tv_sec, tv_nsec: nanoseconds.into() };
    Ok(fs::futimens(fd, &Timestamps { last_access, last_modification })?)
}

impl From<&Stat> for Status {
    fn from(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => NodeKind::File,
            FileType::Directory => NodeKind::Directory,
            FileType::Symlink => NodeKind::Special(Special::Symlink),
            FileType::Fifo => NodeKind::Special(Special::Fifo),
            FileType::Socket => NodeKind::Special(Special::Socket),
            FileType::BlockDevice | FileType::CharacterDevice => NodeKind::Special(Special::Device),
            FileType::Unknown => NodeKind::Special(Special::Unknown),
        };
        let (mtime, mtime_nsec) = (integer(stat.st_mtime), integer(stat.st_mtime_nsec));
        let (ctime, ctime_nsec) = (integer(stat.st_ctime), integer(stat.st_ctime_nsec));
        let ns =
            |seconds: i64, nsec: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nsec);
        Self {
            kind,
            mode: integer::<u32, _>(stat.st_mode) & MODE_MASK,
            mtime: Ticks::from_unix(mtime, integer(mtime_nsec)),
            size: integer(stat.st_size),
            stamp: Stamp {
                dev: integer(stat.st_dev),
                ino: integer(stat.st_ino),
                mtime_ns: ns(mtime, mtime_nsec),
                ctime_ns: ns(ctime, ctime_nsec),
            },
        }
    }
}

/// The fields of `stat` have other integer types on every system; no value of theirs exceeds
/// what they are turned into here.
fn integer<T: Default, F: TryInto<T>>(field: F) -> T {
    field.try_into().unwrap_or_default()
}

/// Reaches paths below a root, keeping the directories of the last one open: sorted paths share
/// most of them.
#[derive(Debug)]
pub(super) struct Cursor<'d> {
    root: &'d Dir,
    open: Vec<(String, Dir)>,
}

impl<'d> Cursor<'d> {
    pub(super) const fn new(root: &'d Dir) -> Self {
        Self { root, open: Vec::new() }
    }

    /// The directory that holds `path`, and `path`'s last component.
    pub(super) fn at<'p>(&mut self, path: &'p str) -> io::Result<(&Dir, &'p str)> {
        let (ancestors, name) = match path.rsplit_once('/') {
            Some((ancestors, name)) => (Some(ancestors), name),
            None => (None, path),
        };
        let mut depth = 0;
        for ancestor in ancestors.into_iter().flat_map(|path| path.split('/')) {
            if self.open.get(depth).is_none_or(|(open, _)| open != ancestor) {
                self.open.truncate(depth);
                let next = self.open.last().map_or(self.root, |(_, dir)| dir);
                let next = next.subdirectory(ancestor)?;
                self.open.push((ancestor.to_owned(), next));
            }
            depth += 1;
        }
        self.open.truncate(depth);
        Ok((self.open.last().map_or(self.root, |(_, dir)| dir), name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 18.
    #[test]
    fn only_single_components_are_names() {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = Dir::open(temporary.path()).expect("it opens");
        for name in ["", ".", "..", "a/b", "/etc", "../x"] {
            assert!(dir.file(name).is_err(), "{name}");
            assert!(dir.create_file(name).is_err(), "{name}");
            assert!(dir.subdirectory(name).is_err(), "{name}");
        }
    }

    /// Holds rule 18.
    #[test]
    fn a_cursor_follows_no_symbolic_link() {
        let temporary = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(temporary.path().join("real")).expect("made");
        std::fs::write(temporary.path().join("real/file"), b"x").expect("written");
        std::os::unix::fs::symlink("real", temporary.path().join("link")).expect("linked");
        std::os::unix::fs::symlink("real/file", temporary.path().join("alias")).expect("linked");
        let dir = Dir::open(temporary.path()).expect("it opens");
        let mut cursor = Cursor::new(&dir);
        let (parent, name) = cursor.at("real/file").expect("it is there");
        assert!(parent.file(name).is_ok());
        assert!(cursor.at("link/file").is_err());
        let (parent, name) = cursor.at("alias").expect("the root");
        assert!(parent.file(name).is_err());
    }
}
