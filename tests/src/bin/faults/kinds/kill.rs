//! Kills: of the server under load at random moments and at system calls, and of a client at
//! system calls.

mod of_client;

use std::process::Command;
use std::thread;
use std::time::Duration;

use keybackup_tests::Server;

use super::Outcome;
use crate::load::{FLAGS, Load};
use crate::place::{Place, Tally};
use crate::sound;
use crate::tracer::Tracer;

/// Where a server is killed: before it writes, makes durable, renames or removes, and before it
/// answers.
const CALLS: [&str; 3] = [
    "pwrite64,write,fdatasync,fsync,ftruncate",
    "rename,renameat,renameat2,linkat,unlink,unlinkat,openat,mkdir",
    "writev,sendto,recvfrom",
];

/// One in four units kills a client, the others a server, each many times.
pub(super) fn unit(place: &mut Place) -> Outcome {
    if let Err(why) = can_trace() {
        return Outcome::NotRun(why);
    }
    if place.unit % 4 == 1 { of_client::unit(place) } else { of_server(place) }
}

/// Whether strace works here.
pub(super) fn can_trace() -> Result<(), String> {
    match Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("strace does not work here".to_owned()),
    }
}

fn of_server(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let mut load = Load::new(&server, 4, &mut place.rng).with_joiner(&server, None, &mut place.rng);
    let kills = place.rounds(20, 40);
    for round in 0..kills {
        if round % 5 == 4 {
            // At a system call: each thread of it counts its own.
            let calls = CALLS[place.rng.below(CALLS.len())];
            let nth = 1 + place.rng.below(40);
            let what = format!("signal=KILL:when={nth}");
            let tracer = Tracer::attach(server.pid(), calls, &what, &place.path("strace.log"));
            load.run(|| {
                if !tracer.ended_within(Duration::from_millis(400)) {
                    tracer.detach();
                }
                server.kill();
            });
        } else {
            let moment = Duration::from_micros(1_000 + place.rng.next() % 60_000);
            load.run(|| {
                thread::sleep(moment);
                server.kill();
            });
        }
        server.restart();
        load.settle();
    }
    load.works();
    sound::end(&server);
    let in_doubt = load.in_doubt();
    assert!(load.acknowledged() > kills && in_doubt > 0, "nothing was under way");
    Tally { done: kills, in_doubt }.into()
}
