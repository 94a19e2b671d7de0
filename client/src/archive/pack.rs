//! Packs a tree into the zip that is sealed, in one pass and bounded memory, and notices what
//! changed since it was seen. Threads pack runs of entries, each into a stretch of zip of its own;
//! the stretches are put together in order, so that the bytes are those of one thread.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::dir::Dir;
use super::entry::{Item, Summary};
use super::packer::{Outcome, Packer, Part};
use super::paths::Paths;
use super::plan::{Plan, Seen};
use super::stat_cache::StatCache;
use super::zip::headers::Style;
use super::zip::writer::Writer;
use super::zip::{Meta, Placed};

/// Threads that read, hash and compress, beside the one that takes what they make.
const PACKERS: usize = 2;
/// Bytes of the files that one of them packs at a time.
const RUN_BYTES: u64 = 512 * 1024;
/// Parts of a stretch that wait to be taken: with those under way some MiB in all.
const PARTS_AHEAD: usize = 12;

/// What to do with a file that is not what the fingerprint saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// Stop: the caller starts over, once.
    Refuse,
    /// Pack what is there and report it.
    Accept,
}

/// What was packed.
#[derive(Debug)]
pub struct Packed {
    /// Length of the zip.
    pub zip_bytes: u64,
    /// Of what the zip holds; the fingerprint's unless something changed.
    pub summary: Summary,
    /// Files that changed, or are left out because they went, since the fingerprint.
    pub changed: Vec<String>,
    /// For the next time.
    pub cache: StatCache,
}

/// Why a tree couldn't be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Files are not what was seen before, or, of a tree that was only walked, can't be read
    /// ([`Changes::Refuse`]). Packing stops at the first.
    #[error("{0} changed while being read")]
    Changed(Paths),
    /// A file couldn't be read.
    #[error("can't read {path:?}")]
    Read {
        /// Its path below the root.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The zip couldn't be written, or what it is written into failed.
    #[error("can't write the archive")]
    Write(#[source] io::Error),
}

/// Packs what `plan` lists below `root` into `out`, and calls `progress` with the number of bytes
/// read each time some were.
pub fn pack<W: Write>(
    root: &Dir,
    plan: impl Into<Plan>,
    on_change: Changes,
    out: W,
    progress: &mut dyn FnMut(u64),
) -> Result<Packed, PackError> {
    let Plan { mut items, mut seen } = plan.into();
    let (order, whose) = channel();
    let job = Job {
        root,
        items: &items,
        seen: &seen,
        runs: runs(&items),
        next: Mutex::new((0, order)),
        on_change,
        read: AtomicU64::new(0),
    };
    let mut zip = Writer::new(out, Style::Sealed);
    let outcomes = job.run(&whose, &mut zip, progress)?;

    let cache = seen.cache(&items, &outcomes);
    let (mut changed, mut all_placed) = (Vec::new(), Vec::with_capacity(items.len()));
    let mut outcomes = outcomes.into_iter();
    items.retain_mut(|item| {
        let Some(Outcome { placed, content, changed: other }) = outcomes.next() else {
            return false;
        };
        if other.is_some() || placed.is_none() {
            changed.push(item.path.clone());
        }
        item.content = content;
        if let Some(other) = other {
            *item = *other;
        }
        all_placed.extend(placed);
        placed.is_some()
    });
    for (item, placed) in items.iter().zip(all_placed) {
        zip.list(&meta(item, placed)).map_err(PackError::Write)?;
    }
    let zip_bytes = zip.finish().map_err(PackError::Write)?;
    let summary = seen.summary(&items, &changed);
    Ok(Packed { zip_bytes, summary, changed, cache })
}

/// Entries side by side, cut where enough bytes are together.
fn runs(items: &[Item]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, item) in items.iter().enumerate() {
        bytes += item.size;
        if bytes >= RUN_BYTES {
            runs.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < items.len() {
        runs.push(start..items.len());
    }
    runs
}

struct Job<'j> {
    root: &'j Dir,
    items: &'j [Item],
    seen: &'j Seen,
    runs: Vec<Range<usize>>,
    /// The run that is to be packed next, and who is told by whom each is packed, in their order.
    next: Mutex<(usize, Sender<usize>)>,
    on_change: Changes,
    /// Bytes read, and not yet told of.
    read: AtomicU64,
}

impl Job<'_> {
    /// Has all runs packed and puts them together. Of several failures the first entry's is told:
    /// nobody listens to those behind it any more, which ends them.
    fn run<W: Write>(
        &self,
        whose: &Receiver<usize>,
        zip: &mut Writer<W>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Outcome>, PackError> {
        thread::scope(|scope| {
            let mut lines = Vec::new();
            for who in 0..PACKERS.min(self.runs.len()) {
                let (sender, parts) = sync_channel(PARTS_AHEAD);
                scope.spawn(move || self.work(who, &sender));
                lines.push(parts);
            }
            let mut outcomes = Vec::with_capacity(self.items.len());
            for _ in &self.runs {
                // It can't be gone: a panic in there ends this thread, too.
                let gone = |_| PackError::Write(io::ErrorKind::BrokenPipe.into());
                let parts = &lines[whose.recv().map_err(gone)?];
                let start = zip.position();
                loop {
                    let part = parts.recv().map_err(gone)?;
                    progress(self.read.swap(0, Ordering::Relaxed));
                    match part {
                        Part::Bytes(bytes) => zip.content(&bytes).map_err(PackError::Write)?,
                        Part::End(run) => {
                            outcomes.extend(run?.into_iter().map(|it| it.moved_by(start)));
                            break;
                        }
                    }
                }
            }
            Ok(outcomes)
        })
    }

    /// Packs runs until none are left, or nobody takes them any more.
    fn work(&self, who: usize, parts: &SyncSender<Part>) {
        let mut packer = Packer::new(self.root, &self.read, parts);
        while let Some(range) = self.take(who) {
            let packed = match &mut packer {
                Ok(packer) => self.pack(packer, range),
                Err(error) => Err(PackError::Write(error.kind().into())),
            };
            if parts.send(Part::End(packed)).is_err() {
                return;
            }
        }
    }

    fn take(&self, who: usize) -> Option<Range<usize>> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let range = self.runs.get(next.0)?.clone();
        next.0 += 1;
        next.1.send(who).ok()?;
        Some(range)
    }

    fn pack(
        &self,
        packer: &mut Packer<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Outcome>, PackError> {
        let mut outcomes = Vec::with_capacity(range.len());
        for index in range {
            let item = &self.items[index];
            let refused = || PackError::Changed(Paths(vec![item.path.clone()]));
            let outcome = match packer.item(item, self.seen.look(index)) {
                Err(PackError::Read { .. }) if self.stops_unread() => return Err(refused()),
                outcome => outcome?,
            };
            if !outcome.is_same() && self.on_change == Changes::Refuse {
                return Err(refused());
            }
            outcomes.push(outcome);
        }
        packer.finish().map_err(PackError::Write)?;
        Ok(outcomes)
    }

    /// Who starts over, and reads all before packing, can name every file that can't be read.
    fn stops_unread(&self) -> bool {
        self.on_change == Changes::Refuse && self.seen.is_walk()
    }
}

pub(super) fn meta(item: &Item, placed: Placed) -> Meta<'_> {
    let Item { path, kind, mode, mtime, .. } = item;
    Meta { path, kind: *kind, mode: *mode, mtime: *mtime, placed }
}

#[cfg(test)]
mod tests;
