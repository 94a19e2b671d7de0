//! Disks that a crash could leave: what a server wrote, synced, renamed and removed is recorded, and
//! from that states are built in which all that was synced is there and all that was not is
//! missing, there, or torn. A server started on each must have what was acknowledged by then.

mod disk;
mod record;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use keybackup_tests::{PATIENCE, Running, Server};
use rustix::process::Signal;

use super::Outcome;
use super::kill::can_trace;
use crate::load::{Cut, FLAGS, Member, Step, Writer};
use crate::place::{Place, Tally};
use disk::Disk;
use record::Call;

/// What changes a disk, and what makes it last.
const CALLS: &str = "?write,?pwrite64,?pwritev,?writev,?ftruncate,?fallocate,?fsync,?fdatasync,?rename,\
                     ?renameat,?renameat2,?link,?linkat,?unlink,?unlinkat,?openat,?mkdir,?mkdirat";

/// A unit is one recording, and some states at moments of it.
pub(super) fn unit(place: &mut Place) -> Outcome {
    if let Err(why) = can_trace() {
        return Outcome::NotRun(why);
    }
    let data = place.path("data");
    let server = Server::on(&data, &FLAGS);
    let member = Member::register(&server.url, "replay@example.org")
        .unwrap_or_else(|lost| panic!("nobody can register: {}", lost.0));
    let rng = keybackup_tests::rng::Rng::new(place.rng.next());
    let mut writer = Writer::new(server.address(), member, Cut::default(), rng);
    for _ in 0..5 {
        assert!(writer.push_something() == Step::Done, "the server fails");
    }
    let base = Disk::of(&data);
    let first = writer.acknowledged;
    let calls = recorded(place, &server, &mut writer);
    server.terminate();
    assert!(writer.acknowledged - first >= 10, "{} pushes", writer.acknowledged - first);

    let states = place.rounds(10, 50);
    for _ in 0..states {
        state(place, &base, &calls, &mut writer, first);
    }
    Tally { done: states, in_doubt: 0 }.into()
}

/// What the server did while the writer worked.
fn recorded(place: &Place, server: &Server, writer: &mut Writer) -> Vec<Call> {
    let log = place.make("strace");
    let mut strace = Command::new("strace");
    strace.args(["-ff", "-y", "-xx", "-ttt", "-T", "-s", "1100000", "-e"]);
    strace.arg(format!("trace={CALLS}")).arg("-o").arg(log.join("of"));
    let strace = Running::spawn(strace.args(["-p", &server.pid().to_string()]), b"");
    let attached = strace.stderr.wait_for(|said| said.contains("attached").then_some(()));
    assert!(attached.is_some(), "strace: {}", strace.stderr.text());
    writer.dates = Some(Vec::new());
    // Enough for some checkpoints of the write-ahead log.
    for _ in 0..place.rounds(60, 250) {
        assert!(writer.step() == Step::Done, "the server fails");
    }
    strace.signal(Signal::TERM);
    assert!(strace.ends_within(PATIENCE), "strace lets go");
    let calls = record::read(&log, server.data());
    assert!(calls.len() > 100, "{} calls", calls.len());
    calls
}

/// One state at one moment, and a server on it.
fn state(place: &mut Place, base: &Disk, calls: &[Call], writer: &mut Writer, first: u64) {
    let moment = place.rng.below(calls.len());
    let mut disk = base.clone();
    for call in &calls[..moment] {
        disk.apply(call);
    }
    // What ended before the moment is acknowledged before it.
    let now = calls[moment].began;
    let acknowledged = first + writer.dated_before(now);
    let crashed = place.path("crashed");
    let _ = fs::remove_dir_all(&crashed);
    disk.crash(&mut place.rng, &crashed);
    let server = Server::on(&crashed, &FLAGS);
    writer.stands_at(server.address(), acknowledged);
    server.kill();
}

/// By the clock that strace writes, in microseconds.
pub(crate) fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_micros()).expect("not for ages")
}

/// A path below the data directory.
fn inner(path: &Path, data: &Path) -> Option<std::path::PathBuf> {
    path.strip_prefix(data).ok().map(Path::to_owned)
}
