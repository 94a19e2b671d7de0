//! Reading: listings, labels, blobs and their ranges, the trash.

use futures_util::TryStreamExt as _;
use keybackup_protocol::B64;

use super::fixtures::{NOW, User, assert_refused, persona};
use crate::store::{Store, StoreError, TokenHash};

pub(crate) async fn list_one_snapshot(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(2), 0, 1, b"x")).await;
    user.commit(user.push(persona(1), 0, 2, b"x")).await;
    let mut second = user.push(persona(1), 1, 3, b"y");
    second.now = NOW + 5;
    user.commit(second).await;
    user.commit(user.removal(persona(2), 1, 4)).await;
    let listing = store.listing(user.account, user.epoch).await.expect("lists");
    assert!(listing.account_id == user.account && listing.epoch == user.epoch);
    assert_eq!((listing.keyring_version, listing.index.counter), (1, 5));
    assert_eq!(listing.index.sealed.0, b"index 5");
    let most = store.listing_bytes(user.account, user.epoch).await.expect("answers");
    let json = serde_json::to_vec(&listing).expect("serialises").len() as u64;
    assert!(json <= most && most < json + 2048, "{json} {most}");
    let seen: Vec<_> = listing
        .personas
        .iter()
        .map(|listed| (listed.id, listed.version, listed.label.0.as_slice(), listed.stored_at))
        .collect();
    let expected = [
        (persona(1), 2, b"label 2".as_slice(), NOW + 5),
        (persona(2), 2, b"label 2".as_slice(), NOW),
    ];
    assert_eq!(seen, expected);
}

pub(crate) async fn look_up_session_and_blob_at_once(store: &dyn Store) {
    let (user, other) = (User::register(store, 1).await, User::register(store, 2).await);
    user.commit(user.push(persona(1), 0, 1, b"x")).await;
    let look = async |token: u8, version| {
        let token = TokenHash([token; 32]);
        store.session_and_blob(&token, NOW, persona(1), version).await.expect("answers")
    };
    let (session, blob) = look(1, None).await.expect("it holds");
    assert_eq!((session.id, session.account), (user.session_id, user.account));
    assert_eq!(blob.expect("is there").version, 1);
    assert_refused!(look(1, Some(2)).await.expect("it holds").1, StoreError::Gone);
    // Another account has another persona of that id, or none.
    let (session, blob) = look(2, None).await.expect("it holds");
    assert_eq!(session.account, other.account);
    assert_refused!(blob, StoreError::Gone);
    assert!(look(9, None).await.is_none());
    let late = NOW + 100_000_000;
    let token = TokenHash([1; 32]);
    let found = store.session_and_blob(&token, late, persona(1), None).await.expect("answers");
    assert!(found.is_none(), "its time is over");
}

pub(crate) async fn page_labels(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"x")).await;
    let mut rename = user.label(persona(1), 1, 2);
    rename.head.content_version = Some(1);
    rename.head.version = 4;
    user.commit(rename).await;
    user.commit(user.push(persona(1), 4, 3, b"y")).await;
    let from = async |version| {
        let labels = store.labels(user.account, persona(1), version).await.expect("lists").labels;
        labels.iter().map(|label| (label.version, label.bytes_held)).collect::<Vec<_>>()
    };
    assert_eq!(from(1).await, [(1, true), (4, false), (5, true)]);
    assert_eq!(from(2).await, [(4, false), (5, true)]);
    assert_eq!(from(6).await, []);
    assert_eq!(from(u64::MAX).await, []);
    assert_refused!(store.labels(user.account, persona(9), 1).await, StoreError::Gone);
}

pub(crate) async fn cut_labels_at_a_mebibyte(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let label = |n: u64, bytes| {
        let mut commit = user.label(persona(1), n, n + 1);
        commit.head.removed = true; // which may go beyond the suite's small quota
        commit.head.label = B64(vec![1; bytes]);
        commit
    };
    user.commit_all((0..20).map(|n| label(n, 64 * 1024))).await;
    let page = async |from| {
        let labels = store.labels(user.account, persona(1), from).await.expect("lists");
        (labels.labels.first().map(|label| label.version), labels.labels.len(), labels.more)
    };
    assert_eq!(page(1).await, (Some(1), 16, true));
    assert_eq!(page(17).await, (Some(17), 4, false));
    assert_eq!(page(5).await, (Some(5), 16, false), "full, and the last");
    assert_eq!(page(21).await, (None, 0, false));
    user.commit_all((20..1021).map(|n| label(n, 1))).await;
    assert_eq!(page(21).await, (Some(21), 1000, true));
    assert_eq!(page(22).await, (Some(22), 1000, false));
}

pub(crate) async fn give_ranges(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"0123456789")).await;
    let blob = store.blob(user.account, persona(1), None).await.expect("is there");
    assert_eq!((blob.version, blob.bytes, blob.blake3), (1, 10, [3; 32]));
    let range = async |range| {
        let stream = store.read(&blob, range).await?;
        Ok::<_, StoreError>(stream.try_collect::<Vec<_>>().await?.concat())
    };
    assert_eq!(range(0..10).await.expect("reads"), b"0123456789");
    assert_eq!(range(3..5).await.expect("reads"), b"34");
    assert_eq!(range(10..10).await.expect("reads"), b"");
    assert_refused!(range(3..11).await, StoreError::Invalid(_));
}

pub(crate) async fn are_gone_when_they_should_be(store: &dyn Store) {
    let user = User::register(store, 1).await;
    for version in [None, Some(1), Some(u64::MAX)] {
        assert_refused!(user.content(persona(1), version).await, StoreError::Gone);
    }
    user.commit(user.push(persona(1), 0, 1, b"x")).await;
    assert_refused!(user.content(persona(1), Some(2)).await, StoreError::Gone);
    user.commit(user.removal(persona(1), 1, 2)).await;
    assert_refused!(user.content(persona(1), None).await, StoreError::Gone);
    assert_refused!(user.content(persona(1), Some(2)).await, StoreError::Gone);
    assert_eq!(user.content(persona(1), Some(1)).await.expect("held for restoring"), b"x");
}

pub(crate) async fn trash_and_take_out(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let trash = async || store.trash(user.account, persona(1), NOW).await.expect("answers");
    assert!(!trash().await, "absent");
    user.commit(user.push(persona(1), 0, 1, b"x")).await;
    assert!(trash().await);
    assert!(!trash().await, "there already");
    let listing = store.listing(user.account, user.epoch).await.expect("lists");
    assert!(listing.personas[0].trashed);
    assert_eq!(listing.personas[0].version, 1, "and nothing else has changed");
    assert_refused!(user.content(persona(1), None).await, StoreError::Gone);
    assert_eq!(user.content(persona(1), Some(1)).await.expect("is held"), b"x");

    user.commit(user.push(persona(1), 1, 2, b"y")).await;
    let listing = store.listing(user.account, user.epoch).await.expect("lists");
    assert!(!listing.personas[0].trashed);
    user.commit(user.removal(persona(1), 2, 3)).await;
    assert!(!trash().await, "removed");
}
