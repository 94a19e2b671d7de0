//! What an archive says of one file or directory, and the fingerprint over all of them.

use keybackup_protocol::put_lp;

use super::time::Ticks;

/// The permission bits that travel: setuid, setgid and sticky don't.
pub const MODE_MASK: u32 = 0o777;

/// The two kinds of entry that an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// One file or directory with all that is backed up of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the root, `/`-separated, without a final slash.
    pub path: String,
    /// File or directory.
    pub kind: Kind,
    /// Permission bits, at most [`MODE_MASK`].
    pub mode: u32,
    /// Time of the last modification.
    pub mtime: Ticks,
    /// Length of the content in bytes, 0 for a directory.
    pub size: u64,
    /// BLAKE3 of the content, zeros for a directory.
    pub content: [u8; 32],
}

/// What a tree comes to, as a label has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// BLAKE3 over all entries; see [`Summing`].
    pub fingerprint: [u8; 32],
    /// Number of files.
    pub files: u64,
    /// Number of directories, the root not counted.
    pub directories: u64,
    /// Sum of the files' sizes in bytes.
    pub bytes: u64,
}

/// Computes a [`Summary`] entry by entry.
///
/// The fingerprint is BLAKE3 over, for each entry in ascending order of its path's bytes:
/// lp(path) ‖ `f` or `d` ‖ u32 mode & 0777 ‖ for files: u64 mtime in [`Ticks`] ‖ BLAKE3 of the
/// content (32 bytes). Integers are big endian. Directories' times are left out, since changing
/// them is not a change that anybody made.
#[derive(Debug, Default)]
pub struct Summing {
    hasher: blake3::Hasher,
    scratch: Vec<u8>,
    files: u64,
    directories: u64,
    bytes: u64,
}

impl Summing {
    /// Takes in the next entry; the caller keeps the order.
    pub fn add(
        &mut self,
        path: &str,
        kind: Kind,
        mode: u32,
        mtime: Ticks,
        size: u64,
        content: &[u8; 32],
    ) {
        self.scratch.clear();
        put_lp(&mut self.scratch, path.as_bytes());
        self.scratch.push(if kind == Kind::File { b'f' } else { b'd' });
        self.scratch.extend_from_slice(&mode.to_be_bytes());
        if kind == Kind::File {
            self.scratch.extend_from_slice(&mtime.0.to_be_bytes());
            self.scratch.extend_from_slice(content);
            self.files += 1;
            self.bytes += size;
        } else {
            self.directories += 1;
        }
        self.hasher.update(&self.scratch);
    }

    /// The summary of what was added.
    pub fn finish(&self) -> Summary {
        Summary {
            fingerprint: *self.hasher.finalize().as_bytes(),
            files: self.files,
            directories: self.directories,
            bytes: self.bytes,
        }
    }
}

impl Summary {
    /// The summary of `items`, which are sorted by path.
    pub fn of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut summing = Summing::default();
        for item in items {
            let Item { path, kind, mode, mtime, size, content } = item;
            summing.add(path, *kind, *mode, *mtime, *size, content);
        }
        summing.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Item> {
        let directory = Item {
            path: "a".into(),
            kind: Kind::Directory,
            mode: 0o755,
            mtime: Ticks(7),
            size: 0,
            content: [0; 32],
        };
        let file = Item {
            path: "a/b".into(),
            kind: Kind::File,
            mode: 0o600,
            mtime: Ticks(0x0102_0304_0506_0708),
            size: 3,
            content: *blake3::hash(b"abc").as_bytes(),
        };
        vec![directory, file]
    }

    #[test]
    fn the_fingerprint_is_the_documented_bytes() {
        let mut bytes =
            b"\0\0\0\x01ad\0\0\x01\xed\0\0\0\x03a/bf\0\0\x01\x80\x01\x02\x03\x04\x05\x06\x07\x08"
                .to_vec();
        bytes.extend_from_slice(blake3::hash(b"abc").as_bytes());
        let summary = Summary::of(&items());
        assert_eq!(summary.fingerprint, *blake3::hash(&bytes).as_bytes());
        assert_eq!((summary.files, summary.directories, summary.bytes), (1, 1, 3));
    }

    #[test]
    fn every_field_counts_but_a_directorys_time() {
        let fingerprint = |change: fn(&mut Vec<Item>)| {
            let mut items = items();
            change(&mut items);
            Summary::of(&items).fingerprint
        };
        let plain = fingerprint(|_| ());
        assert_eq!(plain, fingerprint(|items| items[0].mtime = Ticks(8)));
        assert_ne!(plain, fingerprint(|items| items[0].mode = 0o700));
        assert_ne!(plain, fingerprint(|items| items[1].mode = 0o644));
        assert_ne!(plain, fingerprint(|items| items[1].mtime.0 += 1));
        assert_ne!(plain, fingerprint(|items| items[1].path = "a/c".into()));
        assert_ne!(plain, fingerprint(|items| items[1].content[31] ^= 1));
        assert_ne!(plain, fingerprint(|items| drop(items.pop())));
    }
}
