//! What is to be packed: a tree that was fingerprinted, or one that was only walked, whose contents
//! are read for the first time while they are packed.

use std::time::SystemTime;

use super::dir::{Stamp, Status};
use super::entry::{Item, Kind, Summary};
use super::fingerprint::Fingerprinted;
use super::packer::Outcome;
use super::stat_cache::StatCache;
use super::walk::Walk;

/// The entries to pack, and what is known of them.
#[derive(Debug)]
pub struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) seen: Seen,
}

/// What is known of entries that are to be packed.
#[derive(Debug)]
pub(super) enum Seen {
    /// Their contents' hashes.
    Contents { summary: Summary, cache: StatCache },
    /// What the walk met, and when it began.
    Stamps { stamps: Vec<Stamp>, started: SystemTime },
}

/// What a file is held against, beside what its item says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look<'s> {
    Content,
    Stamp(&'s Stamp),
}

impl From<Fingerprinted> for Plan {
    fn from(tree: Fingerprinted) -> Self {
        let Fingerprinted { items, summary, cache, .. } = tree;
        Self { items, seen: Seen::Contents { summary, cache } }
    }
}

impl From<Walk> for Plan {
    fn from(walk: Walk) -> Self {
        let Walk { entries, started, .. } = walk;
        let stamps = entries.iter().map(|entry| entry.stamp).collect();
        let items = entries.into_iter().map(|entry| entry.into_item([0; 32])).collect();
        Self { items, seen: Seen::Stamps { stamps, started } }
    }
}

impl Seen {
    pub(super) const fn is_walk(&self) -> bool {
        matches!(self, Self::Stamps { .. })
    }

    /// What the entry of this index is held against.
    pub(super) fn look(&self, index: usize) -> Look<'_> {
        match self {
            Self::Contents { .. } => Look::Content,
            Self::Stamps { stamps, .. } => Look::Stamp(&stamps[index]),
        }
    }

    /// The summary of what was packed, of which `changed` is not what was seen.
    pub(super) fn summary(&self, packed: &[Item], changed: &[String]) -> Summary {
        match self {
            Self::Contents { summary, .. } if changed.is_empty() => *summary,
            _ => Summary::of(packed),
        }
    }

    /// A cache for the next time; of what changed it knows nothing.
    pub(super) fn cache(&mut self, items: &[Item], outcomes: &[Outcome]) -> StatCache {
        match self {
            Self::Contents { cache, .. } => std::mem::take(cache),
            Self::Stamps { stamps, started } => {
                let mut cache = StatCache::default();
                for ((item, stamp), outcome) in items.iter().zip(stamps).zip(outcomes) {
                    if item.kind == Kind::File && outcome.is_same() {
                        cache.remember(&item.path, item.size, stamp, outcome.content, *started);
                    }
                }
                cache
            }
        }
    }
}

impl Look<'_> {
    /// Whether `packed`, of a file with this status, is what was seen.
    pub(super) fn is_same(self, seen: &Item, packed: &Item, status: &Status) -> bool {
        match self {
            Self::Content => packed == seen,
            Self::Stamp(stamp) => {
                let Item { mode, mtime, size, .. } = *packed;
                status.stamp == *stamp && (mode, mtime, size) == (seen.mode, seen.mtime, seen.size)
            }
        }
    }
}
