//! A disk as POSIX promises it: what was synced is there; the rest may be there, or not, or in part.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keybackup_tests::rng::Rng;
use keybackup_tests::search::files;

use super::inner;
use super::record::{Call, What};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// Number of a file, whatever it is called.
type Inode = usize;

/// A disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    /// Names as running programs see them, and as they will be found for sure.
    names: BTreeMap<PathBuf, Inode>,
    lasting: BTreeMap<PathBuf, Inode>,
    files: Vec<File>,
    directories: Vec<PathBuf>,
    /// Changes of names that no sync of their directory has followed, the oldest first.
    pending: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
struct File {
    lasting: Vec<u8>,
    pending: Vec<Bytes>,
    /// Where the next write without an offset goes.
    end: usize,
}

#[derive(Debug, Clone)]
enum Bytes {
    At(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Clone)]
struct Change {
    name: PathBuf,
    /// Whom it names from then on.
    inode: Option<Inode>,
    /// A rename takes away another name at once.
    from: Option<PathBuf>,
}

impl Disk {
    /// What lies in a directory of which all is synced.
    pub(super) fn of(data: &Path) -> Self {
        let mut disk = Self::default();
        for (path, _, bytes) in files(data) {
            let Some(name) = inner(&path, data) else { continue };
            match bytes {
                None => disk.directories.push(name),
                Some(bytes) if !is_scratch(&name) => {
                    let inode = disk.files.len();
                    disk.files.push(File { end: bytes.len(), lasting: bytes, pending: Vec::new() });
                    disk.names.insert(name.clone(), inode);
                    disk.lasting.insert(name, inode);
                }
                Some(_) => {}
            }
        }
        disk
    }

    /// Does what a call did.
    pub(super) fn apply(&mut self, call: &Call) {
        match &call.what {
            What::Create(name) if !self.names.contains_key(name) && !is_scratch(name) => {
                let inode = self.files.len();
                self.files.push(File::default());
                self.name(name, Some(inode), None);
            }
            What::MakeDirectory(name) => self.directories.push(name.clone()),
            What::Write(name, at, bytes) => {
                let Some(file) = self.file(name) else { return };
                let at = at.unwrap_or(file.end);
                file.end = at + bytes.len();
                file.pending.push(Bytes::At(at, bytes.clone()));
            }
            What::Truncate(name, length) => {
                let Some(file) = self.file(name) else { return };
                file.pending.push(Bytes::Length(*length));
            }
            What::Sync(name) if self.directories.contains(name) => self.sync_names(name),
            What::Sync(name) => {
                if let Some(file) = self.file(name) {
                    for bytes in std::mem::take(&mut file.pending) {
                        bytes.write(&mut file.lasting);
                    }
                }
            }
            What::Rename(from, to) => {
                let inode = self.names.remove(from);
                self.name(to, inode, Some(from.clone()));
            }
            What::Remove(name) => self.name(name, None, None),
            What::Create(_) => {}
        }
    }

    fn file(&mut self, name: &Path) -> Option<&mut File> {
        let inode = *self.names.get(name)?;
        self.files.get_mut(inode)
    }

    fn name(&mut self, name: &Path, inode: Option<Inode>, from: Option<PathBuf>) {
        match inode {
            Some(inode) => self.names.insert(name.to_owned(), inode),
            None => self.names.remove(name),
        };
        self.pending.push(Change { name: name.to_owned(), inode, from });
    }

    fn sync_names(&mut self, directory: &Path) {
        let all = std::mem::take(&mut self.pending);
        let (now, later): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|change| change.name.parent() == Some(directory));
        self.pending = later;
        for change in now {
            change.make(&mut self.lasting);
        }
    }

    /// Writes what a crash now may leave.
    pub(super) fn crash(mut self, rng: &mut Rng, to: &Path) {
        // Changes of names come in their order, as far as they came.
        let made = rng.below(self.pending.len() + 1);
        for change in &self.pending[..made] {
            change.make(&mut self.lasting);
        }
        for directory in &self.directories {
            private(&to.join(directory));
        }
        for (name, inode) in &self.lasting {
            let mut file = self.files[*inode].clone();
            file.crash(rng);
            let path = to.join(name);
            fs::write(&path, &file.lasting).expect("room");
            keybackup_tests::tree::set_mode(&path, 0o600);
        }
    }
}

impl Change {
    fn make(&self, names: &mut BTreeMap<PathBuf, Inode>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        match self.inode {
            Some(inode) => names.insert(self.name.clone(), inode),
            None => names.remove(&self.name),
        };
    }
}

impl File {
    /// Of what was not synced: nothing, all, the first of it, or any of it, and one torn.
    fn crash(&mut self, rng: &mut Rng) {
        let pending = std::mem::take(&mut self.pending);
        let way = rng.below(4);
        let first = rng.below(pending.len() + 1);
        let torn = rng.below(pending.len() + 1);
        for (n, mut bytes) in pending.into_iter().enumerate() {
            let comes = match way {
                0 => false,
                1 => true,
                2 => n < first,
                _ => rng.below(2) == 0,
            };
            if comes {
                if n == torn {
                    bytes.tear(rng);
                }
                bytes.write(&mut self.lasting);
            }
        }
    }
}

impl Bytes {
    fn write(&self, file: &mut Vec<u8>) {
        match self {
            Self::At(at, bytes) => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Length(length) => file.resize(*length, 0),
        }
    }

    /// Only its first sectors came.
    fn tear(&mut self, rng: &mut Rng) {
        if let Self::At(at, bytes) = self {
            let sectors = rng.below(bytes.len().div_ceil(SECTOR) + 1);
            let end = (*at / SECTOR + sectors) * SECTOR;
            bytes.truncate(end.saturating_sub(*at).min(bytes.len()));
        }
    }
}

/// What SQLite makes anew after a crash, and writes through memory.
fn is_scratch(name: &Path) -> bool {
    name.to_string_lossy().ends_with("-shm")
}

fn private(directory: &Path) {
    fs::create_dir_all(directory).expect("a directory");
    keybackup_tests::tree::set_mode(directory, 0o700);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(calls: &[What], seed: u64) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut disk = Disk { directories: vec![PathBuf::new()], ..Disk::default() };
        for what in calls {
            disk.apply(&Call { began: 0, ended: 0, what: what.clone() });
        }
        let directory = tempfile::tempdir().expect("a directory");
        disk.crash(&mut Rng::new(seed), directory.path());
        let all = files(directory.path()).into_iter();
        all.filter_map(|(path, _, bytes)| Some((inner(&path, directory.path())?, bytes?))).collect()
    }

    fn path(name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_be() {
        let written = vec![
            What::Create(path("a")),
            What::Write(path("a"), Some(0), b"first".to_vec()),
            What::Sync(path("a")),
            What::Sync(PathBuf::new()),
            What::Write(path("a"), Some(0), b"other".to_vec()),
            What::Create(path("b")),
        ];
        let all: Vec<_> = (0..50).map(|seed| after(&written, seed)).collect();
        assert!(all.iter().all(|disk| disk.contains_key(&path("a"))));
        for content in ["first", "other"] {
            assert!(all.iter().any(|disk| disk[&path("a")] == content.as_bytes()), "{content}");
        }
        assert!(all.iter().any(|disk| disk.contains_key(&path("b"))));
        assert!(all.iter().any(|disk| !disk.contains_key(&path("b"))));
    }

    #[test]
    fn a_rename_is_whole_and_comes_late() {
        let written = vec![
            What::Create(path("new")),
            What::Write(path("new"), None, vec![1; 2000]),
            What::Sync(path("new")),
            What::Rename(path("new"), path("a")),
        ];
        for seed in 0..50 {
            let disk = after(&written, seed);
            assert!(disk.len() <= 1, "one name or none");
            assert!(disk.values().all(|bytes| *bytes == vec![1; 2000]), "what was synced is whole");
        }
    }
}
