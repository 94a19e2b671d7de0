//! Malformed requests over a bare socket: refused with the right status, and the connection
//! closed, so that nothing behind them is read as another request.

use super::harness::Running;
use crate::http::head::tests::MALFORMED;

#[tokio::test]
async fn every_malformed_head_is_answered_and_the_connection_closed() {
    let server = Running::start().await;
    for (head, error) in MALFORMED {
        // A smuggled request behind it must not be answered.
        let bytes = format!("{head}GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = server.raw(bytes.as_bytes()).await;
        let status = format!("HTTP/1.1 {} ", error.status().as_u16());
        assert!(answer.starts_with(&status), "{head:?}: {answer}");
        assert_eq!(answer.matches("content-length").count(), 1, "{head:?}: {answer}");
        assert!(answer.contains("connection: close"), "{head:?}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{head:?}: {answer}");
        assert!(answer.contains("\"code\":\"bad_request\""), "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_answered_too() {
    let server = Running::start().await;
    let answer = server.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "a TLS hello: {answer}");
    let answer = server.raw(&b"A".repeat(20_000)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

/// The body of one request is not the head of the next.
#[tokio::test]
async fn requests_on_one_connection_are_kept_apart() {
    let server = Running::start().await;
    let inner = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let both = format!(
        "GET /status HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{inner}\
         \r\nGET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        inner.len()
    );
    let answer = server.raw(both.as_bytes()).await;
    assert!(!answer.contains("\"status\":\"ok\""), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let two = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\
               GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = server.raw(two.as_bytes()).await;
    assert_eq!(answer.matches("{\"status\":\"ok\"}").count(), 2, "{answer}");
}

/// An answer that is under way is sent whole before a refusal behind it ends the connection.
#[tokio::test]
async fn a_refusal_does_not_cut_into_the_answer_before_it() {
    let server = Running::start().await;
    let bytes = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let mut stream = server.connect().await;
    let (first, second) = bytes.split_at(36);
    exchange(&mut stream, first, "{\"status\":\"ok\"}").await;
    exchange(&mut stream, second, "exactly one Host").await;
}

async fn exchange(stream: &mut tokio::net::TcpStream, send: &str, expect: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(send.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(expect) {
        assert_ne!(stream.read_buf(&mut answer).await.expect("reads"), 0, "{expect}");
    }
}
