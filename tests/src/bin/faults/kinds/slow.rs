//! Slow clients: heads and bodies that trickle, answers that nobody takes. They are ended in time,
//! and clients that behave are answered as if they weren't there.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keybackup_tests::Server;

use super::Outcome;
use crate::load::{Cut, Member, PERSONA, Wire, Writer};
use crate::place::{Place, Tally};

/// A server that waits for little, so that a unit is over soon.
const FLAGS: [&str; 10] = [
    "--head-timeout",
    "2s",
    "--body-timeout",
    "2s",
    "--write-timeout",
    "2s",
    "--log-level",
    "error",
    "--starts-per-hour",
    "1000000",
];
/// By when each must be gone: the time limits, the rate that a body must keep, and some more.
const IN_TIME: Duration = Duration::from_secs(40);
/// A shared machine may be busy; beyond this somebody was kept waiting.
const P99_LIMIT: Duration = Duration::from_millis(250);

/// How one is slow.
#[derive(Debug, Clone, Copy)]
enum Way {
    Head,
    Body,
    Read,
}

/// A unit is so many slow clients at once.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let member = Member::register(&server.url, "slow@example.org")
        .unwrap_or_else(|lost| panic!("nobody can register: {}", lost.0));
    let token = member.token.clone();
    let mut writer = Writer::new(server.address(), member, Cut::default(), place.rng.clone());
    writer.push_large();
    let count = place.rounds(30, 100);
    let began = Instant::now();
    let done = AtomicBool::new(false);
    let mut times = Vec::new();
    thread::scope(|scope| {
        let slow: Vec<_> = (0..count)
            .map(|n| {
                let way = [Way::Head, Way::Body, Way::Read][usize::try_from(n % 3).unwrap_or(0)];
                let (address, token) = (server.address(), &token);
                scope.spawn(move || be_slow(address, token, way))
            })
            .collect();
        let good = scope.spawn(|| good(server.address(), &token, &done));
        let ways: Vec<_> = slow.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        times = good.join().expect("good clients are answered");
        for way in ways {
            way.expect("it was ended in time");
        }
    });
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    let last = began.elapsed();
    assert!(p99 <= P99_LIMIT, "good clients waited {p99:?} (p99 of {})", times.len());
    server.terminate();
    let notes = BTreeMap::from([
        ("p99 of GET /status meanwhile".to_owned(), format!("{:.1} ms", p99.as_secs_f64() * 1e3)),
        ("the last one was ended after".to_owned(), format!("{:.1} s", last.as_secs_f64())),
    ]);
    Outcome::Done(Tally { done: count, in_doubt: 0 }, notes)
}

fn be_slow(address: &str, token: &str, way: Way) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    let head = |line: &str, more: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: x\r\nKeybackup-Protocol: 1\r\nAuthorization: Bearer {token}\r\n{more}"
        )
    };
    let first = match way {
        Way::Head => head("GET /personas", ""),
        Way::Body => head("POST /login/start", "Content-Length: 4000\r\n\r\n{"),
        Way::Read => head(&format!("GET /personas/{PERSONA}"), "\r\n"),
    };
    stream.write_all(first.as_bytes()).expect("it takes the beginning");
    let began = Instant::now();
    let mut byte = [0; 1];
    loop {
        assert!(began.elapsed() < IN_TIME, "{way:?}: it is kept for {IN_TIME:?}");
        match way {
            // A byte now and then keeps a time limit for silence from ending it.
            Way::Head | Way::Body => {
                thread::sleep(Duration::from_millis(500));
                if stream.write_all(b"a").is_err() {
                    return;
                }
                match stream.read(&mut byte) {
                    Ok(0) => return,
                    // An answer: 408, and then the end.
                    Ok(_) => {}
                    Err(error) if is_time(&error) => {}
                    Err(_) => return,
                }
            }
            // One byte of a large answer is taken, and nothing more until the server has hung up.
            // An account's answers wait for each other, so that byte may be late.
            Way::Read => {
                stream.set_read_timeout(Some(IN_TIME)).expect("a socket");
                stream.read_exact(&mut byte).expect("an answer");
                thread::sleep(Duration::from_secs(4));
                let mut rest = Vec::new();
                stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
                let ended = stream.read_to_end(&mut rest);
                assert!(
                    rest.len() < 8_000_000,
                    "it got all {} bytes after it took none for long",
                    rest.len()
                );
                assert!(!matches!(&ended, Err(error) if is_time(error)), "it is kept");
                return;
            }
        }
    }
}

fn is_time(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Asks again and again, on a connection of its own each time; how long each took.
fn good(address: &str, token: &str, done: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut wire = Wire::new(address, token, Cut::default());
        let answer = wire.ask("GET /status", &[], b"");
        assert!(answer.is_some_and(|answer| answer.status == 200), "a good client is refused");
        times.push(began.elapsed());
        thread::sleep(Duration::from_millis(5));
    }
    times
}
