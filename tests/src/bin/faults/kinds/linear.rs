//! Histories of some clients that read and commit one persona at once while the server is killed
//! now and then, checked as those of a compare-and-swap register.

mod check;
mod racer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keybackup_tests::Server;

use super::Outcome;
use crate::load::{FLAGS, Member};
use crate::place::{Place, Tally};
use crate::sound;
use check::{Happened, check};
use racer::Racer;

/// A unit is one history.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let member = Member::register(&server.url, "racers@example.org")
        .unwrap_or_else(|lost| panic!("nobody can register: {}", lost.0));
    let clients = 2 + place.rng.below(7);
    let operations = place.rounds(1_000, 2_500);
    let clock = Instant::now();
    let mut racers: Vec<_> = (0..clients)
        .map(|n| Racer::new(n, server.address(), &member, clock, place.rng.next()))
        .collect();
    let made = AtomicU64::new(0);
    let pauses: Vec<_> = (0..3).map(|_| 100 + place.rng.next() % 400).collect();
    thread::scope(|scope| {
        for racer in &mut racers {
            let made = &made;
            scope.spawn(move || {
                while made.load(Ordering::Relaxed) < operations {
                    made.fetch_add(racer.step(), Ordering::Relaxed);
                }
            });
        }
        for pause in pauses {
            thread::sleep(Duration::from_millis(pause));
            if made.load(Ordering::Relaxed) < operations {
                server.kill();
                server.restart();
            }
        }
    });
    // One last look, when all is quiet; a connection may be one to a server that was killed.
    assert!((0..3).any(|_| racers[0].look() == 1), "the server can't say what stands");
    let history: Vec<_> = racers.iter().flat_map(|racer| racer.history.clone()).collect();
    if let Err(wrong) = check(&history) {
        let text = format!("{history:#?}");
        std::fs::write(place.path("history.txt"), text).expect("room for the history");
        panic!("{wrong}");
    }
    sound::end(&server);
    let count = |is: fn(&Happened) -> bool| {
        history.iter().filter(|operation| is(&operation.what)).count() as u64
    };
    let wrote = count(|what| matches!(what, Happened::Wrote { .. }));
    let refused = count(|what| matches!(what, Happened::Refused { .. }));
    assert!(wrote > 0 && refused > 0, "{wrote} writes and {refused} refusals try nothing");
    let in_doubt = count(|what| matches!(what, Happened::Unknown { .. }));
    Tally { done: history.len() as u64, in_doubt }.into()
}
