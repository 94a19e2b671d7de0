//! Reads the contents of an audited zip with several threads, each with a reader of its own:
//! entries are independent, and chunks are opened in any order.

use std::io::{self, Read, Seek};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::audit::Record;
use super::content::Decoder;
use super::entry::Kind;
use super::unpack::UnpackError;

/// Compressed bytes of the entries that a thread takes at a time: enough that opening the chunk
/// that two threads share, each for itself, costs little, and that the entries of a directory are
/// mostly one thread's.
pub(super) const RUN_BYTES: u64 = 512 * 1024;

/// Told how far it is, from any of the threads.
pub trait Watch: Sync {
    /// So many bytes more came out.
    fn came_out(&self, bytes: u64);

    /// No byte of the archive before `position` is read again.
    fn passed(&self, position: u64) {
        let _ = position;
    }
}

impl<F: Fn(u64) + Sync> Watch for F {
    fn came_out(&self, bytes: u64) {
        self(bytes);
    }
}

/// Where the files of one thread go.
pub(super) trait Sink {
    fn open(&mut self, record: &Record) -> io::Result<()>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn close(&mut self, record: &Record) -> io::Result<()>;
}

/// The hash of each entry's content, in their order; zeros for directories, which are left out.
/// Of several failures the first entry's is told.
pub(super) fn contents<R: Read + Seek + Send, S: Sink>(
    readers: &mut [R],
    records: &[Record],
    sink: impl Fn() -> S + Sync,
    watch: &dyn Watch,
) -> Result<Vec<[u8; 32]>, UnpackError> {
    let runs = runs(records);
    let starts = starts(records, &runs);
    let at = readers.iter().map(|_| AtomicUsize::new(0)).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let crew = &Crew { records, runs, starts, at, next, failed, watch };
    let sink = &sink;
    let (first, others) = readers.split_first_mut().expect("somebody reads");
    let parts = if crew.runs.len() < 2 || others.is_empty() {
        // Who does nothing holds nobody up.
        crew.at.iter().skip(1).for_each(|at| at.store(crew.runs.len(), Ordering::Relaxed));
        vec![crew.work(0, first, sink())]
    } else {
        thread::scope(|scope| {
            let others: Vec<_> = (1..)
                .zip(others)
                .map(|(who, reader)| scope.spawn(move || crew.work(who, reader, sink())))
                .collect();
            let mut parts = vec![crew.work(0, first, sink())];
            for other in others {
                match other.join() {
                    Ok(part) => parts.push(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            parts
        })
    };
    let mut contents = vec![[0; 32]; records.len()];
    let mut failure: Option<Failed> = None;
    for part in parts {
        match part {
            Ok(hashes) => hashes.into_iter().for_each(|(index, hash)| contents[index] = hash),
            Err(other) if failure.as_ref().is_none_or(|first| other.0 < first.0) => {
                failure = Some(other);
            }
            Err(_) => {}
        }
    }
    failure.map_or(Ok(contents), |(_, error)| Err(error))
}

/// Entries side by side, cut where enough bytes are together.
fn runs(records: &[Record]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, record) in records.iter().enumerate() {
        bytes += record.placed.compressed;
        if bytes >= RUN_BYTES {
            runs.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < records.len() {
        runs.push(start..records.len());
    }
    runs
}

/// Where the first byte lies that belongs to a run or one behind it.
fn starts(records: &[Record], runs: &[Range<usize>]) -> Vec<u64> {
    let mut first = u64::MAX;
    let mut starts: Vec<u64> = Vec::with_capacity(runs.len());
    for run in runs.iter().rev() {
        // Zips of others need not have their entries in the order of their table.
        let headers = records[run.clone()].iter().map(|record| record.placed.header);
        first = headers.min().map_or(first, |header| header.min(first));
        starts.push(first);
    }
    starts.reverse();
    starts
}

/// The index of an entry, and why it failed.
type Failed = (usize, UnpackError);

struct Crew<'c> {
    records: &'c [Record],
    runs: Vec<Range<usize>>,
    starts: Vec<u64>,
    /// The run that each thread is in; only ever rises.
    at: Vec<AtomicUsize>,
    next: AtomicUsize,
    failed: AtomicBool,
    watch: &'c dyn Watch,
}

impl Crew<'_> {
    /// Takes runs until none are left or somebody failed. A run that was taken is finished, so
    /// that all before the first failure is known to be good.
    fn work<R: Read + Seek, S: Sink>(
        &self,
        who: usize,
        reader: &mut R,
        mut sink: S,
    ) -> Result<Vec<(usize, [u8; 32])>, Failed> {
        let mut hashes = Vec::new();
        let mut decoder = Decoder::new().map_err(|error| (0, UnpackError::Start(error)))?;
        while !self.failed.load(Ordering::Relaxed) {
            let run = self.next.fetch_add(1, Ordering::Relaxed);
            self.at[who].store(run, Ordering::Release);
            self.tell_passed();
            let Some(range) = self.runs.get(run) else { break };
            for (index, record) in range.clone().zip(&self.records[range.clone()]) {
                if record.kind == Kind::Directory {
                    continue;
                }
                let hash = self.one(reader, &mut decoder, record, &mut sink).map_err(|error| {
                    self.failed.store(true, Ordering::Relaxed);
                    (index, error)
                })?;
                hashes.push((index, hash));
            }
        }
        Ok(hashes)
    }

    fn tell_passed(&self) {
        // Another thread may have taken a run and not said so: it says an earlier one, then.
        let first = self.at.iter().map(|at| at.load(Ordering::Acquire)).min().unwrap_or(0);
        if let Some(start) = self.starts.get(first) {
            self.watch.passed(*start);
        }
    }

    fn one<R: Read + Seek, S: Sink>(
        &self,
        reader: &mut R,
        decoder: &mut Decoder,
        record: &Record,
        sink: &mut S,
    ) -> Result<[u8; 32], UnpackError> {
        let failed = |source| UnpackError::Write { path: record.path.clone(), source };
        sink.open(record).map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        decoder.read(reader, record, &mut |bytes| {
            hasher.update(bytes);
            sink.write(bytes)?;
            self.watch.came_out(bytes.len() as u64);
            Ok(())
        })?;
        sink.close(record).map_err(failed)?;
        Ok(*hasher.finalize().as_bytes())
    }
}
