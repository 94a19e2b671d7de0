//! Uploads that come in several requests: where they go on, what is refused, what a cut leaves, and
//! what ends them.

use std::sync::Arc;
use std::time::Duration;

use keybackup_protocol::{PersonaId, UploadId};
use rusqlite::Connection;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::harness::{Member, PATIENCE, Reply, Running, head, read_to_end};
use super::personas::{Push, push};
use crate::store::{DATABASE, Store as _};

const PERSONA: PersonaId = PersonaId::from_bytes([0xac; 16]);
const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const MEDIA: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// Begins an upload of so many bytes, with some of them; returns its id.
pub(crate) async fn begin(
    server: &Running,
    member: &Member,
    length: Option<usize>,
    bytes: &[u8],
) -> String {
    let (authorization, digits) = (member.authorization(), length.unwrap_or(1).to_string());
    let length = if length.is_some() { "Upload-Length" } else { "Upload-Defer-Length" };
    let headers =
        [TUS, MEDIA, (length, digits.as_str()), ("Authorization", authorization.as_str())];
    let reply = server.send("POST", "/uploads", &headers, bytes).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let offset = bytes.len().to_string();
    assert_eq!(reply.header("upload-offset"), Some(offset.as_str()));
    let id = reply.header("location").and_then(|path| path.strip_prefix("/uploads/"));
    id.expect("it says where").to_owned()
}

async fn ask(
    server: &Running,
    member: &Member,
    method: &str,
    id: &str,
    more: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let authorization = member.authorization();
    let headers = [&[("Authorization", authorization.as_str())], more].concat();
    server.send(method, &format!("/uploads/{id}"), &headers, body).await
}

/// Goes on.
async fn add(server: &Running, member: &Member, id: &str, offset: usize, bytes: &[u8]) -> Reply {
    let offset = offset.to_string();
    ask(server, member, "PATCH", id, &[TUS, MEDIA, ("Upload-Offset", &offset)], bytes).await
}

/// How far it is, if it is there.
async fn offset(server: &Running, member: &Member, id: &str) -> Option<usize> {
    let reply = ask(server, member, "HEAD", id, &[TUS], b"").await;
    if reply.status == 410 {
        return None;
    }
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    assert!(reply.header("upload-expires").is_some_and(|when| when.ends_with(" GMT")));
    Some(reply.header("upload-offset").expect("it says").parse().expect("a number"))
}

async fn commit(server: &Running, member: &Member, id: &str, bytes: &[u8]) -> Reply {
    let upload: UploadId = id.parse().expect("an id");
    push(server, member, PERSONA, Push { upload: Some(upload), ..Push::first(bytes) }).await
}

/// Commits it, and reads it again.
async fn comes_back(server: &Running, member: &Member, id: &str, bytes: &[u8]) {
    let reply = commit(server, member, id, bytes).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let authorization = member.authorization();
    let headers = [("Authorization", authorization.as_str())];
    let blob = server.ask("GET", &format!("/personas/{PERSONA}"), &headers).await;
    assert!(blob.body == bytes, "{} bytes", blob.body.len());
    assert_eq!(offset(server, member, id).await, None, "used up");
}

/// Sends the head of a request that goes on, and less than it announces.
async fn half(
    server: &Running,
    member: &Member,
    id: &str,
    more: &[(&str, &str)],
    length: usize,
    bytes: &[u8],
) -> TcpStream {
    let authorization = member.authorization();
    let headers = [&[TUS, MEDIA, ("Authorization", authorization.as_str())], more].concat();
    let mut stream = server.connect().await;
    let head = head("PATCH", &format!("/uploads/{id}"), &headers, length);
    stream.write_all(head.as_bytes()).await.expect("writes");
    stream.write_all(bytes).await.expect("writes");
    stream
}

fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn count(server: &Running, table: &str) -> i64 {
    let database = Connection::open(server.dir.path().join("data").join(DATABASE)).expect("opens");
    let count = format!("SELECT COUNT(*) FROM {table}");
    database.query_row(&count, [], |row| row.get(0)).expect("counts")
}

#[tokio::test]
async fn it_comes_in_pieces() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let bytes = noise(300_000);
    let id = begin(&server, &alice, Some(300_000), b"").await;
    let reply = ask(&server, &alice, "HEAD", &id, &[TUS], b"").await;
    assert_eq!(reply.header("upload-length"), Some("300000"));
    assert_eq!(reply.header("tus-resumable"), Some("1.0.0"));
    let mut from = 0;
    for to in [1, 100_000, 100_000, 299_999, 300_000] {
        assert_eq!(offset(&server, &alice, &id).await, Some(from));
        assert_eq!(commit(&server, &alice, &id, &bytes).await.status, 400, "not whole yet");
        let reply = add(&server, &alice, &id, from, &bytes[from..to]).await;
        assert_eq!((reply.status, reply.body.len()), (204, 0), "{}", reply.text());
        assert_eq!(reply.header("upload-offset"), Some(to.to_string().as_str()));
        assert!(reply.header("upload-expires").is_some());
        from = to;
    }
    let reply = add(&server, &alice, &id, from, b"").await;
    assert_eq!((reply.status, reply.header("upload-offset")), (204, Some("300000")));
    comes_back(&server, &alice, &id, &bytes).await;
    assert_eq!((count(&server, "uploads"), count(&server, "blob_parts")), (0, 4));
}

#[tokio::test]
async fn what_does_not_go_on_is_a_table() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let id = begin(&server, &alice, Some(5), b"by").await;
    let at = ("Upload-Offset", "2");
    let right = ("Upload-Checksum", "sha256 zg9sKLWGn/FmcU2l/ghVTHDHMaM1/5cC44sA+BrTSMY=");
    let wrong = ("Upload-Checksum", "sha1 A95sVwv+JL/DKMzXyka3bq2vQzQ=");
    let cases: [(&[_], &[u8], u16, &str); 17] = [
        (&[MEDIA, at], b"tes", 412, "protocol_unsupported"),
        (&[("Tus-Resumable", "1.0.1"), MEDIA, at], b"tes", 412, "protocol_unsupported"),
        (&[TUS, at], b"tes", 415, "bad_request"),
        (&[TUS, ("Content-Type", "application/octet-stream"), at], b"tes", 415, "bad_request"),
        (&[TUS, MEDIA], b"tes", 400, "bad_request"),
        (&[TUS, MEDIA, ("Upload-Offset", "-2")], b"tes", 400, "bad_request"),
        (&[TUS, MEDIA, ("Upload-Offset", "0x2")], b"tes", 400, "bad_request"),
        (&[TUS, MEDIA, ("Upload-Offset", "0")], b"bytes", 409, "offset"),
        (&[TUS, MEDIA, ("Upload-Offset", "1")], b"ytes", 409, "offset"),
        (&[TUS, MEDIA, ("Upload-Offset", "3")], b"es", 409, "offset"),
        (&[TUS, MEDIA, ("Upload-Offset", "5")], b"", 409, "offset"),
        (&[TUS, MEDIA, at], b"test", 413, "too_large"),
        (&[TUS, MEDIA, at, wrong], b"tes", 460, "checksum"),
        (&[TUS, MEDIA, at, ("Upload-Checksum", "md5 AAAA")], b"tes", 400, "bad_request"),
        (&[TUS, MEDIA, at, ("Upload-Length", "6")], b"tes", 400, "bad_request"),
        (&[TUS, MEDIA, at, ("Upload-Length", "five")], b"tes", 400, "bad_request"),
        (&[TUS, MEDIA, at, ("Upload-Length", "5"), right], b"tes", 204, ""),
    ];
    for (headers, body, status, code) in cases {
        let reply = ask(&server, &alice, "PATCH", &id, headers, body).await;
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.text());
        if status != 204 {
            assert_eq!(reply.code(), code, "{headers:?}");
            assert_eq!(offset(&server, &alice, &id).await, Some(2), "{headers:?}");
        }
    }
    comes_back(&server, &alice, &id, b"bytes").await;
}

/// Who can't send a method names it.
#[tokio::test]
async fn a_method_may_be_named() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let id = begin(&server, &alice, Some(5), b"by").await;
    let named = |method| ("X-HTTP-Method-Override", method);
    let headers = [TUS, MEDIA, ("Upload-Offset", "2"), named("PATCH")];
    assert_eq!(ask(&server, &alice, "POST", &id, &headers, b"tes").await.status, 204);
    let reply = ask(&server, &alice, "POST", &id, &[TUS, named("HEAD")], b"").await;
    assert_eq!((reply.status, reply.header("upload-offset")), (200, Some("5")));
    assert_eq!(ask(&server, &alice, "POST", &id, &[TUS, named("DELETE")], b"").await.status, 204);
    assert_eq!(offset(&server, &alice, &id).await, None);
}

/// What came counts, and the next request goes on behind it, after a restart, too.
#[tokio::test]
async fn a_cut_keeps_what_came() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let bytes = noise(40 << 20);
    let id = begin(&server, &alice, Some(bytes.len()), b"").await;
    let (first, second) = (300_001, 36 << 20);
    let at = [("Upload-Offset", "0")];
    drop(half(&server, &alice, &id, &at, bytes.len(), &bytes[..first]).await);
    assert_eq!(offset(&server, &alice, &id).await, Some(first));
    let at = [("Upload-Offset", "300001")];
    let left = bytes.len() - first;
    drop(half(&server, &alice, &id, &at, left, &bytes[first..second]).await);
    let server = server.restart(|_| {}).await;
    assert_eq!(offset(&server, &alice, &id).await, Some(second));
    // One part of the first request; of the second two that were full, and what came last.
    assert_eq!(count(&server, "blob_parts"), 4);
    assert_eq!(add(&server, &alice, &id, second, &bytes[second..]).await.status, 204);
    comes_back(&server, &alice, &id, &bytes).await;
}

/// With a checksum it is all or nothing, and of an upload that nobody has heard of, nothing.
#[tokio::test]
async fn a_cut_leaves_nothing_that_is_of_no_use() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let id = begin(&server, &alice, Some(1_000_000), b"by").await;
    let checked =
        [("Upload-Offset", "2"), ("Upload-Checksum", "sha1 A95sVwv+JL/DKMzXyka3bq2vQzQ=")];
    drop(half(&server, &alice, &id, &checked, 999_998, &noise(700_000)).await);
    assert_eq!(offset(&server, &alice, &id).await, Some(2));
    let authorization = alice.authorization();
    let headers =
        [TUS, MEDIA, ("Upload-Length", "1000000"), ("Authorization", authorization.as_str())];
    let mut stream = server.connect().await;
    let head = head("POST", "/uploads", &headers, 1_000_000);
    stream.write_all(head.as_bytes()).await.expect("writes");
    stream.write_all(&noise(700_000)).await.expect("writes");
    let until = async |uploads| {
        while count(&server, "uploads") != uploads {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until(2)).await.expect("it begins");
    drop(stream);
    tokio::time::timeout(PATIENCE, until(1)).await.expect("it ends");
    assert_eq!(count(&server, "blob_parts"), 1);
}

/// One request adds at a time. Who asks how far it is has lost the other, which ends for it.
#[tokio::test]
async fn of_two_at_once_one_adds() {
    let server = Arc::new(Running::start().await);
    let alice = server.register("alice@example.org", "correct horse").await;
    let bob = server.register("bob@example.org", "battery").await;
    let bytes = noise(200_000);
    let id = begin(&server, &alice, Some(200_000), b"").await;
    let at = [("Upload-Offset", "0")];
    let mut slow = half(&server, &alice, &id, &at, 200_000, &bytes[..100_000]).await;
    let held = async {
        while !server.server.uploading.is_held(id.parse().expect("an id")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.expect("it begins");
    let refused = add(&server, &alice, &id, 0, &bytes).await;
    assert_eq!((refused.status, refused.code().as_str()), (423, "locked"));
    // Not so for others.
    assert_eq!(offset(&server, &bob, &id).await, None);
    assert_eq!(add(&server, &alice, &id, 0, b"").await.status, 423);
    assert_eq!(offset(&server, &alice, &id).await, Some(100_000));
    let ended = read_to_end(&mut slow).await;
    assert!(ended.starts_with("HTTP/1.1 423 "), "{ended}");
    // The same by two that come whole.
    let (one, other) = tokio::join!(
        add(&server, &alice, &id, 100_000, &bytes[100_000..]),
        add(&server, &alice, &id, 100_000, &bytes[100_000..])
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!([[204, 409], [204, 423]].contains(&statuses), "{statuses:?}");
    comes_back(&server, &alice, &id, &bytes).await;
}

#[tokio::test]
async fn a_length_may_come_later() {
    let server = Running::with(|config| config.settings.blob_bytes = 1000).await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let id = begin(&server, &alice, None, b"by").await;
    let reply = ask(&server, &alice, "HEAD", &id, &[TUS], b"").await;
    assert_eq!(reply.header("upload-defer-length"), Some("1"));
    assert_eq!(reply.header("upload-length"), None);
    assert_eq!(add(&server, &alice, &id, 2, b"t").await.status, 204);
    assert_eq!(commit(&server, &alice, &id, b"byt").await.status, 400, "nobody knows");
    let with = async |offset: &str, length: &str, body: &[u8]| {
        let headers = [TUS, MEDIA, ("Upload-Offset", offset), ("Upload-Length", length)];
        ask(&server, &alice, "PATCH", &id, &headers, body).await.status
    };
    assert_eq!(with("3", "2", b"").await, 400, "there is more of it already");
    assert_eq!(with("3", "1001", b"").await, 413);
    assert_eq!(add(&server, &alice, &id, 3, &[7; 998]).await.status, 413);
    assert_eq!(with("3", "5", b"e").await, 204);
    assert_eq!(with("4", "6", b"s").await, 400, "it is said once");
    assert_eq!(with("4", "5", b"s").await, 204);
    comes_back(&server, &alice, &id, b"bytes").await;
}

#[tokio::test]
async fn it_ends_when_told_and_when_its_time_is_over() {
    let server = Running::with(|config| config.settings.upload_ttl_s = 100).await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let told = begin(&server, &alice, Some(5), b"by").await;
    assert_eq!(ask(&server, &alice, "DELETE", &told, &[], b"").await.status, 412);
    let reply = ask(&server, &alice, "DELETE", &told, &[TUS], b"").await;
    assert_eq!((reply.status, reply.header("tus-resumable")), (204, Some("1.0.0")));
    assert_eq!(count(&server, "blob_parts"), 0);
    let over = begin(&server, &alice, Some(5), b"b").await;
    server.pass(60);
    assert_eq!(add(&server, &alice, &over, 1, b"y").await.status, 204, "and it begins anew");
    server.pass(60);
    assert_eq!(offset(&server, &alice, &over).await, Some(2));
    server.pass(40);
    for id in [told, over] {
        assert_eq!(offset(&server, &alice, &id).await, None);
        let reply = add(&server, &alice, &id, 2, b"tes").await;
        assert_eq!((reply.status, reply.code().as_str()), (410, "gone"));
        assert_eq!(ask(&server, &alice, "DELETE", &id, &[TUS], b"").await.status, 410);
        assert_eq!(commit(&server, &alice, &id, b"bytes").await.status, 410);
    }
    server.store.sweep(server.server.now()).await.expect("sweeps");
    assert_eq!((count(&server, "uploads"), count(&server, "blob_parts")), (0, 0));
}
