//! Commits, the listing, blobs and their ranges, labels, the trash, devices.

use keybackup_protocol::api::{
    CommitBlob, CommitHead, CommitIndex, Committed, DeviceRecord, Devices, Done, Labels, Listing,
};
use keybackup_protocol::{B64, PersonaId, UploadId, put_lp};
use tokio::io::AsyncWriteExt as _;

use super::harness::{Member, Reply, Running, device, head};
use crate::store::ROW_BYTES;

const PERSONA: PersonaId = PersonaId::from_bytes([0xab; 16]);

/// A commit to make.
#[derive(Clone)]
pub(crate) struct Push<'a> {
    pub(crate) base: Option<u64>,
    pub(crate) version: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) upload: Option<UploadId>,
    pub(crate) index_base: u64,
    pub(crate) keyring_version: u64,
    pub(crate) blake3: Option<[u8; 32]>,
}

impl<'a> Push<'a> {
    /// The first of a new account.
    pub(crate) const fn first(bytes: &'a [u8]) -> Self {
        Self {
            base: None,
            version: 1,
            bytes,
            upload: None,
            index_base: 1,
            keyring_version: 1,
            blake3: None,
        }
    }

    fn head(&self, member: &Member) -> CommitHead {
        CommitHead {
            epoch: member.epoch,
            keyring_version: self.keyring_version,
            version: self.version,
            label: vec![self.version.to_le_bytes()[0]; 1024].into(),
            blob: Some(CommitBlob {
                bytes: self.bytes.len() as u64,
                blake3: self
                    .blake3
                    .unwrap_or_else(|| blake3::hash(self.bytes).into())
                    .to_vec()
                    .into(),
                upload: self.upload,
            }),
            content_version: Some(self.version),
            removed: false,
            index: Some(CommitIndex {
                base: self.index_base,
                counter: self.index_base + 1,
                sealed: vec![6; 4096].into(),
            }),
        }
    }

    pub(super) fn body(&self, member: &Member) -> Vec<u8> {
        let mut body = body_of(&self.head(member));
        if self.upload.is_none() {
            body.extend_from_slice(self.bytes);
        }
        body
    }
}

fn body_of(head: &CommitHead) -> Vec<u8> {
    let mut body = Vec::new();
    put_lp(&mut body, &serde_json::to_vec(head).expect("serialises"));
    body
}

/// Makes a commit.
pub(crate) async fn push(
    server: &Running,
    member: &Member,
    persona: PersonaId,
    push: Push<'_>,
) -> Reply {
    let base = push.base.map(|version| format!("\"{version}\""));
    let precondition = match &base {
        Some(tag) => ("If-Match", tag.as_str()),
        None => ("If-None-Match", "*"),
    };
    post(server, member, persona, precondition, &push.body(member)).await
}

async fn post(
    server: &Running,
    member: &Member,
    persona: PersonaId,
    precondition: (&str, &str),
    body: &[u8],
) -> Reply {
    let authorization = member.authorization();
    let headers = [("Authorization", authorization.as_str()), precondition];
    server.send("POST", &format!("/personas/{persona}"), &headers, body).await
}

async fn get(server: &Running, member: &Member, path: &str, more: &[(&str, &str)]) -> Reply {
    let authorization = member.authorization();
    let headers = [&[("Authorization", authorization.as_str())], more].concat();
    server.ask("GET", path, &headers).await
}

#[tokio::test]
async fn what_is_pushed_comes_back() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let sizes = [1, ROW_BYTES, ROW_BYTES + 1, 3 * 1024 * 1024 + 7];
    for (at, size) in (0_u8..).zip(sizes) {
        let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).expect("fits")).collect();
        let persona = PersonaId::from_bytes([at; 16]);
        let commit = Push { index_base: u64::from(at) + 1, ..Push::first(&bytes) };
        let reply = push(&server, &alice, persona, commit).await;
        assert_eq!(reply.status, 200, "{size}: {}", reply.text());
        assert_eq!(reply.header("etag"), Some("\"1\""));
        assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
        assert_eq!(reply.json::<Committed>().version, 1);
        let path = format!("/personas/{persona}");
        let reply = get(&server, &alice, &path, &[]).await;
        assert_eq!(reply.status, 200, "{size}");
        assert!(reply.body == bytes, "{size}");
        assert_eq!(reply.header("content-length"), Some(size.to_string().as_str()));
        assert_eq!(reply.header("keybackup-version"), Some("1"));
        let reply = get(&server, &alice, &path, &[("Range", "bytes=0-0")]).await;
        assert_eq!((reply.status, reply.body.as_slice()), (206, &bytes[..1]));
        let last = [("Range", "bytes=-3")];
        let reply = get(&server, &alice, &path, &last).await;
        assert_eq!(reply.body, &bytes[size.saturating_sub(3)..], "{size}");
        let spans = format!("bytes {}-{}/{size}", size.saturating_sub(3), size - 1);
        assert_eq!(reply.header("content-range"), Some(spans.as_str()));
    }
}

#[tokio::test]
async fn a_blob_has_a_tag_and_ranges_heed_it() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    push(&server, &alice, PERSONA, Push::first(b"0123456789")).await;
    let path = format!("/personas/{PERSONA}");
    let tag = get(&server, &alice, &path, &[]).await.header("etag").expect("a tag").to_owned();
    let reply = get(&server, &alice, &path, &[("If-None-Match", &tag)]).await;
    assert_eq!((reply.status, reply.body.len()), (304, 0));
    assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
    for (if_range, status) in [(tag.as_str(), 206), ("\"other\"", 200)] {
        let headers = [("Range", "bytes=2-4"), ("If-Range", if_range)];
        assert_eq!(get(&server, &alice, &path, &headers).await.status, status, "{if_range}");
    }
    let reply = get(&server, &alice, &path, &[("Range", "bytes=10-")]).await;
    assert_eq!((reply.status, reply.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(reply.code(), "range_not_satisfiable");
    let authorization = alice.authorization();
    // Only GET has ranges.
    let headers = [("Authorization", authorization.as_str()), ("Range", "bytes=2-4")];
    let reply = server.ask("HEAD", &path, &headers).await;
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("10")));
    assert!(reply.body.is_empty());
    for (query, status) in
        [("?version=1", 200), ("?version=2", 410), ("?version=x", 400), ("?verson=1", 400)]
    {
        let reply = get(&server, &alice, &format!("{path}{query}"), &[]).await;
        assert_eq!(reply.status, status, "{query}");
    }
}

#[tokio::test]
async fn the_listing_has_a_tag_that_changes_with_it() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let reply = get(&server, &alice, "/personas", &[]).await;
    assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
    let empty: Listing = reply.json();
    assert_eq!((empty.personas.len(), empty.index.counter), (0, 1));
    let tag = reply.header("etag").expect("a tag").to_owned();
    let known = [("If-None-Match", tag.as_str())];
    assert_eq!(get(&server, &alice, "/personas", &known).await.status, 304);
    push(&server, &alice, PERSONA, Push::first(b"bytes")).await;
    let reply = get(&server, &alice, "/personas", &known).await;
    assert_eq!(reply.status, 200);
    let listing: Listing = reply.json();
    assert_eq!((listing.personas[0].version, listing.index.counter), (1, 2));
}

/// Holds rule 15.
#[tokio::test]
async fn preconditions_are_required_and_heeded() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let first = Push::first(b"bytes");
    let body = first.body(&alice);
    let authorization = alice.authorization();
    let path = format!("/personas/{PERSONA}");
    let bare = [("Authorization", authorization.as_str())];
    let both = [bare[0], ("If-Match", "\"1\""), ("If-None-Match", "*")];
    let reply = server.send("POST", &path, &bare, &body).await;
    assert_eq!((reply.status, reply.code().as_str()), (428, "precondition_required"));
    assert_eq!(server.send("POST", &path, &both, &body).await.status, 400);
    assert_eq!(push(&server, &alice, PERSONA, first.clone()).await.status, 200);
    let again = Push { index_base: 2, ..first.clone() };
    let reply = push(&server, &alice, PERSONA, again).await;
    assert_eq!((reply.status, reply.code().as_str()), (412, "conflict"), "it exists");
    let next = Push { base: Some(1), version: 2, index_base: 2, ..first.clone() };
    let lost_index = Push { index_base: 1, ..next.clone() };
    assert_eq!(push(&server, &alice, PERSONA, lost_index).await.status, 412, "the index moved");
    let stale = Push { keyring_version: 2, ..next.clone() };
    let reply = push(&server, &alice, PERSONA, stale).await;
    assert_eq!((reply.status, reply.code().as_str()), (409, "stale"));
    assert_eq!(push(&server, &alice, PERSONA, next.clone()).await.status, 200);
    assert_eq!(push(&server, &alice, PERSONA, next).await.status, 412, "the version moved");
}

#[tokio::test]
async fn a_commit_whose_body_contradicts_itself_is_refused_and_keeps_nothing() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let large = vec![7; ROW_BYTES + 1];
    for bytes in [&b"bytes"[..], &large] {
        let first = Push::first(bytes);
        let wrong_hash = Push { blake3: Some([0; 32]), ..first.clone() };
        let whole = first.body(&alice);
        let longer = [&whole[..], b"x"].concat();
        for body in [&wrong_hash.body(&alice)[..], &whole[..whole.len() - 1], &longer, b"", b"\0"] {
            let reply = post(&server, &alice, PERSONA, ("If-None-Match", "*"), body).await;
            assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"));
        }
    }
    let too_large = [&17_000_000_u32.to_be_bytes()[..], b"{}"].concat();
    let reply = post(&server, &alice, PERSONA, ("If-None-Match", "*"), &too_large).await;
    assert_eq!(reply.status, 413, "a head");
    let mut head = Push::first(b"").head(&alice);
    head.blob = Some(CommitBlob { bytes: 9_000_000, blake3: B64(vec![0; 32]), upload: None });
    let reply = post(&server, &alice, PERSONA, ("If-None-Match", "*"), &body_of(&head)).await;
    assert_eq!(reply.status, 413, "more than travels in a commit");
    assert!(get(&server, &alice, "/personas", &[]).await.json::<Listing>().personas.is_empty());
    assert_eq!(parts(&server), 0, "no part is left");
}

/// A client that goes away in the middle leaves nothing behind.
#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let large = vec![7; 1024 * 1024];
    let body = Push::first(&large).body(&alice);
    let authorization = alice.authorization();
    let headers = [("Authorization", authorization.as_str()), ("If-None-Match", "*")];
    let head = head("POST", &format!("/personas/{PERSONA}"), &headers, body.len());
    let mut stream = server.connect().await;
    stream.write_all(head.as_bytes()).await.expect("writes");
    stream.write_all(&body[..body.len() / 2]).await.expect("writes");
    stream.shutdown().await.expect("half-closes");
    super::harness::read_to_end(&mut stream).await;
    assert!(get(&server, &alice, "/personas", &[]).await.json::<Listing>().personas.is_empty());
    assert_eq!(parts(&server), 0, "no part is left");
    let whole = push(&server, &alice, PERSONA, Push::first(&large)).await;
    assert_eq!(whole.status, 200, "and nothing stands in the way: {}", whole.text());
    assert_eq!(parts(&server), 1);
}

/// Files of the object store.
fn parts(server: &Running) -> usize {
    let mut dirs = vec![server.dir.path().join("data")];
    let mut count = 0;
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("reads") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.ancestors().any(|parent| parent.ends_with("blobs")) {
                count += 1;
            }
        }
    }
    count
}

#[tokio::test]
async fn a_rename_a_tombstone_and_a_bare_delete() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    push(&server, &alice, PERSONA, Push::first(b"bytes")).await;
    let path = format!("/personas/{PERSONA}");
    let next = Push { base: Some(1), version: 2, index_base: 2, ..Push::first(b"") };
    let rename = CommitHead { blob: None, content_version: Some(1), ..next.head(&alice) };
    let reply = post(&server, &alice, PERSONA, ("If-Match", "\"1\""), &body_of(&rename)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(get(&server, &alice, &path, &[]).await.body, b"bytes");
    let authorization = alice.authorization();
    let headers = [("Authorization", authorization.as_str())];
    for changed in [true, false] {
        let reply = server.ask("DELETE", &path, &headers).await;
        assert_eq!((reply.status, reply.json::<Done>().changed), (200, changed));
    }
    assert!(get(&server, &alice, "/personas", &[]).await.json::<Listing>().personas[0].trashed);
    let next = Push { base: Some(2), version: 3, index_base: 3, ..Push::first(b"") };
    let tombstone =
        CommitHead { blob: None, content_version: None, removed: true, ..next.head(&alice) };
    let reply = post(&server, &alice, PERSONA, ("If-Match", "\"2\""), &body_of(&tombstone)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = get(&server, &alice, &path, &[]).await;
    assert_eq!((reply.status, reply.code().as_str()), (410, "gone"));
    let labels: Labels = get(&server, &alice, &format!("{path}/labels?from=2"), &[]).await.json();
    let versions: Vec<_> = labels.labels.iter().map(|label| label.version).collect();
    assert_eq!(versions, [2, 3]);
}

#[tokio::test]
async fn a_device_record_rises() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let authorization = alice.authorization();
    let headers = [("Authorization", authorization.as_str())];
    let put = async |id, revision, path: String| {
        let record = DeviceRecord { id, revision, sealed: vec![8; 1024].into() };
        let json = serde_json::to_vec(&record).expect("serialises");
        server.send("PUT", &path, &headers, &json).await.status
    };
    let path = format!("/devices/{}", alice.device);
    assert_eq!(put(alice.device, 2, path.clone()).await, 200);
    assert_eq!(put(alice.device, 2, path.clone()).await, 412);
    assert_eq!(put(alice.device, 0, path.clone()).await, 400);
    assert_eq!(put(device(9), 3, path).await, 400);
    assert_eq!(put(device(9), 1, format!("/devices/{}", device(9))).await, 410);
    let devices: Devices = get(&server, &alice, "/devices", &[]).await.json();
    assert_eq!((devices.devices.len(), devices.devices[0].revision), (1, 2));
}

/// Holds rule 35.
#[tokio::test]
async fn a_quota_is_507() {
    let server = Running::with(|config| config.store_limits.quota_bytes = 100_000).await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let small = vec![1; 60_000];
    assert_eq!(push(&server, &alice, PERSONA, Push::first(&small)).await.status, 200);
    for bytes in [&small[..], &vec![1; 90_000]] {
        let next = Push { base: Some(1), version: 2, index_base: 2, ..Push::first(bytes) };
        let reply = push(&server, &alice, PERSONA, next).await;
        assert_eq!((reply.status, reply.code().as_str()), (507, "quota"));
    }
}
