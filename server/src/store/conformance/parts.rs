//! Bytes beside the rows, and what they count for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use keybackup_protocol::UploadId;

use super::LIMITS;
use super::fixtures::{DAY_S, NOW, User, assert_refused, blob, persona};
use crate::store::{Commit, CommitBytes, Part, Store, StoreError};

/// Bytes of which no two ranges are alike.
pub(super) fn content(bytes: u32) -> Vec<u8> {
    (0..bytes.div_ceil(4)).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn push_part(user: &User<'_>, base: u64, index: u64, part: &Part) -> Commit {
    let mut commit = user.push(persona(1), base, index, b"");
    commit.head.blob = Some(blob(part.bytes));
    commit.bytes = Some(CommitBytes::Part(part.clone()));
    commit
}

pub(super) fn push_upload(
    user: &User<'_>,
    base: u64,
    index: u64,
    bytes: u64,
    upload: UploadId,
) -> Commit {
    let mut commit = user.push(persona(1), base, index, b"");
    let mut blob = blob(bytes);
    blob.upload = Some(upload);
    commit.head.blob = Some(blob);
    commit.bytes = None;
    commit
}

pub(crate) async fn hold_large_blobs(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let bytes = content(900_000);
    let part = user.part(&bytes).await;
    assert_eq!(part.bytes, 900_000);
    user.commit(push_part(&user, 0, 1, &part)).await;
    assert!(user.content(persona(1), None).await.expect("reads") == bytes);
    let blob = store.blob(user.account, persona(1), None).await.expect("is there");
    for range in [0..1, 65_535..65_537, 262_143..600_000, 899_999..900_000, 7..7] {
        let stream = store.read(&blob, range.clone()).await.expect("opens");
        let read = stream.try_collect::<Vec<_>>().await.expect("reads").concat();
        let at = |place| usize::try_from(place).expect("fits");
        assert!(read == bytes[at(range.start)..at(range.end)], "{range:?}");
    }
    assert_refused!(store.read(&blob, 0..900_001).await, StoreError::Invalid(_));
}

pub(crate) async fn check_lengths(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let mut short = store.begin_part(user.account, 100_000).await.expect("begins");
    short.write(Bytes::from(vec![1; 99_999])).await.expect("writes");
    assert_refused!(short.finish().await, StoreError::Invalid(_));
    let mut long = store.begin_part(user.account, 100_000).await.expect("begins");
    long.write(Bytes::from(vec![1; 100_000])).await.expect("writes");
    assert_refused!(long.write(Bytes::from_static(b"1")).await, StoreError::Invalid(_));
    long.abort().await;
    let part = user.part(&content(70_000)).await;
    let mut wrong = push_part(&user, 0, 1, &part);
    wrong.head.blob = Some(blob(70_001));
    assert_refused!(store.commit(wrong).await, StoreError::Invalid(_));
    let nowhere = Part { name: "../../etc/passwd".into(), bytes: 70_000 };
    assert_refused!(store.commit(push_part(&user, 0, 1, &nowhere)).await, StoreError::Gone);
}

pub(crate) async fn count_to_the_quota(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let begin = async |bytes| user.room(bytes).await;
    assert_refused!(begin(LIMITS.quota_bytes + 1).await, StoreError::Quota);
    // Two that each fit alone: the first has reserved its bytes.
    let first = store.begin_part(user.account, 600_000).await.expect("begins");
    assert_refused!(begin(600_000).await, StoreError::Quota);
    first.abort().await;
    begin(600_000).await.expect("given back when aborted");
    drop(store.begin_part(user.account, 600_000).await.expect("begins"));
    let given_back = async {
        while begin(600_000).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), given_back).await.expect("when dropped, too");

    let id = user.upload(1, &content(600_000)).await;
    assert_refused!(begin(600_000).await, StoreError::Quota);
    let large = vec![0; 64 * 1024];
    for n in 0..6 {
        user.commit(user.push(persona(2), n, n + 1, &large)).await;
    }
    let over = user.push(persona(2), 6, 7, &large);
    assert_refused!(store.commit(over).await, StoreError::Quota);
    // Committing the upload adds nothing.
    user.commit(push_upload(&user, 0, 7, 600_000, id)).await;
    assert_refused!(begin(10_000).await, StoreError::Quota);
}

/// Files are few and not free, however small they are.
pub(crate) async fn count_as_files(store: &dyn Store) {
    let user = User::register(store, 1).await;
    for n in 0..100 {
        user.upload(n, b"x").await;
    }
    let many = user.new_upload(100, Some(1));
    assert_refused!(store.create_upload(many).await, StoreError::Quota);
    // Besides, index and device record of the registration, and 256 for the file itself.
    let rest = LIMITS.quota_bytes - 4096 - 1 - 256;
    user.room(rest - 100 * 4352).await.expect("is free");
    assert_refused!(user.room(rest - 100 * 4352 + 1).await, StoreError::Quota);
    // What becomes a blob goes on counting so, until that is dropped.
    user.commit(push_upload(&user, 0, 1, 1, UploadId::from_bytes([0; 16]))).await;
    store.sweep(NOW + DAY_S).await.expect("sweeps");
    let rest = LIMITS.quota_bytes - 7 - 1 - 256 - (7 + 256);
    user.room(rest - 4352).await.expect("is free");
    assert_refused!(user.room(rest - 4352 + 1).await, StoreError::Quota);
    user.commit(user.removal(persona(1), 1, 2)).await;
    store.sweep(NOW + 31 * DAY_S).await.expect("sweeps");
    user.room(rest - (7 + 256)).await.expect("all of it is free again");
}

pub(crate) async fn go_when_nobody_names_them(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let named = user.part(&content(70_000)).await;
    user.commit(push_part(&user, 0, 1, &named)).await;
    // A part that was never named counts until the sweep finds it.
    let orphan = user.part(&content(900_000)).await;
    let begin = async || user.room(900_000).await;
    assert_refused!(begin().await, StoreError::Quota);
    let now =
        i64::try_from(SystemTime::UNIX_EPOCH.elapsed().expect("the clock is after 1970").as_secs())
            .expect("fits");
    store.sweep(now).await.expect("sweeps");
    assert_refused!(begin().await, StoreError::Quota);
    store.sweep(now + 2 * DAY_S).await.expect("sweeps");
    begin().await.expect("its bytes are free again");
    let late = push_part(&user, 1, 2, &orphan);
    assert_refused!(store.commit(late).await, StoreError::Gone);
    assert!(user.content(persona(1), None).await.is_ok(), "the named one stays");
    // A refused commit's part goes at once.
    let part = user.part(&content(70_000)).await;
    assert_refused!(store.commit(push_part(&user, 7, 2, &part)).await, StoreError::Conflict);
    assert_refused!(store.commit(push_part(&user, 1, 2, &part)).await, StoreError::Gone);
    // One that a row names is not deleted by a commit that names it again.
    let again = push_part(&user, 7, 2, &named);
    assert_refused!(store.commit(again).await, StoreError::Gone);
    assert!(user.content(persona(1), None).await.is_ok());
}
