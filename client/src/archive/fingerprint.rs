//! Hashes what a walk found, so that an unchanged tree is known without packing it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::dir::{Cursor, Dir};
use super::entry::{Item, Kind, Summary};
use super::paths::Paths;
use super::source::{PIECE_BYTES, Source};
use super::stat_cache::StatCache;
use super::walk::{Entry, Skipped, Walk};

/// Files are read by this many threads.
const THREADS: usize = 2;
/// Entries that a thread takes at a time.
const BATCH: usize = 16;

/// A tree with the hashes of its contents: what [`super::pack()`] packs.
#[derive(Debug)]
pub struct Fingerprinted {
    pub(super) items: Vec<Item>,
    /// Fingerprint, counts and bytes.
    pub summary: Summary,
    /// What the walk skipped.
    pub skipped: Vec<Skipped>,
    /// Files that changed or went while they were read; what is here of them may be torn. Not
    /// empty: start over once, then go on and say so.
    pub changed: Vec<String>,
    /// For the next time.
    pub cache: StatCache,
}

impl Fingerprinted {
    /// All entries, in ascending order of their paths' bytes.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
}

/// Why a tree couldn't be fingerprinted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// Files that couldn't be read; the source is the first one's.
    #[error("can't read {paths}")]
    Unreadable {
        /// Their paths below the root.
        paths: Paths,
        /// What the system said of the first.
        source: io::Error,
    },
}

/// Reads every file that `walk` found below `root` and `cache` doesn't know, or all with
/// `rehash`.
pub fn fingerprint(
    root: &Dir,
    walk: Walk,
    cache: &StatCache,
    rehash: bool,
) -> Result<Fingerprinted, FingerprintError> {
    let Walk { entries, skipped, started } = walk;
    let empty = StatCache::default();
    let job = Job {
        root,
        entries: &entries,
        cache: if rehash { &empty } else { cache },
        started,
        next: AtomicUsize::new(0),
    };
    let hashed = job.run();

    let mut cache = StatCache::default();
    let (mut items, mut changed) = (Vec::with_capacity(entries.len()), Vec::new());
    let (mut unreadable, mut errors) = (Vec::new(), Vec::new());
    for (entry, hashed) in entries.into_iter().zip(hashed) {
        match hashed {
            Hashed::Directory => items.push(entry.into_item([0; 32])),
            Hashed::Known(content) => {
                let Entry { path, size, stamp, .. } = &entry;
                cache.remember(path, *size, stamp, content, started);
                items.push(entry.into_item(content));
            }
            Hashed::Changing(content) => {
                changed.push(entry.path.clone());
                items.push(entry.into_item(content));
            }
            Hashed::Gone => changed.push(entry.path),
            Hashed::Unreadable(error) => {
                unreadable.push(entry.path);
                errors.push(error);
            }
        }
    }
    if !errors.is_empty() {
        let (paths, source) = (Paths(unreadable), errors.swap_remove(0));
        return Err(FingerprintError::Unreadable { paths, source });
    }
    let summary = Summary::of(&items);
    Ok(Fingerprinted { items, summary, skipped, changed, cache })
}

impl Entry {
    pub(super) fn into_item(self, content: [u8; 32]) -> Item {
        let Self { path, kind, mode, mtime, size, .. } = self;
        Item { path, kind, mode, mtime, size, content }
    }
}

/// What became of one entry.
enum Hashed {
    Directory,
    Known([u8; 32]),
    /// It is not what the walk saw, or changed while it was read.
    Changing([u8; 32]),
    Gone,
    Unreadable(io::Error),
}

struct Job<'j> {
    root: &'j Dir,
    entries: &'j [Entry],
    cache: &'j StatCache,
    started: SystemTime,
    next: AtomicUsize,
}

impl Job<'_> {
    /// What became of each entry, in their order.
    fn run(&self) -> Vec<Hashed> {
        let mut parts = if self.entries.len() <= BATCH {
            self.work()
        } else {
            std::thread::scope(|scope| {
                let others: Vec<_> = (1..THREADS).map(|_| scope.spawn(|| self.work())).collect();
                let mut parts = self.work();
                for other in others {
                    match other.join() {
                        Ok(part) => parts.extend(part),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
                parts
            })
        };
        parts.sort_unstable_by_key(|(start, _)| *start);
        parts.into_iter().flat_map(|(_, part)| part).collect()
    }

    /// Takes batches of entries until none are left.
    fn work(&self) -> Vec<(usize, Vec<Hashed>)> {
        let mut cursor = Cursor::new(self.root);
        let mut buffer = vec![0; PIECE_BYTES];
        let mut done = Vec::new();
        loop {
            let start = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let end = self.entries.len().min(start.saturating_add(BATCH));
            let Some(batch) = self.entries.get(start..end).filter(|batch| !batch.is_empty()) else {
                return done;
            };
            let one = |entry| {
                self.one(&mut cursor, &mut buffer, entry).unwrap_or_else(Hashed::Unreadable)
            };
            done.push((start, batch.iter().map(one).collect()));
        }
    }

    fn one(&self, cursor: &mut Cursor<'_>, buffer: &mut [u8], entry: &Entry) -> io::Result<Hashed> {
        if entry.kind == Kind::Directory {
            return Ok(Hashed::Directory);
        }
        let Entry { path, size, stamp, .. } = entry;
        if let Some(content) = self.cache.content(path, *size, stamp, self.started) {
            return Ok(Hashed::Known(content));
        }
        let Some(mut source) = Source::open(cursor, path)? else { return Ok(Hashed::Gone) };
        let mut hasher = blake3::Hasher::new();
        loop {
            let read = source.fill(buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
        }
        let content = *hasher.finalize().as_bytes();
        let same = source.status.stamp == *stamp && source.status.size == *size;
        Ok(if same && source.held_still()? {
            Hashed::Known(content)
        } else {
            Hashed::Changing(content)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::archive::exclude::Excludes;
    use crate::archive::testing::Tree;
    use crate::archive::walk::walk;

    fn later(tree: &Tree) -> Walk {
        let mut walk = walk(&tree.root(), &Excludes::default(), false).expect("a plain tree");
        walk.started += Duration::from_secs(10);
        walk
    }

    fn run(tree: &Tree, walk: Walk, cache: &StatCache, rehash: bool) -> Fingerprinted {
        fingerprint(&tree.root(), walk, cache, rehash).expect("readable")
    }

    #[test]
    fn the_cache_is_used_and_bypassed() {
        let tree = Tree::new().file("a", "one").file("d/b", "two");
        let first = run(&tree, later(&tree), &StatCache::default(), false);
        assert_eq!(first.items[0].content, *blake3::hash(b"one").as_bytes());
        assert_eq!(first.cache.len(), 2);
        assert_eq!((first.summary.files, first.summary.bytes), (2, 6));

        // A cache that lies shows who asked it.
        let mut lying = StatCache::default();
        let walk = later(&tree);
        let Entry { path, size, stamp, .. } = &walk.entries[0];
        lying.remember(path, *size, stamp, [9; 32], walk.started);
        assert_eq!(run(&tree, later(&tree), &lying, false).items[0].content, [9; 32]);
        assert_eq!(run(&tree, later(&tree), &lying, true).summary, first.summary);
    }

    #[test]
    fn fresh_files_are_not_remembered() {
        let tree = Tree::new().file("a", "one");
        let mut walk = walk(&tree.root(), &Excludes::default(), false).expect("a plain tree");
        // Begun when the file was written, however long ago that is on a slow machine.
        let written = std::fs::metadata(tree.path("a")).and_then(|found| found.modified());
        walk.started = written.expect("it has a time");
        assert!(run(&tree, walk, &StatCache::default(), false).cache.is_empty());
    }

    #[test]
    fn what_changes_or_goes_after_the_walk_is_named() {
        let tree =
            Tree::new().file("gone", "x").file("grown", "x").file("link", "x").file("ok", "x");
        let walk = later(&tree);
        std::fs::remove_file(tree.path("gone")).expect("removed");
        std::fs::write(tree.path("grown"), "xx").expect("written");
        std::fs::remove_file(tree.path("link")).expect("removed");
        std::os::unix::fs::symlink("ok", tree.path("link")).expect("linked");
        let result = run(&tree, walk, &StatCache::default(), false);
        assert_eq!(result.changed, ["gone", "grown", "link"]);
        let paths: Vec<_> = result.items.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["grown", "ok"]);
        assert_eq!(result.cache.len(), 1);
    }

    #[test]
    fn many_files_keep_their_order() {
        let mut tree = Tree::new();
        for n in 0..200 {
            tree = tree.file(&format!("{n:03}"), n.to_string());
        }
        let result = run(&tree, later(&tree), &StatCache::default(), false);
        for (n, item) in result.items.iter().enumerate() {
            assert_eq!(item.content, *blake3::hash(n.to_string().as_bytes()).as_bytes());
        }
    }
}
