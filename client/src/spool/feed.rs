//! A spool that is sent while it is sealed: one side writes, the other follows as far as that has come,
//! and goes back where a connection broke.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Spool;

/// Bytes that are worth a request of their own, while more is to come: each is made durable at the
/// other end before it is answered.
const PIECE_BYTES: u64 = 32 * 1024 * 1024;

/// The side that writes. Dropped before [`finish`](Self::finish), it has made nothing.
pub struct Feed {
    spool: Spool,
    shared: Arc<Shared>,
}

/// The side that follows. It sees bytes once they have left memory, and none of a spool that never
/// does.
#[derive(Clone)]
pub struct Tail(Arc<Shared>);

/// How far the writing side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Bytes there are.
    pub bytes: u64,
    /// Whether that is all.
    pub whole: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    file: Option<Arc<File>>,
    bytes: u64,
    end: End,
    /// Nobody follows any more, and there is no use in going on.
    refused: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Whole,
    Broken,
}

impl Feed {
    /// Writes into `spool`, which is empty.
    pub fn new(spool: Spool) -> (Self, Tail) {
        let shared = Arc::<Shared>::default();
        (Self { spool, shared: Arc::clone(&shared) }, Tail(shared))
    }

    /// All is written.
    pub fn finish(self) -> io::Result<Spool> {
        let mut feed = self;
        feed.tell()?;
        feed.shared.locked().end = End::Whole;
        feed.shared.grown.notify_all();
        Ok(std::mem::replace(&mut feed.spool, Spool::new(std::path::Path::new(""))))
    }

    fn tell(&mut self) -> io::Result<()> {
        let mut state = self.shared.locked();
        if let (None, Some(file)) = (&state.file, self.spool.in_file()) {
            state.file = Some(Arc::new(file.try_clone()?));
        }
        state.bytes = self.spool.len();
        if state.refused {
            return Err(io::Error::other("what is sealed can't be sent"));
        }
        drop(state);
        self.shared.grown.notify_all();
        Ok(())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.shared.locked();
        if state.end == End::Open {
            state.end = End::Broken;
        }
        drop(state);
        self.shared.grown.notify_all();
    }
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.spool.write(bytes)?;
        self.tell()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.flush()
    }
}

impl Tail {
    /// Of a spool that is whole, and in a file.
    pub fn of(file: File, bytes: u64) -> Self {
        let state =
            State { file: Some(Arc::new(file)), bytes, end: End::Whole, ..State::default() };
        Self(Arc::new(Shared { state: Mutex::new(state), grown: Condvar::new() }))
    }

    /// Waits until there is a piece to be sent behind the first `from` bytes, or all there is; `None`
    /// if nothing will come of it: sealing broke off, or all of it stays in memory.
    pub fn wait(&self, from: u64) -> Option<Reached> {
        let mut state = self.0.locked();
        loop {
            match (&state.file, state.end) {
                (_, End::Broken) | (None, End::Whole) => return None,
                (Some(_), End::Whole) => return Some(Reached { bytes: state.bytes, whole: true }),
                // The first one at once, however short it is: whoever answers learns early.
                (Some(_), End::Open)
                    if state.bytes > from && (from == 0 || state.bytes - from >= PIECE_BYTES) =>
                {
                    return Some(Reached { bytes: state.bytes, whole: false });
                }
                _ => {}
            }
            state = self.0.grown.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads what is there at `at`.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let file = self.0.locked().file.clone();
        file.ok_or(io::ErrorKind::NotFound)?.read_at(buffer, at)
    }

    /// Tells the writing side that there is no use in going on.
    pub fn refuse(&self) {
        self.0.locked().refused = true;
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, State> {
        // Each change of the state is whole, so a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MIB: usize = 1 << 20;

    fn feed(directory: &std::path::Path) -> (Feed, Tail) {
        Feed::new(Spool::new(directory))
    }

    #[test]
    fn follows_what_is_written_to_its_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut feed, tail) = feed(directory.path());
        let follower = thread::spawn(move || {
            let (mut all, mut ends) = (Vec::new(), Vec::new());
            loop {
                let reached = tail.wait(all.len() as u64).expect("it goes on");
                ends.push(reached);
                let mut piece = vec![0; usize::try_from(reached.bytes).expect("fits") - all.len()];
                let read = tail.read_at(&mut piece, all.len() as u64).expect("reads");
                assert_eq!(read, piece.len());
                all.extend(piece);
                if reached.whole {
                    return (all, ends);
                }
            }
        });
        let chunk: Vec<u8> = (0..=255).cycle().take(MIB).collect();
        for _ in 0..80 {
            feed.write_all(&chunk).expect("room");
        }
        let spool = feed.finish().expect("finished");
        let (all, ends) = follower.join().expect("no panic");
        assert!(all.len() as u64 == spool.len() && all.chunks(MIB).all(|piece| piece == chunk));
        let pieces = ends.windows(2).map(|pair| pair[1].bytes - pair[0].bytes);
        assert!(pieces.take(ends.len().saturating_sub(2)).all(|bytes| bytes >= PIECE_BYTES));
    }

    #[test]
    fn what_stays_in_memory_or_breaks_off_is_nobodys_to_send() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut small, tail) = feed(directory.path());
        small.write_all(b"few").expect("room");
        assert_eq!(small.finish().expect("finished").len(), 3);
        assert_eq!(tail.wait(0), None);
        let (mut broken, tail) = feed(directory.path());
        broken.write_all(&vec![1; 9 * MIB]).expect("room");
        assert_eq!(tail.wait(0), Some(Reached { bytes: 9 << 20, whole: false }));
        drop(broken);
        assert_eq!(tail.wait(9 << 20), None);
    }

    #[test]
    fn who_writes_learns_that_nobody_takes_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut feed, tail) = feed(directory.path());
        feed.write_all(b"some").expect("room");
        tail.refuse();
        assert!(feed.write_all(b"more").is_err());
    }
}
