//! Clients that are slow on purpose: they hold little, not for long, and keep nobody waiting.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use keybackup_protocol::PersonaId;
use keybackup_protocol::api::Listing;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{Member, PATIENCE, Running, head};
use super::personas::{Push, push};
use crate::http::answer::{Answer, Content};
use crate::http::peer::Owner;
use crate::http::room::AnswerMemory;

const PERSONA: PersonaId = PersonaId::from_bytes([0xad; 16]);
const HEAD_BYTES: usize = 16 * 1024 * 1024;
const LARGE_BYTES: usize = 8 * 1024 * 1024;

/// A commit that announces the largest head and sends none of it.
async fn announce(server: &Running, member: &Member) -> TcpStream {
    let authorization = member.authorization();
    let headers = [("Authorization", authorization.as_str()), ("If-None-Match", "*")];
    let head = head("POST", &format!("/personas/{PERSONA}"), &headers, HEAD_BYTES + 4);
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.expect("writes");
    let length = u32::try_from(HEAD_BYTES).expect("fits").to_be_bytes();
    stream.write_all(&length).await.expect("writes");
    stream.write_all(b"{").await.expect("writes");
    stream
}

#[tokio::test]
async fn what_is_only_announced_takes_no_memory() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let bob = server.register("bob@example.org", "battery").await;
    let mut announced = Vec::new();
    for _ in 0..8 {
        announced.push(announce(&server, &alice).await);
    }
    // Until all of them are read from: an answer to a later request says so.
    assert_eq!(server.ask("GET", "/healthz", &[]).await.status, 200);
    let bytes = vec![1; 30_000];
    for member in [&bob, &alice] {
        let reply = push(&server, member, PERSONA, Push::first(&bytes)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// One that comes all the time and too slowly, of a length that would allow hours.
#[tokio::test]
async fn a_trickling_upload_is_answered_408() {
    let server =
        Running::with(|config| config.settings.timeouts.body = Duration::from_millis(200)).await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let authorization = alice.authorization();
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Tus-Resumable", "1.0.0"),
        ("Content-Type", "application/offset+octet-stream"),
        ("Upload-Length", "100000000"),
    ];
    let mut stream = server.connect().await;
    let head = head("POST", "/uploads", &headers, 100_000_000);
    stream.write_all(head.as_bytes()).await.expect("writes");
    let (mut reader, mut writer) = stream.into_split();
    let trickle = tokio::spawn(async move {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        while writer.write_all(b"a").await.is_ok() {
            pause.tick().await;
        }
        writer
    });
    let mut answer = Vec::new();
    let read = reader.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("an end");
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    trickle.abort();
}

/// An answer before the body is read: either the body is dropped and the connection goes on, or
/// the answer says that it doesn't.
#[tokio::test]
async fn an_early_answer_says_whether_the_connection_goes_on() {
    let server = Running::start().await;
    for (length, sent, expect, goes_on) in [
        (1000, 1000, "", true),
        (1000, 10, "", false),
        (1000, 0, "Expect: 100-continue\r\n", false),
        (5_000_000, 100_000, "", false),
    ] {
        let mut stream = server.connect().await;
        let head = format!(
            "POST /personas/{PERSONA} HTTP/1.1\r\nHost: x\r\nKeybackup-Protocol: 1\r\n\
             {expect}Content-Length: {length}\r\n\r\n{}",
            "x".repeat(sent)
        );
        stream.write_all(head.as_bytes()).await.expect("writes");
        if goes_on {
            let next = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(next.as_bytes()).await.expect("writes");
        }
        let answer = super::harness::read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let first = answer.split("\r\n\r\n").next().expect("a head");
        assert_eq!(!first.contains("connection: close"), goes_on, "{length} {sent}: {answer}");
        assert_eq!(answer.contains("{\"status\":\"ok\"}"), goes_on, "{length} {sent}: {answer}");
    }
}

/// A persona with a blob that is far larger than what kernels buffer.
async fn with_large_blob(server: &Running, email: &str) -> Member {
    let member = server.register(email, "correct horse").await;
    let bytes = vec![7; LARGE_BYTES];
    let reply = push(server, &member, PERSONA, Push::first(&bytes)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    member
}

/// A download whose answer has begun.
async fn begin_download(server: &Running, member: &Member) -> TcpStream {
    let authorization = member.authorization();
    let headers = [("Authorization", authorization.as_str())];
    let head = head("GET", &format!("/personas/{PERSONA}"), &headers, 0);
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("reads");
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

/// A client that takes something in every write time-out has not stalled, however little that is:
/// less than the kernel wants to have free before it tells a server of room, so that what waits
/// there must be bounded. The time-out is long enough for a machine that stands still for a second.
#[tokio::test]
async fn a_slow_steady_download_comes_whole() {
    const WRITE: Duration = Duration::from_secs(2);
    let server = Running::with(|config| config.settings.timeouts.write = WRITE).await;
    let alice = with_large_blob(&server, "alice@example.org").await;
    let mut stream = begin_download(&server, &alice).await;
    let began = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(40));
    let mut piece = vec![0; 16 * 1024];
    let mut received = 0;
    loop {
        // Slow for long enough; the rest is like any other download.
        if began.elapsed() < 3 * WRITE {
            pause.tick().await;
        }
        match stream.read(&mut piece).await.expect("not cut") {
            0 => break,
            count => received += count,
        }
    }
    assert!(received > LARGE_BYTES, "{received}");
    assert!(began.elapsed() > 3 * WRITE, "too fast to show anything: {:?}", began.elapsed());
}

#[tokio::test]
async fn slow_downloads_leave_room_for_others() {
    let server = Arc::new(Running::start().await);
    let alice = Arc::new(with_large_blob(&server, "alice@example.org").await);
    let bob = with_large_blob(&server, "bob@example.org").await;
    let mut slow = Vec::new();
    for _ in 0..16 {
        slow.push(begin_download(&server, &alice).await);
    }
    let (its_server, its_member) = (Arc::clone(&server), Arc::clone(&alice));
    let one_more =
        tokio::spawn(async move { begin_download(&its_server, &its_member).await.local_addr() });
    let mut others = begin_download(&server, &bob).await;
    let mut answer = Vec::new();
    others.read_to_end(&mut answer).await.expect("reads");
    assert!(answer.len() > LARGE_BYTES, "another account's comes whole");
    assert!(!one_more.is_finished(), "an account has its share");
    slow.clear();
    one_more.await.expect("no panic").expect("room is found again");
}

/// Answers that nobody reads: memory is held for them until they are sent or given up.
#[tokio::test]
async fn a_large_json_answer_is_held_and_given_back() {
    use futures_util::FutureExt as _;

    let pool = AnswerMemory::new(300, 100);
    let owner = |n| Owner::Network(IpAddr::from([192, 0, 2, n]).into());
    let large = |n| {
        let answer = Answer::json_bytes(StatusCode::OK, vec![b' '; 80 * 1024]);
        answer.within(&pool, owner(n)).now_or_never().map(|answer| answer.map(|one| one.body))
    };
    let Some(Ok(Content::Whole(first))) = large(1) else { panic!("there is room") };
    assert!(large(1).is_none(), "not for two");
    assert!(large(2).is_some(), "another's share");
    let (mut rest, mut sent) = (first, Vec::new());
    sent.push(rest.split_to(1024));
    drop(rest);
    assert!(large(1).is_none(), "a piece keeps all");
    sent.clear();
    assert!(large(1).is_some());
    let small = Answer::json_bytes(StatusCode::OK, vec![b' '; 1024]);
    assert!(small.within(&AnswerMemory::new(0, 0), owner(1)).now_or_never().is_some(), "free");
}

/// A listing is read only when there is memory for it, so that any number may wait: what came
/// while it waited is in it.
#[tokio::test]
async fn a_listing_is_not_made_before_there_is_memory_for_it() {
    let server = Arc::new(Running::start().await);
    let alice = server.register("alice@example.org", "correct horse").await;
    let (account, authorization) = (alice.account, alice.authorization());
    for n in 0..60_u8 {
        let first = Push { index_base: u64::from(n) + 1, ..Push::first(b"bytes") };
        let reply = push(&server, &alice, PersonaId::from_bytes([n; 16]), first).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let share = server.server.answers.take(Owner::Account(account), u64::MAX).await;
    let share = share.unwrap_or_else(|_| panic!("a share is free"));
    let its_server = Arc::clone(&server);
    let mut listing = tokio::spawn(async move {
        let headers = [("Authorization", authorization.as_str())];
        its_server.ask("GET", "/personas", &headers).await
    });
    let waits = tokio::time::timeout(Duration::from_millis(300), &mut listing).await;
    assert!(waits.is_err(), "it waits for memory");
    let late = Push { index_base: 61, ..Push::first(b"bytes") };
    assert_eq!(push(&server, &alice, PERSONA, late).await.status, 200);
    drop(share);
    let listing: Listing = listing.await.expect("no panic").json();
    assert_eq!((listing.personas.len(), listing.index.counter), (61, 62));
}
