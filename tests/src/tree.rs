//! Directory trees: made with every oddity that has to survive, and compared by contents, modes
//! and the files' times to 100 ns.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What lies in a directory, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<PathBuf, Node>);

/// One thing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Permission bits.
    pub mode: u32,
    /// What a file holds; `None` for a directory.
    pub file: Option<Content>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// Last modification in steps of 100 ns since 1970.
    pub mtime: i128,
    /// BLAKE3 of the bytes.
    pub hash: blake3::Hash,
}

impl Tree {
    /// Reads it. The directory's own mode is not part of it: a restore is its owner's alone.
    pub fn read(directory: &Path) -> Self {
        let mut nodes = BTreeMap::new();
        let mut left = vec![directory.to_owned()];
        while let Some(path) = left.pop() {
            let metadata =
                fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let file = if metadata.is_dir() {
                left.extend(
                    fs::read_dir(&path).expect("listable").map(|e| e.expect("readable").path()),
                );
                None
            } else {
                Some(Content {
                    size: metadata.len(),
                    mtime: i128::from(metadata.mtime()) * 10_000_000
                        + i128::from(metadata.mtime_nsec() / 100),
                    hash: hash(&path),
                })
            };
            let inner = path.strip_prefix(directory).expect("it was found there").to_owned();
            if inner.as_os_str() != "" {
                nodes.insert(inner, Node { mode: metadata.mode() & 0o777, file });
            }
        }
        Self(nodes)
    }

    /// Fails with the first differences.
    #[track_caller]
    pub fn assert_same(&self, other: &Self) {
        let paths = self.0.keys().chain(other.0.keys()).collect::<std::collections::BTreeSet<_>>();
        let differ: Vec<_> = paths
            .into_iter()
            .map(|path| (path, self.0.get(path), other.0.get(path)))
            .filter(|(_, ours, theirs)| ours != theirs)
            .take(5)
            .collect();
        assert!(differ.is_empty(), "the trees differ: {differ:#?}");
    }
}

fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    io::copy(&mut file, &mut hasher).expect("readable");
    hasher.finalize()
}

/// Writes a file with a mode and a time of last modification, and the directories above it.
pub fn put(path: &Path, content: &[u8], mode: u32, mtime: Duration) {
    fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory");
    let mut file = File::create(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.write_all(content).expect("room");
    file.set_permissions(fs::Permissions::from_mode(mode)).expect("it is ours");
    file.set_modified(SystemTime::UNIX_EPOCH + mtime).expect("it is ours");
}

/// Sets the mode of a path.
pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// A persona as `edsig` lays it out, 20 files of some hundred bytes.
pub fn reference(directory: &Path, nickname: &str) {
    let pid = directory.file_name().expect("it has a name").to_string_lossy().into_owned();
    let time = |n: u64| Duration::new(1_582_979_696 + n, 123_456_700);
    let json = format!(r#"{{"pid":"{pid}","nickname":"{nickname}","images":["face.png"]}}"#);
    put(&directory.join("persona.json"), json.as_bytes(), 0o644, time(0));
    put(&directory.join("keyring/secrets.json"), br#"{"seed":"c2VlZA"}"#, 0o600, time(1));
    for n in 0..17 {
        let subkey = format!(r#"{{"subkey":{n},"key":"{}"}}"#, "k".repeat(200));
        put(
            &directory.join(format!("keyring/subkey({n}).json")),
            subkey.as_bytes(),
            0o600,
            time(n),
        );
    }
    put(&directory.join("images/face.png"), &noise(5_000, 1), 0o644, time(99));
    set_mode(&directory.join("keyring"), 0o700);
    set_mode(directory, 0o700);
}

/// Every name, mode and time that a persona may have and that is easily lost.
pub fn odd(directory: &Path) {
    let names = [
        "plain",
        ".hidden",
        "-dash",
        " leading",
        "trailing ",
        "two  spaces",
        "dot.",
        "...",
        "quote'\"`$(x);&|<>*?[]{}~#!%",
        "back\\slash",
        "colon:name",
        "CON",
        "nul.txt",
        "umläut NFC \u{e9}",
        "umlaut NFD e\u{301}",
        "日本語",
        "שלום",
        "emoji 👩\u{200d}👩\u{200d}👧 🔑",
        "right\u{202e}left",
        "zero\u{200b}width",
        "case",
        "CASE",
        "keyring.keybackup-old-1",
    ];
    for (n, name) in (0_u32..).zip(names) {
        let time = Duration::new(1_000_000_000 + u64::from(n), 100 * n);
        let mode = [0o600, 0o644, 0o400, 0o755, 0o640][n as usize % 5];
        put(&directory.join(name), name.as_bytes(), mode, time);
    }
    put(&directory.join("n".repeat(255)), b"the longest name", 0o600, Duration::new(1, 0));
    put(&directory.join("empty file"), b"", 0o600, Duration::ZERO);
    put(&directory.join("far future"), b"x", 0o600, Duration::new(7_258_118_400, 999_999_900));
    put(
        &directory.join("deep/er/and/deeper/ü/file"),
        &noise(70_000, 2),
        0o600,
        Duration::new(5, 0),
    );
    fs::create_dir_all(directory.join("empty directory")).expect("a directory");
    fs::create_dir_all(directory.join("deep/empty/too")).expect("a directory");
    put(&directory.join("read only/file"), b"read", 0o400, Duration::new(9, 100));
    set_mode(&directory.join("read only"), 0o500);
    set_mode(&directory.join("deep/er"), 0o750);
    set_mode(directory, 0o755);
}

/// `count` small files in directories of a hundred.
pub fn many(directory: &Path, count: usize) {
    for n in 0..count {
        let path = directory.join(format!("{:03}/{n}.json", n / 100));
        put(
            &path,
            format!("{{\"n\":{n}}}").as_bytes(),
            0o600,
            Duration::new(1_500_000_000 + n as u64, 0),
        );
    }
}

/// One file of `mebibytes`, neither compressible nor all in memory.
pub fn large(path: &Path, mebibytes: u64) {
    fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory");
    let mut file = File::create(path).expect("a new file");
    for n in 0..mebibytes {
        file.write_all(&noise(1 << 20, n)).expect("room");
    }
}

/// Bytes that look random and are the same for the same seed.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let key = blake3::derive_key("keybackup tests 2026 noise", &seed.to_le_bytes());
    blake3::Hasher::new_keyed(&key).finalize_xof().fill(&mut bytes);
    bytes
}
