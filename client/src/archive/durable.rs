//! Makes what a restore writes durable: each file and directory when it is done, by whoever wrote
//! it or by threads beside, or everything at the end.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::unpack::UnpackError;

/// Threads that make files durable. They only wait, and a disk does several such things at once.
const SYNCERS: usize = 4;
/// Files that wait, open, for one of them.
const MOST_UNSYNCED: usize = 16;

/// When a file or directory becomes durable.
#[derive(Clone)]
pub(super) enum Durable {
    /// By one call for all, which is somebody else's.
    AtTheEnd,
    /// When it is done.
    AtOnce,
    /// After that, while the next are written.
    Beside(SyncSender<(String, File)>),
}

impl Durable {
    /// Takes what is done, and stands at `path`.
    pub(super) fn make(&self, path: &str, file: File) -> io::Result<()> {
        match self {
            Self::AtTheEnd => Ok(()),
            Self::AtOnce => file.sync_all(),
            // Nobody takes it any more: all have failed, and the first of them tells why.
            Self::Beside(sender) => {
                sender.send((path.to_owned(), file)).map_err(|_| io::ErrorKind::Interrupted.into())
            }
        }
    }
}

/// Runs `write` beside threads that make durable what it takes there, so that the disk works
/// meanwhile. What could not be made durable is the failure of all.
pub(super) fn beside<T>(
    write: impl FnOnce(&Durable) -> Result<T, UnpackError>,
) -> Result<T, UnpackError> {
    let (sender, files) = sync_channel(MOST_UNSYNCED);
    // Held by those threads alone: when all have failed, sending fails.
    let files = Arc::new(Mutex::new(files));
    thread::scope(|scope| {
        let syncer = |files: Arc<Mutex<_>>| scope.spawn(move || sync_all(&files));
        let mut syncers: Vec<_> = (1..SYNCERS).map(|_| syncer(Arc::clone(&files))).collect();
        syncers.push(syncer(files));
        let durable = Durable::Beside(sender);
        let written = write(&durable);
        drop(durable);
        let synced = syncers.into_iter().map(|syncer| match syncer.join() {
            Ok(synced) => synced,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        synced.collect::<Result<Vec<()>, _>>().and(written)
    })
}

fn sync_all(files: &Mutex<Receiver<(String, File)>>) -> Result<(), UnpackError> {
    loop {
        let next = files.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((path, file)) = next else { return Ok(()) };
        file.sync_all().map_err(|source| UnpackError::Write { path, source })?;
    }
}
