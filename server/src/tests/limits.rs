//! Limits of time and number: slow clients, too many of them, and the stop.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{PATIENCE, Running, head, read_to_end};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_slow_head_is_answered_408_and_a_silent_connection_closed() {
    let server = Running::with(|config| config.settings.timeouts.head = SHORT).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /status HTTP/1.1\r\nHost").await.expect("writes");
    assert!(read_to_end(&mut slow).await.starts_with("HTTP/1.1 408 "));
    let mut silent = server.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "");
}

#[tokio::test]
async fn a_trickling_head_gets_no_more_time_than_a_stalled_one() {
    let server = Running::with(|config| config.settings.timeouts.head = SHORT).await;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        let mut pause = tokio::time::interval(SHORT / 10);
        writer.write_all(b"GET /status HTTP/1.1\r\n").await.expect("writes");
        while writer.write_all(b"a: b\r\n").await.is_ok() {
            pause.tick().await;
        }
    });
    let mut answer = Vec::new();
    let read = reader.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("an end");
    assert!(answer.starts_with(b"HTTP/1.1 408 "));
    trickle.abort();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Running::with(|config| config.settings.timeouts.idle = SHORT).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
    let answers = read_to_end(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
}

#[tokio::test]
async fn a_slow_body_is_answered_408() {
    let server = Running::with(|config| config.settings.timeouts.body = SHORT).await;
    let mut stream = server.connect().await;
    let head = head("POST", "/login/start", &[], 100);
    stream.write_all(head.as_bytes()).await.expect("writes");
    stream.write_all(b"{\"email\":").await.expect("writes");
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn beyond_the_limit_connections_are_told_503_and_room_is_found_again() {
    let server = Running::with(|config| config.settings.max_connections = 2).await;
    let mut first = alive(&server).await;
    let second = alive(&server).await;
    for _ in 0..3 {
        let answer = server.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\"code\":\"unavailable\""), "{answer}");
    }
    drop(second);
    // The slot comes back when the server has seen the end; those that wait are served.
    let room = async {
        loop {
            let answer =
                server.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            if answer.starts_with("HTTP/1.1 200 ") {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("room");
    ask_health(&mut first).await;
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_accepts_nothing_more() {
    let mut server = Running::start().await;
    let mut idle = alive(&server).await;
    let mut running = server.connect().await;
    let body = br#"{"email":"nobody"}"#;
    let head = head("POST", "/login/start", &[("Expect", "100-continue")], body.len());
    running.write_all(head.as_bytes()).await.expect("writes");
    // The 100 says that the handler reads, so the request is running.
    let mut line = [0; 25];
    running.read_exact(&mut line).await.expect("reads");
    assert!(line.starts_with(b"HTTP/1.1 100 Continue"));
    server.stop();
    assert_eq!(read_to_end(&mut idle).await, "", "idle connections are closed at once");
    running.write_all(body).await.expect("writes");
    let answer = read_to_end(&mut running).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "the running request is answered: {answer}");
    let ended = tokio::time::timeout(PATIENCE, &mut server.task).await;
    ended.expect("in time").expect("without a panic");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut server = Running::with(|config| config.settings.timeouts.stop = SHORT).await;
    let mut running = server.connect().await;
    let head = head("POST", "/login/start", &[("Expect", "100-continue")], 10);
    running.write_all(head.as_bytes()).await.expect("writes");
    let mut line = [0; 25];
    running.read_exact(&mut line).await.expect("reads");
    server.stop();
    let ended = tokio::time::timeout(PATIENCE, &mut server.task).await;
    ended.expect("in time").expect("without a panic");
}

/// A body larger than a route takes is refused before it is read, and the answer arrives even
/// though the client is still sending.
///
/// Holds rule 2.
#[tokio::test]
async fn a_body_too_large_is_refused_unread() {
    let server = Running::start().await;
    for (path, length) in [("/login/start", 5_000), ("/accounts", 2_000_000)] {
        let reply = server.send("POST", path, &[], &vec![b' '; length]).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "too_large"), "{path}");
    }
}

async fn alive(server: &Running) -> TcpStream {
    let mut stream = server.connect().await;
    ask_health(&mut stream).await;
    stream
}

async fn ask_health(stream: &mut TcpStream) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"status\":\"ok\"}") {
        assert_ne!(stream.read_buf(&mut answer).await.expect("reads"), 0, "closed");
    }
}
