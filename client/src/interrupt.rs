//! Ctrl-C and termination at any moment: what is half-made is removed, the terminal shows what is
//! typed again, and the process ends with 130.
//!
//! A thread of its own waits for the signals, so that whatever the others are doing need not
//! look. Steps that belong together are held together by [`hold`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::archive;
use crate::error::Exit;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static HANDLES_CTRL_C: AtomicBool = AtomicBool::new(false);
/// How many [`Hold`]s there are. Who ends the process waits for none, and lets none begin.
static HOLDS: Mutex<usize> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();
static LEFTOVERS: Mutex<BTreeMap<u64, Vec<PathBuf>>> = Mutex::new(BTreeMap::new());
static TERMINAL: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Begins to wait for signals; those that the parent had ignored (`nohup`, jobs in the
/// background) stay ignored. `report` is called once, when one has come and all is cleaned up.
pub fn install(report: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let ignored = ignored_signals();
    let is_heard = |signal: &i32| ignored >> (signal - 1) & 1 == 0;
    let heard: Vec<i32> = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(is_heard).collect();
    HANDLES_CTRL_C.store(heard.contains(&SIGINT), Ordering::Release);
    let mut signals = Signals::new(heard)?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            leave(report);
        }
    })?;
    Ok(())
}

/// Waits for the end of the process if a signal has begun it. To be called before a failure is
/// told: what fails from then on does so because its files are removed under it.
pub fn give_way() {
    while REQUESTED.load(Ordering::Acquire) {
        thread::park();
    }
}

/// Delays the end of the process until this is dropped: for a few local steps that leave a mess
/// when only some are done. Not for waiting on a server. One may be held within another.
pub fn hold() -> Hold {
    *locked(&HOLDS) += 1;
    Hold(())
}

/// See [`hold`].
pub struct Hold(());

impl Drop for Hold {
    fn drop(&mut self) {
        *locked(&HOLDS) -= 1;
        RELEASED.notify_all();
    }
}

/// Removes files or directories, in this order, if the process is interrupted before this is
/// dropped. When one of them can't be removed the ones after it stay: a marker goes last, so that
/// others still find what it marks.
pub fn remove_on_exit(paths: impl IntoIterator<Item = PathBuf>) -> Leftover {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    locked(&LEFTOVERS).insert(number, paths.into_iter().collect());
    Leftover(number)
}

/// See [`remove_on_exit`].
pub struct Leftover(u64);

impl Drop for Leftover {
    fn drop(&mut self) {
        locked(&LEFTOVERS).remove(&self.0);
    }
}

/// Sees to it that the terminal is as it is now if the process is interrupted before this is
/// dropped.
pub(crate) fn keep_terminal() -> KeptTerminal {
    let terminal = File::open("/dev/tty").and_then(|file| {
        let state = tcgetattr(&file)?;
        Ok((file, state))
    });
    // Without a terminal there is nothing to keep.
    *locked(&TERMINAL) = terminal.ok();
    KeptTerminal
}

/// See [`keep_terminal`].
pub(crate) struct KeptTerminal;

impl Drop for KeptTerminal {
    fn drop(&mut self) {
        *locked(&TERMINAL) = None;
    }
}

/// Waits for the end of the process, which Ctrl-C has begun; returns at once where nobody
/// listens for it.
pub(crate) fn await_exit() {
    while HANDLES_CTRL_C.load(Ordering::Acquire) {
        thread::park();
    }
}

fn leave(report: impl FnOnce()) -> ! {
    REQUESTED.store(true, Ordering::Release);
    let _none = none_held();
    clean_up();
    report();
    process::exit(Exit::Interrupted.code().into());
}

/// Waits until nothing is held; while the guard lives, who wants to hold waits.
fn none_held() -> MutexGuard<'static, usize> {
    RELEASED.wait_while(locked(&HOLDS), |holds| *holds > 0).unwrap_or_else(PoisonError::into_inner)
}

/// Does what can be done, and leaves alone what can't: the process ends either way.
fn clean_up() {
    if let Some((terminal, state)) = &*locked(&TERMINAL) {
        let _ = tcsetattr(terminal, OptionalActions::Now, state);
    }
    for paths in locked(&LEFTOVERS).values() {
        // Another thread may still be writing into a directory while it is removed, or closing it.
        let _ = paths.iter().try_for_each(|path| (0..100).any(|_| remove(path)).then_some(()));
    }
}

/// Whether nothing is there any more.
fn remove(path: &Path) -> bool {
    match archive::remove(path) {
        Ok(()) => true,
        // Of the path itself, or of something in it that went meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        }
        Err(_) => false,
    }
}

/// The signals that this process ignores, bit n-1 for signal n, as Linux tells them. Elsewhere
/// none are known.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_ignored(&status).unwrap_or(0)
}

fn parse_ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_is_still_registered_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let [tree, file, kept] = ["tree", "file", "kept"].map(|name| directory.path().join(name));
        std::fs::create_dir_all(tree.join("sub")).expect("made");
        std::fs::write(tree.join("sub/x"), "x").expect("written");
        std::fs::write(&file, "x").expect("written");
        std::fs::write(&kept, "x").expect("written");
        let never_made = directory.path().join("never-made");
        let guard = remove_on_exit([tree.clone(), never_made, file.clone()]);
        drop(remove_on_exit([kept.clone()]));
        clean_up();
        drop(guard);
        assert!(!tree.exists() && !file.exists() && kept.exists());
    }

    #[test]
    fn what_marks_something_goes_after_it_or_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let marker = directory.path().join("marker");
        std::fs::write(&marker, "").expect("written");
        // Nobody can remove this, not even root.
        let guard = remove_on_exit([PathBuf::from("/proc/self/status"), marker.clone()]);
        clean_up();
        drop(guard);
        assert!(marker.exists());
    }

    #[test]
    fn the_end_waits_for_what_is_held_also_within_another() {
        let (outer, inner) = (hold(), hold());
        let (told, came) = std::sync::mpsc::channel();
        let waits = thread::spawn(move || {
            told.send("it begins").expect("awaited");
            let _none = none_held();
            told.send("it ends").expect("awaited");
        });
        drop(inner);
        assert_eq!(came.recv(), Ok("it begins"));
        // Time enough to end, for one that does not wait.
        let early = came.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "the outer one is still held");
        drop(hold());
        let early = came.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "another one's end is not its own");
        drop(outer);
        assert_eq!(came.recv(), Ok("it ends"));
        waits.join().expect("no panic");
    }

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001003\n";
        let mask = parse_ignored(status).expect("there");
        assert_eq!((mask >> (SIGHUP - 1) & 1, mask >> (SIGINT - 1) & 1), (1, 1));
        assert_eq!(mask >> (SIGTERM - 1) & 1, 0);
        assert_eq!(parse_ignored("Name:\tx\n"), None);
    }
}
