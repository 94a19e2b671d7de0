//! Walks a directory: what is in it, sorted, and a complaint that names everything that can't be
//! backed up.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use super::dir::{Dir, NodeKind, Special, Stamp, Status};
use super::entry::Kind;
use super::exclude::{ExcludeError, Excludes, IGNORE_FILE, MAX_IGNORE_FILE_BYTES, Rules};
use super::names::{self, NameError};
use super::paths::{Paths, write_list};
use super::time::Ticks;

/// Most entries of a tree.
pub const MAX_ENTRIES: usize = 1_000_000;

/// One file or directory that a walk met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the root, valid by [`names::validate`].
    pub path: String,
    /// File or directory.
    pub kind: Kind,
    /// Permission bits; setuid, setgid and sticky are masked off.
    pub mode: u32,
    /// Time of the last modification.
    pub mtime: Ticks,
    /// Length in bytes, 0 for a directory.
    pub size: u64,
    pub(super) stamp: Stamp,
}

/// Something that is neither file nor directory and was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path below the root.
    pub path: String,
    /// What it is.
    pub special: Special,
}

/// What a walk found.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Files and directories, in ascending order of their paths' bytes.
    pub entries: Vec<Entry>,
    /// What `skip_special` left out.
    pub skipped: Vec<Skipped>,
    /// When the walk began, by the clock that stamps files.
    pub started: SystemTime,
}

/// Why a tree can't be backed up as it is. Each names all the entries concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// Symbolic links, sockets, pipes or devices; they can be excluded or skipped.
    #[error("not a file or directory: {}", ListSpecial(.0))]
    Special(Vec<Skipped>),
    /// Names that couldn't come back.
    #[error("{}", ListNames(.0))]
    Names(Vec<NameError>),
    /// Directories or ignore files that couldn't be read; the source is the first one's.
    #[error("can't read {paths}")]
    Unreadable {
        /// Their paths below the root; the root itself is `.`.
        paths: Paths,
        /// What the system said of the first.
        source: io::Error,
    },
    /// More than [`MAX_ENTRIES`].
    #[error("the directory holds more than {MAX_ENTRIES} entries")]
    TooMany,
    /// An ignore file that can't be used.
    #[error(transparent)]
    Exclude(#[from] ExcludeError),
}

struct ListSpecial<'a>(&'a [Skipped]);

impl fmt::Display for ListSpecial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.0, |f, skipped| write!(f, "{:?} ({})", skipped.path, skipped.special))
    }
}

struct ListNames<'a>(&'a [NameError]);

impl fmt::Display for ListNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.0, |f, error| write!(f, "{error}"))
    }
}

/// Walks the tree below `root`, without what `excludes` and ignore files leave out. What is
/// neither file nor directory is an error, or reported with `skip_special`.
pub fn walk(root: &Dir, excludes: &Excludes, skip_special: bool) -> Result<Walk, WalkError> {
    let mut walker = Walker {
        rules: Rules::new(excludes),
        entries: Vec::new(),
        special: Vec::new(),
        names: Vec::new(),
        unreadable: Vec::new(),
        started: SystemTime::now(),
    };
    walker.directory(root, "")?;
    walker.finish(skip_special)
}

struct Walker<'e> {
    rules: Rules<'e>,
    entries: Vec<Entry>,
    special: Vec<Skipped>,
    names: Vec<NameError>,
    unreadable: Vec<(String, io::Error)>,
    started: SystemTime,
}

impl Walker<'_> {
    /// Takes in all below `directory`, whose path with final slash is `prefix`. The depth of the
    /// recursion is that of valid names.
    fn directory(&mut self, directory: &Dir, prefix: &str) -> Result<(), WalkError> {
        let here = || prefix.strip_suffix('/').unwrap_or(".").to_owned();
        let names = match directory.names() {
            Ok(names) => names,
            Err(error) => {
                self.unreadable.push((here(), error));
                return Ok(());
            }
        };
        let entered = match ignore_file(directory) {
            Ok(Some(text)) => {
                self.rules.enter(prefix, &text)?;
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.unreadable.push((format!("{prefix}{IGNORE_FILE}"), error));
                false
            }
        };
        for name in names {
            self.entry(directory, prefix, &name)?;
        }
        if entered {
            self.rules.leave();
        }
        Ok(())
    }

    fn entry(&mut self, directory: &Dir, prefix: &str, name: &OsStr) -> Result<(), WalkError> {
        let path = [prefix.as_bytes(), name.as_bytes()].concat();
        let shown = || String::from_utf8_lossy(&path).into_owned();
        let status = match directory.status_of(name) {
            Ok(status) => status,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.unreadable.push((shown(), error));
                return Ok(());
            }
        };
        let is_directory = status.kind == NodeKind::Directory;
        if self.rules.exclude(Path::new(OsStr::from_bytes(&path)), is_directory) {
            return Ok(());
        }
        if let NodeKind::Special(special) = status.kind {
            self.special.push(Skipped { path: shown(), special });
            return Ok(());
        }
        let path = match names::validate(&path) {
            Ok(path) => path,
            Err(error) => {
                self.names.push(error);
                return Ok(());
            }
        };
        if self.entries.len() == MAX_ENTRIES {
            return Err(WalkError::TooMany);
        }
        self.entries.push(Entry::new(path, &status));
        if is_directory {
            match directory.subdirectory(name) {
                Ok(inner) => self.directory(&inner, &format!("{path}/"))?,
                Err(error) => self.unreadable.push((path.to_owned(), error)),
            }
        }
        Ok(())
    }

    fn finish(mut self, skip_special: bool) -> Result<Walk, WalkError> {
        if !self.names.is_empty() {
            return Err(WalkError::Names(self.names));
        }
        if !self.unreadable.is_empty() {
            let (paths, mut errors): (Vec<_>, Vec<_>) = self.unreadable.into_iter().unzip();
            return Err(WalkError::Unreadable {
                paths: Paths(paths),
                source: errors.swap_remove(0),
            });
        }
        self.special.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        if !self.special.is_empty() && !skip_special {
            return Err(WalkError::Special(self.special));
        }
        self.entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(Walk { entries: self.entries, skipped: self.special, started: self.started })
    }
}

/// The text of the directory's ignore file, if it has one that is a file.
fn ignore_file(directory: &Dir) -> io::Result<Option<Vec<u8>>> {
    match directory.status_of(IGNORE_FILE) {
        Ok(status) if status.kind == NodeKind::File => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut text = Vec::new();
    directory.file(IGNORE_FILE)?.take(MAX_IGNORE_FILE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_IGNORE_FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(text))
}

impl Entry {
    fn new(path: &str, status: &Status) -> Self {
        let (kind, size) = match status.kind {
            NodeKind::Directory => (Kind::Directory, 0),
            _ => (Kind::File, status.size),
        };
        let Status { mode, mtime, stamp, .. } = *status;
        Self { path: path.to_owned(), kind, mode, mtime, size, stamp }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::archive::testing::Tree;

    fn paths(walk: &Walk) -> Vec<&str> {
        walk.entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn entries_come_sorted_by_their_bytes() {
        let tree = Tree::new().file("b/c", "x").file("b-", "").file("a", "yy").directory("d");
        let walk = walk(&tree.root(), &Excludes::default(), false).expect("a plain tree");
        assert_eq!(paths(&walk), ["a", "b", "b-", "b/c", "d"]);
        assert_eq!(walk.entries[0].size, 2);
        assert_eq!((walk.entries[4].kind, walk.entries[4].size), (Kind::Directory, 0));
    }

    #[test]
    fn special_files_are_all_named_or_skipped() {
        let tree = Tree::new().file("a", "x").directory("d");
        symlink("a", tree.path("link")).expect("linked");
        let _socket = UnixListener::bind(tree.path("d/socket")).expect("bound");
        let error = walk(&tree.root(), &Excludes::default(), false).expect_err("special files");
        let text = r#"not a file or directory: "d/socket" (socket), "link" (symbolic link)"#;
        assert_eq!(error.to_string(), text);
        let skipped = walk(&tree.root(), &Excludes::default(), true).expect("they are skipped");
        assert_eq!(paths(&skipped), ["a", "d"]);
        assert_eq!(skipped.skipped.len(), 2);
        let globs = Excludes::new(&["socket", "link"]).expect("they parse");
        let excluded = walk(&tree.root(), &globs, false).expect("they are excluded");
        assert!(excluded.skipped.is_empty());
    }

    #[test]
    fn ignore_files_hold_for_their_directory_and_below() {
        let tree = Tree::new()
            .file(".keybackupignore", "*.log\n/build/\n")
            .file("x.log", "")
            .file("build/x", "")
            .file("a/build/y", "")
            .file("a/.keybackupignore", "y\n!z.log")
            .file("a/z.log", "");
        let walk = walk(&tree.root(), &Excludes::default(), false).expect("a plain tree");
        assert_eq!(
            paths(&walk),
            [".keybackupignore", "a", "a/.keybackupignore", "a/build", "a/z.log"]
        );
    }

    #[test]
    fn names_that_cannot_come_back_are_all_named() {
        let tree = Tree::new().file("a\nb", "").file("c\u{7f}", "").file("ok", "");
        std::fs::write(tree.path("").join(OsStr::from_bytes(b"\xff")), "").expect("written");
        let error = walk(&tree.root(), &Excludes::default(), true).expect_err("bad names");
        assert!(matches!(&error, WalkError::Names(names) if names.len() == 3), "{error}");
        assert!(!error.to_string().contains('\n'));
    }

    /// Holds rule 18.
    #[test]
    fn setuid_and_sticky_bits_are_masked_off() {
        let tree = Tree::new().file("a", "").directory("d");
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(tree.path("a"), mode(0o6755)).expect("set");
        std::fs::set_permissions(tree.path("d"), mode(0o1777)).expect("set");
        let walk = walk(&tree.root(), &Excludes::default(), false).expect("a plain tree");
        assert_eq!(walk.entries.iter().map(|e| e.mode).collect::<Vec<_>>(), [0o755, 0o777]);
    }
}
