//! Uploads that come whole, in one request, and are named by a commit.

use std::sync::Arc;
use std::time::Duration;

use keybackup_protocol::api::Uploaded;
use keybackup_protocol::{PersonaId, UploadId};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::harness::{Member, Reply, Running, head, read_to_end};
use super::personas::{Push, push};

const PERSONA: PersonaId = PersonaId::from_bytes([0xac; 16]);
const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const MEDIA: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

async fn create(server: &Running, member: &Member, more: &[(&str, &str)], body: &[u8]) -> Reply {
    let authorization = member.authorization();
    let headers = [&[("Authorization", authorization.as_str())], more].concat();
    server.send("POST", "/uploads", &headers, body).await
}

/// Uploads some bytes.
pub(crate) async fn upload(server: &Running, member: &Member, bytes: &[u8]) -> UploadId {
    let length = bytes.len().to_string();
    let reply = create(server, member, &[TUS, MEDIA, ("Upload-Length", &length)], bytes).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let uploaded: Uploaded = reply.json();
    assert_eq!(reply.header("location"), Some(format!("/uploads/{}", uploaded.upload).as_str()));
    assert_eq!(reply.header("upload-offset"), Some(length.as_str()));
    assert_eq!(reply.header("tus-resumable"), Some("1.0.0"));
    let expires = reply.header("upload-expires").expect("says when");
    assert!(expires.ends_with(" GMT"), "{expires}");
    uploaded.upload
}

#[tokio::test]
async fn an_upload_is_committed_once() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let bytes = vec![9; 300_000];
    let id = upload(&server, &alice, &bytes).await;
    let other = Push { upload: Some(id), blake3: Some([0; 32]), ..Push::first(&bytes) };
    assert_eq!(push(&server, &alice, PERSONA, other).await.status, 400, "another hash");
    let named = Push { upload: Some(id), ..Push::first(&bytes) };
    let reply = push(&server, &alice, PERSONA, named.clone()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let again = Push { base: Some(1), version: 2, index_base: 2, ..named };
    assert_eq!(push(&server, &alice, PERSONA, again).await.status, 410, "used up");
}

#[tokio::test]
async fn an_upload_expires() {
    let server = Running::with(|config| config.settings.upload_ttl_s = 100).await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let id = upload(&server, &alice, b"bytes").await;
    server.pass(101);
    let named = Push { upload: Some(id), ..Push::first(b"bytes") };
    assert_eq!(push(&server, &alice, PERSONA, named).await.status, 410);
}

#[tokio::test]
async fn what_begins_an_upload_is_a_table() {
    let server = Running::with(|config| config.settings.blob_bytes = 1000).await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let length = ("Upload-Length", "5");
    let later = ("Upload-Defer-Length", "1");
    let abcde = ("Upload-Checksum", "sha1 A95sVwv+JL/DKMzXyka3bq2vQzQ=");
    let cases: [(&[_], &[u8], u16, &str); 15] = [
        (&[MEDIA, length], b"bytes", 412, "protocol_unsupported"),
        (&[("Tus-Resumable", "0.2.2"), MEDIA, length], b"bytes", 412, "protocol_unsupported"),
        (&[TUS, MEDIA], b"bytes", 400, "bad_request"),
        (&[TUS, length], b"bytes", 415, "bad_request"),
        (&[TUS, MEDIA, length, later], b"bytes", 400, "bad_request"),
        (&[TUS, MEDIA, ("Upload-Defer-Length", "0")], b"bytes", 400, "bad_request"),
        (&[TUS, MEDIA, ("Upload-Length", "0")], b"", 400, "bad_request"),
        (&[TUS, MEDIA, ("Upload-Length", "1001")], b"bytes", 413, "too_large"),
        (&[TUS, MEDIA, ("Upload-Length", "4")], b"bytes", 413, "too_large"),
        (&[TUS, MEDIA, later], &[7; 1001], 413, "too_large"),
        (
            &[TUS, MEDIA, length, ("Upload-Checksum", "crc32 AAAAAA==")],
            b"bytes",
            400,
            "bad_request",
        ),
        (&[TUS, MEDIA, length, abcde], b"bytes", 460, "checksum"),
        (&[TUS, MEDIA, length, abcde], b"abcde", 201, ""),
        (&[TUS, length], b"", 201, ""),
        (&[TUS, MEDIA, later], b"bytes", 201, ""),
    ];
    for (headers, body, status, code) in cases {
        let reply = create(&server, &alice, headers, body).await;
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.text());
        assert_eq!(reply.header("tus-resumable"), Some("1.0.0"), "{headers:?}");
        if status == 201 {
            let offset = body.len().to_string();
            assert_eq!(reply.header("upload-offset"), Some(offset.as_str()), "{headers:?}");
        } else {
            assert_eq!(reply.code(), code, "{headers:?}");
        }
    }
    let reply = create(&server, &alice, &[MEDIA, length], b"bytes").await;
    assert_eq!(reply.header("tus-version"), Some("1.0.0"));
    let reply = server.ask("OPTIONS", "/uploads", &[]).await;
    for (name, value) in [
        ("tus-resumable", "1.0.0"),
        ("tus-version", "1.0.0"),
        ("tus-max-size", "1000"),
        ("tus-checksum-algorithm", "sha1,sha256"),
        (
            "tus-extension",
            "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination",
        ),
    ] {
        assert_eq!(reply.header(name), Some(value));
    }
}

/// An upload of which a few bytes are sent, each alone.
async fn begin(server: &Running, member: &Member) -> TcpStream {
    let authorization = member.authorization();
    let length = ("Upload-Length", "1000000");
    let headers = [TUS, MEDIA, length, ("Authorization", authorization.as_str())];
    let mut stream = server.connect().await;
    let head = head("POST", "/uploads", &headers, 1_000_000);
    stream.write_all(head.as_bytes()).await.expect("writes");
    stream.write_all(b"a").await.expect("writes");
    stream
}

/// What uploads hold in memory is shared out: one account's slow ones keep only its own waiting.
#[tokio::test]
async fn slow_uploads_leave_room_for_others() {
    let server = Arc::new(Running::start().await);
    let alice = Arc::new(server.register("alice@example.org", "correct horse").await);
    let bob = server.register("bob@example.org", "battery").await;
    let mut slow = Vec::new();
    for _ in 0..64 {
        slow.push(begin(&server, &alice).await);
    }
    // Until all of them have taken their memory: a later request's answer says so.
    assert_eq!(server.ask("GET", "/healthz", &[]).await.status, 200);
    let (its_server, its_member) = (Arc::clone(&server), Arc::clone(&alice));
    let bytes = vec![9; 600_000];
    let its_bytes = bytes.clone();
    let mut one_more =
        tokio::spawn(async move { upload(&its_server, &its_member, &its_bytes).await });
    upload(&server, &bob, &bytes).await;
    let waits = tokio::time::timeout(Duration::from_millis(500), &mut one_more).await;
    assert!(waits.is_err(), "an account has its share");
    slow.clear();
    one_more.await.expect("room is found again");
}

/// The server holds a few buffers of an upload, not all of it: 128 MiB go through in far less
/// memory than that, for server, client and the other tests together.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_large_upload_streams() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 2048;
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let (length, authorization) = ((CHUNK * CHUNKS).to_string(), alice.authorization());
    let length_header = ("Upload-Length", length.as_str());
    let headers = [TUS, MEDIA, length_header, ("Authorization", authorization.as_str())];
    let head = head("POST", "/uploads", &headers, CHUNK * CHUNKS);
    let chunk = vec![5; CHUNK];
    let before = resident_bytes();
    let mut most = before;
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.expect("writes");
    for _ in 0..CHUNKS {
        stream.write_all(&chunk).await.expect("writes");
        most = most.max(resident_bytes());
    }
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(most - before < 64 * 1024 * 1024, "{} MiB more", (most - before) >> 20);
}

/// proc(5), `statm`: the second number is resident pages.
#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("reads");
    let pages: u64 = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
    pages * rustix::param::page_size() as u64
}
