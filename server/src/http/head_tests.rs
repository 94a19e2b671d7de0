//! A table of heads: which are taken, and which refusal answers the others.

use super::*;

fn verdict(head: &[u8]) -> Result<u64, HeadError> {
    let mut scanned = 0;
    match find_end(head, &mut scanned)? {
        Some(end) => check(&head[..end]),
        None => panic!("the head has no end: {:?}", String::from_utf8_lossy(head)),
    }
}

#[test]
fn plain_heads_are_taken() {
    for (head, body) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0),
        ("GET /status HTTP/1.0\r\nhost: 127.0.0.1:7117\r\n\r\n", 0),
        ("GET /a?b=c&d=../e HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0),
        ("GET /personas/ HTTP/1.1\r\nHost: x\r\n\r\n", 0),
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n", 12),
        ("POST /a%20b HTTP/1.1\r\nHost: x\r\nX:\r\nContent-Length:  7 \r\n\r\n", 7),
        ("GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n", 0),
    ] {
        assert_eq!(verdict(head.as_bytes()), Ok(body), "{head:?}");
    }
}

#[test]
fn malformed_heads_are_refused() {
    use HeadError as E;
    for (head, error) in MALFORMED {
        assert_eq!(verdict(head.as_bytes()), Err(*error), "{head:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(MAX_HEAD_BYTES));
    assert_eq!(verdict(long.as_bytes()), Err(E::TooLarge));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(64));
    assert_eq!(verdict(many.as_bytes()), Err(E::TooLarge));
}

/// Every byte of a head comes alone: the verdict is the same, and no earlier than it must be.
#[test]
fn a_head_in_pieces_is_a_head() {
    let head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut scanned = 0;
    for end in 1..head.len() {
        assert_eq!(find_end(&head[..end], &mut scanned), Ok(None));
    }
    assert_eq!(find_end(head, &mut scanned), Ok(Some(head.len())));
    let mut scanned = 0;
    assert_eq!(find_end(&[b'A'; MAX_HEAD_BYTES], &mut scanned), Err(HeadError::TooLarge));
}

/// Shared with the test that sends them over a socket.
pub(crate) const MALFORMED: &[(&str, HeadError)] = &[
    // Line ends.
    ("GET / HTTP/1.1\nHost: x\n\n", HeadError::Line),
    ("GET / HTTP/1.1\r\nHost: x\n\r\n", HeadError::Line),
    ("GET / HTTP/1.1\r\nHost: x\r\n\n", HeadError::Line),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", HeadError::Line),
    ("GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", HeadError::Line),
    ("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Line),
    ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Line),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", HeadError::Line),
    // Request lines.
    ("GET /\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET /  HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", HeadError::RequestLine),
    (" GET / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GE(T / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET / http/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET / HTTPS/1.1\r\nHost: x\r\n\r\n", HeadError::RequestLine),
    ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", HeadError::Version),
    ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", HeadError::Version),
    ("GET / HTTP/1.1.1\r\nHost: x\r\n\r\n", HeadError::Version),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeadError::Version),
    // Methods.
    ("get / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Method),
    ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Method),
    ("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Method),
    ("PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Method),
    ("GETT / HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Method),
    // Targets.
    ("GET http://x/status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Form),
    ("GET status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Form),
    ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Form),
    ("GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Form),
    ("GET ?a HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Form),
    ("GET /../status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /a/../../status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /./status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /status/.. HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET //status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /a//b HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /%2e%2e/status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /.%2E/status HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /personas%2fx HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /personas%5Cx HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /personas%00 HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /personas%0d%0a HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /%252e HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /% HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /%2 HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /%+1 HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /é HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /\u{7f} HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    ("GET /<script> HTTP/1.1\r\nHost: x\r\n\r\n", HeadError::Target),
    // Header lines.
    ("GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c: d\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc: d\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\nA(b: c\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\nÄ: c\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\u{1}\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\u{c}\r\n\r\n", HeadError::Header),
    ("GET / HTTP/1.1\r\nHost: \u{c}x\r\n\r\n", HeadError::Header),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\u{c}\r\n\r\n", HeadError::Header),
    // Host.
    ("GET / HTTP/1.1\r\n\r\n", HeadError::Host),
    ("GET / HTTP/1.1\r\nA: b\r\n\r\n", HeadError::Host),
    ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", HeadError::Host),
    ("GET / HTTP/1.1\r\nHost: x\r\nHOST: y\r\n\r\n", HeadError::Host),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", HeadError::Host),
    ("GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", HeadError::Host),
    ("GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", HeadError::Host),
    ("GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", HeadError::Host),
    // Lengths.
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 1\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", E_LENGTH),
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999999999\r\n\r\n", E_LENGTH),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HeadError::BothLengths,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n",
        HeadError::BothLengths,
    ),
    ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::LengthRequired),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
        HeadError::LengthRequired,
    ),
    ("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::LengthRequired),
];

const E_LENGTH: HeadError = HeadError::ContentLength;
