//! System calls that fail: of a server under load and of a client in each of its commands. Never
//! a success that is none, nothing old is lost, and afterwards it works again.

mod of_client;

use keybackup_tests::Server;

use super::Outcome;
use super::kill::can_trace;
use crate::load::{FLAGS, Load};
use crate::place::{Place, Tally};
use crate::sound;
use crate::tracer::Tracer;

/// What fails at a server. What it reads is among it as far as it opens it. `write` is not: with it
/// the runtime wakes its own threads, and strace can't tell that from files. A runtime whose threads can't
/// be woken stops, whatever is on the disk.
const CALLS: [&str; 6] = [
    "pwrite64,pwritev",
    "fsync,fdatasync",
    "rename,renameat,renameat2,linkat,link",
    "openat",
    "ftruncate,fallocate,unlink,unlinkat,mkdir",
    "pread64,read",
];
const ERRORS: [&str; 4] = ["EIO", "ENOSPC", "EMFILE", "EDQUOT"];

/// One in three units fails calls of a client, the others a server's.
pub(super) fn unit(place: &mut Place) -> Outcome {
    if let Err(why) = can_trace() {
        return Outcome::NotRun(why);
    }
    if place.unit % 3 == 1 { of_client::unit(place) } else { of_server(place) }
}

/// Calls and an error, as chance has it. `read` fails in sockets and pipes, too: only with EIO.
fn drawn(place: &mut Place) -> (&'static str, &'static str) {
    let calls = CALLS[place.rng.below(CALLS.len())];
    let error = ERRORS[place.rng.below(ERRORS.len())];
    if calls.contains("read") { (calls, "EIO") } else { (calls, error) }
}

fn of_server(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let mut load = Load::new(&server, 3, &mut place.rng);
    let (mut tally, mut late) = (Tally::default(), 0);
    for _ in 0..place.rounds(3, 12) {
        let (calls, error) = drawn(place);
        // Each thread of it counts its own calls.
        let (first, step) = (1 + place.rng.below(12), 1 + place.rng.below(7));
        let what = format!("error={error}:when={first}+{step}");
        let tracer = Tracer::attach(server.pid(), calls, &what, &place.path("strace.log"));
        load.steps(place.rounds(12, 20));
        tally.done += tracer.detach();
        assert!(
            load.late() == late,
            "a commit turned up in a server that had said it was not made"
        );
        // What an fsync refused is final for a process: another one must be able to go on. A
        // server that lives on may do so by itself.
        if place.rng.below(2) == 0 || !load.settles() {
            server.kill();
            server.restart();
        }
        assert!(load.settles(), "the server can't say what stands");
        late = load.late();
        load.works();
        load.settle();
    }
    sound::end(&server);
    tally.in_doubt = load.in_doubt();
    let what = "commits that failed and stood after the next start, in one unit";
    let notes = (late > 0).then(|| (what.to_owned(), late.to_string()));
    Outcome::Done(tally, notes.into_iter().collect())
}
