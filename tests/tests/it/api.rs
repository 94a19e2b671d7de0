//! Every endpoint, asked by nobody, by another account, and with sessions that are over: the same
//! answer to each, and nothing told, kept or changed.

use keybackup_tests::cheap;
use keybackup_tests::http::{Request, Response};
use keybackup_tests::{Device, Server, tree};

/// Every authenticated endpoint. `ID` stands for a persona's id.
const ENDPOINTS: [(&str, &str); 14] = [
    ("DELETE", "/session"),
    ("GET", "/keyring"),
    ("HEAD", "/keyring"),
    ("GET", "/personas"),
    ("HEAD", "/personas"),
    ("GET", "/personas/ID"),
    ("HEAD", "/personas/ID"),
    ("GET", "/personas/ID?version=1"),
    ("POST", "/personas/ID"),
    ("DELETE", "/personas/ID"),
    ("GET", "/personas/ID/labels?from=1"),
    ("POST", "/uploads"),
    ("GET", "/devices"),
    ("PUT", "/devices/ID"),
];

fn ask(server: &Server, method: &str, path: &str, id: &str, token: Option<&str>) -> Response {
    let request = Request::new(method, &path.replace("ID", id));
    let request = match token {
        Some(token) => request.bearer(token),
        None => request,
    };
    let request = match (method, path) {
        ("POST", "/uploads") => request
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/offset+octet-stream")
            .header("upload-length", "1")
            .body("x"),
        // A commit whose head is an empty document: refused, once somebody is there to be told.
        ("POST", _) => request.header("if-none-match", "*").body(b"\0\0\0\x02{}".to_vec()),
        _ => request,
    };
    request.send(server.address()).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// Holds rule 33.
#[test]
fn who_has_no_session_is_told_nothing() {
    let server = Server::start();
    let revoked = cheap::register(&server.url, "revoked@example.org");
    let ended = ask(&server, "DELETE", "/session", "", Some(&revoked));
    assert_eq!(ended.status, 200, "{}", String::from_utf8_lossy(&ended.body));
    let expired = cheap::login(&server.url, "revoked@example.org");
    server.sql("UPDATE sessions SET expires_at = 1");
    let idle = cheap::register(&server.url, "idle@example.org");
    server.sql("UPDATE sessions SET last_used_at = 1 WHERE expires_at > 1");
    let device = Device::registered(&server.url, "owner@example.org");
    tree::reference(&device.persona("work"), "Alice");
    let id = device.one(["push"])["id"].as_str().expect("an id").to_owned();
    let rows = || {
        let tables = [
            "accounts", "epochs", "personas", "versions", "blobs", "uploads", "devices", "indexes",
        ];
        tables.map(|table| server.sql(&format!("SELECT COUNT(*) FROM {table}")))
    };
    let before = rows();

    let other_token = format!("kb_{}", "A".repeat(43));
    let mut malformed = revoked.clone();
    malformed.pop();
    let refused = [
        ("nobody", None),
        ("a revoked session", Some(revoked.as_str())),
        ("an expired session", Some(expired.as_str())),
        ("an idle session", Some(idle.as_str())),
        ("an unknown token", Some(other_token.as_str())),
        ("a malformed token", Some(malformed.as_str())),
        ("an empty token", Some("")),
    ];
    for (method, path) in ENDPOINTS {
        let mut answers = Vec::new();
        for (who, token) in refused {
            let response = ask(&server, method, path, &id, token);
            assert_eq!(
                response.status,
                401,
                "{who}: {method} {path}: {}",
                String::from_utf8_lossy(&response.body)
            );
            if method != "HEAD" {
                assert_eq!(response.code(), "unauthenticated", "{who}: {method} {path}");
            }
            for header in ["keybackup-epoch", "keybackup-keyring", "etag"] {
                assert_eq!(response.get(header), None, "{who}: {method} {path}");
            }
            answers.push(response.body);
        }
        assert!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "one answer for all: {method} {path}"
        );
    }
    assert_eq!(rows(), before);
    device.run(["verify"]).expect(0);
}

/// Holds rule 33.
#[test]
fn another_account_sees_nothing_of_mine() {
    let server = Server::start();
    let device = Device::registered(&server.url, "owner@example.org");
    tree::reference(&device.persona("work"), "Alice");
    let id = device.one(["push"])["id"].as_str().expect("an id").to_owned();
    let other = cheap::register(&server.url, "other@example.org");
    let before =
        server.sql("SELECT hex(account_id), hex(id), version, removed, trashed_at FROM personas");

    let listing = ask(&server, "GET", "/personas", &id, Some(&other));
    assert_eq!(listing.status, 200);
    assert_eq!(listing.json()["personas"], serde_json::json!([]));
    let unknown = "0".repeat(32);
    for (method, path) in ENDPOINTS.iter().filter(|(_, path)| path.starts_with("/personas/")) {
        let theirs = ask(&server, method, path, &id, Some(&other));
        let nobodys = ask(&server, method, path, &unknown, Some(&other));
        assert_eq!(theirs.status, nobodys.status, "{method} {path}");
        assert_eq!(theirs.body, nobodys.body, "{method} {path}");
        let expected: &[u16] = match *method {
            "GET" | "HEAD" => &[410],
            // As the old service had it: what is absent is deleted.
            "DELETE" => &[200],
            _ => &[400],
        };
        let said = String::from_utf8_lossy(&theirs.body);
        assert!(expected.contains(&theirs.status), "{method} {path}: {} {said}", theirs.status);
    }
    let devices = ask(&server, "GET", "/devices", &id, Some(&other)).json();
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(1));
    let after =
        server.sql("SELECT hex(account_id), hex(id), version, removed, trashed_at FROM personas");
    assert_eq!(after, before);
    device.run(["verify"]).expect(0);
    // The owner's own DELETE, the old route, moves to the trash, and the client shows it.
    let login = std::fs::read(device.profiles().join("default/login.json")).expect("there");
    let login: serde_json::Value = serde_json::from_slice(&login).expect("JSON");
    let token = login["session"]["token"].as_str().expect("a token");
    for _ in 0..2 {
        assert_eq!(ask(&server, "DELETE", "/personas/ID", &id, Some(token)).status, 200);
    }
    assert_eq!(device.one(["list"])["trashed"], true);
    device.run(["push"]).expect(11);
    assert_eq!(device.one(["push", "--force"])["version"], 2);
    assert_eq!(device.one(["list"])["trashed"], false);
}

#[test]
fn what_anybody_may_ask() {
    let server = Server::start();
    cheap::register(&server.url, "owner@example.org");
    for path in ["/status", "/healthz"] {
        // Without a protocol version, too: that is how a client finds out.
        let mut request = Request::new("GET", path);
        request.headers.clear();
        let response = request.send(server.address()).expect("an answer");
        assert_eq!(response.status, 200, "{path}");
        let head = Request { method: "HEAD".to_owned(), ..request }.send(server.address());
        assert_eq!(head.expect("an answer").body, b"", "{path}");
    }
    assert_eq!(ask(&server, "GET", "/status", "", None).json()["service"], "keybackup");
    for (method, path, status, code) in [
        ("GET", "/", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/personas/..%2f..", 400, "bad_request"),
        ("PUT", "/status", 405, "method_not_allowed"),
        ("GET", "/login/start", 405, "method_not_allowed"),
    ] {
        let response = ask(&server, method, path, "", None);
        assert_eq!((response.status, response.code().as_str()), (status, code), "{method} {path}");
    }
    let mut old = Request::new("GET", "/personas");
    old.headers = vec![("keybackup-protocol".to_owned(), "99".to_owned())];
    let response = old.send(server.address()).expect("an answer");
    assert_eq!((response.status, response.code().as_str()), (400, "protocol_unsupported"));
}

/// Known and unknown addresses: the same status, headers and length, and the same refusal of what
/// does not know the password.
///
/// Holds rule 24.
#[test]
fn a_login_does_not_tell_whether_there_is_an_account() {
    let server = Server::start();
    cheap::register(&server.url, "owner@example.org");
    let post = |path: &str, body: &serde_json::Value| {
        let request = Request::new("POST", path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(body).expect("JSON"));
        request.send(server.address()).expect("an answer")
    };
    let shape = |response: &Response| {
        let same = |(name, _): &&(String, String)| name != "date";
        let headers: Vec<_> = response.headers.iter().filter(same).cloned().collect();
        let answer = response.json();
        let lengths: Vec<_> = ["ke2", "ticket"]
            .iter()
            .map(|name| answer[name].as_str().map(str::len).expect("text"))
            .collect();
        (headers, lengths, response.body.len())
    };
    let attempt = |email: &str| {
        let start = serde_json::to_value(cheap::login_start(email)).expect("JSON");
        let started = post("/login/start", &start);
        assert_eq!(started.status, 200, "{}", String::from_utf8_lossy(&started.body));
        let finish = serde_json::json!({
            "ticket": started.json()["ticket"],
            "ke3": "A".repeat(86),
            "device_id": "0".repeat(32),
        });
        let finished = post("/login/finish", &finish);
        (shape(&started), finished.status, finished.body)
    };
    let (known, unknown) = (attempt("owner@example.org"), attempt("nobody@example.org"));
    assert_eq!(known.1, 401, "{}", String::from_utf8_lossy(&known.2));
    assert_eq!(known, unknown);
}
