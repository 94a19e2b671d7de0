//! The table: what is sent, and with which statuses it may be refused. 0 is a close without an
//! answer.

/// A request that no server should take.
pub(super) struct Malformed {
    pub(super) bytes: Vec<u8>,
    pub(super) allowed: &'static [u16],
}

const BAD: &[u16] = &[400];
const UNKNOWN: &[u16] = &[400, 501];
const VERSION: &[u16] = &[400, 505];
const LARGE: &[u16] = &[400, 431];
const LATE: &[u16] = &[408];
const NEITHER: &[u16] = &[400, 404];

/// Whole heads, each with what is wrong with it.
const HEADS: &[(&str, &[u16])] = &[
    // Line ends and control characters.
    ("GET /status HTTP/1.1\nHost: x\n\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\rHost: x\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", BAD),
    ("GET /sta\0tus HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA: b\x7f\r\n\r\n", BAD),
    // Request lines.
    ("GET  /status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /status  HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    (" GET /status HTTP/1.1\r\nHost: x\r\n\r\n", UNKNOWN),
    ("GET\t/status\tHTTP/1.1\r\nHost: x\r\n\r\n", UNKNOWN),
    ("GET /status\r\nHost: x\r\n\r\n", VERSION),
    ("GET HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /status HTTP/1.1 x\r\nHost: x\r\n\r\n", VERSION),
    ("/status HTTP/1.1\r\nHost: x\r\n\r\n", UNKNOWN),
    ("\r\n\r\n\r\n\r\n", BAD),
    ("G\u{e9}T /status HTTP/1.1\r\nHost: x\r\n\r\n", UNKNOWN),
    ("get /status HTTP/1.1\r\nHost: x\r\n\r\n", UNKNOWN),
    ("BREW /status HTTP/1.1\r\nHost: x\r\n\r\n", UNKNOWN),
    ("TRACE /status HTTP/1.1\r\nHost: x\r\n\r\n", &[400, 405, 501]),
    ("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", &[400, 405, 501]),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION),
    // Versions.
    // Answered, and closed: what is behind it is not.
    ("GET /status HTTP/1.0\r\nHost: x\r\n\r\n", &[200, 400, 505]),
    ("GET /status HTTP/0.9\r\nHost: x\r\n\r\n", VERSION),
    ("GET /status HTTP/2.0\r\nHost: x\r\n\r\n", VERSION),
    ("GET /status HTTP/1.2\r\nHost: x\r\n\r\n", VERSION),
    ("GET /status http/1.1\r\nHost: x\r\n\r\n", VERSION),
    ("GET /status HTTP/11\r\nHost: x\r\n\r\n", VERSION),
    ("GET /status HTTPS/1.1\r\nHost: x\r\n\r\n", VERSION),
    // Hosts.
    ("GET /status HTTP/1.1\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", BAD),
    // Header lines.
    ("GET /status HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\n Host: x\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA(b: c\r\n\r\n", BAD),
    ("GET /status HTTP/1.1\r\nHost: x\r\nA\u{e9}: c\r\n\r\n", BAD),
    // Lengths.
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", BAD),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", BAD),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", BAD),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", BAD),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na", BAD),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na", BAD),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\na", BAD),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: 1 1\r\n\r\na", BAD),
    (
        "POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\na",
        &[400, 413],
    ),
    // Transfer codings: what smuggles requests.
    (
        "POST /personas HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD,
    ),
    (
        "POST /personas HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400, 411, 501],
    ),
    (
        "POST /personas HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        &[400, 411, 501],
    ),
    (
        "POST /personas HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        &[400, 411, 501],
    ),
    ("POST /personas HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", BAD),
    (
        "POST /personas HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        &[400, 411, 501],
    ),
    (
        "GET /status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400, 411, 501],
    ),
    // Targets.
    ("GET http://x/status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /../status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /./status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET //status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /a/../../status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /%2e%2e/status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /%2fstatus HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /%5cstatus HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /%00status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /%252e/status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NEITHER),
    ("GET /status#a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NEITHER),
    ("GET /st\u{e4}tus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NEITHER),
    ("GET \\status HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
];

/// The whole table.
pub(super) fn malformed() -> Vec<Malformed> {
    // A smuggled request behind a head must not be answered.
    let behind = "GET /status HTTP/1.1\r\nHost: x\r\n\r\n";
    let heads = HEADS.iter().map(|(head, allowed)| {
        let behind = if head.contains("Connection: close") { "" } else { behind };
        Malformed { bytes: format!("{head}{behind}").into_bytes(), allowed }
    });
    heads.chain(others()).collect()
}

/// What is too large, what never ends, and what is no HTTP.
fn others() -> Vec<Malformed> {
    let long = "a".repeat(20_000);
    let many = "A: b\r\n".repeat(100);
    let one = |bytes: String, allowed| Malformed { bytes: bytes.into_bytes(), allowed };
    vec![
        one(format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), LARGE),
        one(format!("{long} /status HTTP/1.1\r\nHost: x\r\n\r\n"), &[400, 431, 501]),
        one(format!("GET /status HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"), LARGE),
        one(format!("GET /status HTTP/1.1\r\nHost: x\r\n{long}: b\r\n\r\n"), LARGE),
        one(format!("GET /status HTTP/1.1\r\nHost: x\r\n{many}\r\n"), LARGE),
        one(long, LARGE),
        one("GET /status HTTP/1.1\r\nHost: x\r\n".to_owned(), LATE),
        one("GET /sta".to_owned(), LATE),
        one(String::new(), &[0, 408]),
        one("POST /login/start HTTP/1.1\r\nHost: x\r\nKeybackup-Protocol: 1\r\nContent-Length: 90\r\n\r\n{".to_owned(), LATE),
        Malformed { bytes: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n\r\n".to_vec(), allowed: UNKNOWN },
        Malformed { bytes: b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(), allowed: UNKNOWN },
        Malformed { bytes: b"\x05\x01\x00\r\n\r\n".to_vec(), allowed: UNKNOWN },
        Malformed { bytes: b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), allowed: BAD },
        Malformed { bytes: b"GET /status HTTP/1.1\r\nHost: x\r\n\xff: a\r\n\r\n".to_vec(), allowed: BAD },
        Malformed { bytes: vec![0; 4_096], allowed: &[400, 408, 501] },
    ]
}
