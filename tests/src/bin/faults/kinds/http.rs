//! Malformed requests over a bare socket: refused with a status that is allowed, the connection
//! closed, nothing behind them read as another request; and afterwards the server answers.

mod requests;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use keybackup_tests::{Request, Server};

use super::Outcome;
use crate::place::{Place, Tally};
use requests::{Malformed, malformed};

/// A server that waits shortly, so that what never ends is answered in time.
const FLAGS: [&str; 8] = [
    "--head-timeout",
    "1s",
    "--body-timeout",
    "1s",
    "--idle-timeout",
    "2s",
    "--log-level",
    "error",
];

/// A unit is the whole table, once.
pub(super) fn unit(_: &mut Place) -> Outcome {
    let server = Server::with(&FLAGS);
    let all = malformed();
    assert!(all.len() >= 60, "{} requests", all.len());
    for request in &all {
        send(server.address(), request);
    }
    let status = Request::new("GET", "/status").send(server.address()).expect("it answers");
    assert_eq!(status.status, 200);
    server.terminate();
    Tally { done: all.len() as u64, in_doubt: 0 }.into()
}

fn send(address: &str, request: &Malformed) {
    let what = String::from_utf8_lossy(&request.bytes[..request.bytes.len().min(120)]).into_owned();
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    // It may refuse and close before it has all.
    let _ = stream.write_all(&request.bytes);
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let closed = match &ended {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    assert!(closed, "{what:?}: the connection is kept");
    let answer = String::from_utf8_lossy(&answer);
    let statuses: Vec<u16> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok())
        .collect();
    match statuses[..] {
        // A close without an answer is a refusal, too, where that is allowed.
        [] => assert!(request.allowed.contains(&0), "{what:?}: no answer"),
        [status] => {
            assert!(request.allowed.contains(&status), "{what:?}: {status}: {answer}");
        }
        _ => panic!("{what:?}: more than one answer: {answer}"),
    }
}
