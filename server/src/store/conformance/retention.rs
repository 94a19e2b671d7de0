//! Retention: what the sweep keeps and drops. Labels stay for ever.

use super::LIMITS;
use super::fixtures::{NOW, User, assert_refused, new_attempt, new_registration, persona};
use crate::store::{Addition, Bucket, InviteTag, NewUpload, Store, StoreError};

const DAY_S: i64 = 24 * 60 * 60;

/// Pushes versions 1 to `n` of persona 1, one a second.
async fn push_versions(user: &User<'_>, n: u64) {
    for version in 0..n {
        let mut push = user.push(persona(1), version, version + 1, &[1; 100]);
        push.now = NOW + i64::try_from(version).expect("few");
        user.commit(push).await;
    }
}

async fn held(user: &User<'_>) -> Vec<u64> {
    let labels = user.store.labels(user.account, persona(1), 1).await.expect("lists").labels;
    labels.iter().filter(|label| label.bytes_held).map(|label| label.version).collect()
}

pub(crate) async fn keeps_the_newest_twenty(store: &dyn Store) {
    let user = User::register(store, 1).await;
    push_versions(&user, 25).await;
    store.sweep(NOW + 31 * DAY_S).await.expect("sweeps");
    assert_eq!(held(&user).await, (6..=25).collect::<Vec<_>>());
    assert_refused!(user.content(persona(1), Some(5)).await, StoreError::Gone);
    assert!(user.content(persona(1), Some(6)).await.is_ok());
    let labels = store.labels(user.account, persona(1), 1).await.expect("lists").labels;
    assert_eq!(labels.len(), 25, "labels stay");
    store.sweep(NOW + 1000 * DAY_S).await.expect("sweeps");
    assert_eq!(held(&user).await.len(), 20, "time alone drops none of the newest");
}

pub(crate) async fn keeps_the_recent(store: &dyn Store) {
    let user = User::register(store, 1).await;
    push_versions(&user, 25).await;
    // Version 3 was superseded at NOW + 3.
    store.sweep(NOW + 3 + 30 * DAY_S).await.expect("sweeps");
    assert_eq!(held(&user).await, (4..=25).collect::<Vec<_>>());
    store.sweep(NOW + 29 * DAY_S).await.expect("sweeps");
    assert_eq!(held(&user).await, (4..=25).collect::<Vec<_>>());
}

pub(crate) async fn keeps_what_a_label_names(store: &dyn Store) {
    let user = User::register(store, 1).await;
    push_versions(&user, 25).await;
    let mut back = user.label(persona(1), 25, 26);
    back.head.content_version = Some(2);
    user.commit(back).await;
    store.sweep(NOW + 31 * DAY_S).await.expect("sweeps");
    assert_eq!(held(&user).await, [[2].as_slice(), &(7..=25).collect::<Vec<_>>()].concat());
    assert!(user.content(persona(1), None).await.is_ok());
}

pub(crate) async fn drops_the_removed_after_thirty_days(store: &dyn Store) {
    let user = User::register(store, 1).await;
    push_versions(&user, 2).await;
    // Two labels with their rows, index, device record, 200 bytes of content, and 256 for a file.
    let room = LIMITS.quota_bytes - 2 * (7 + 256) - 7 - 1 - 200 - 256;
    let begin = async |bytes| user.room(bytes).await;
    begin(room).await.expect("begins");
    assert_refused!(begin(room + 1).await, StoreError::Quota);
    user.commit(user.removal(persona(1), 2, 3)).await;
    store.sweep(NOW + 30 * DAY_S - 1).await.expect("sweeps");
    assert_eq!(held(&user).await, [1, 2]);
    store.sweep(NOW + 30 * DAY_S).await.expect("sweeps");
    assert!(held(&user).await.is_empty());
    begin(room + 200 - (7 + 256)).await.expect("the quota is free again");
    let user = user.logged_in(100).await;
    let mut restore = user.label(persona(1), 3, 4);
    restore.head.content_version = Some(2);
    assert_refused!(store.commit(restore).await, StoreError::Gone);
    // A bare delete is nobody's sealed word: it drops nothing, ever.
    user.commit(user.push(persona(2), 0, 4, b"x")).await;
    assert!(store.trash(user.account, persona(2), NOW).await.expect("trashes"));
    store.sweep(NOW + 1000 * DAY_S).await.expect("sweeps");
    assert_eq!(user.content(persona(2), Some(1)).await.expect("is held"), b"x");
}

pub(crate) async fn drops_the_expired(store: &dyn Store) {
    let user = User::register(store, 1).await;
    for id in 100..103 {
        user.attempt(id, Bucket::Strangers, NOW).await.expect("opens");
    }
    store.create_invite(InviteTag([1; 32]), NOW, NOW + 10, 1).await.expect("creates");
    store.create_invite(InviteTag([2; 32]), NOW, NOW + 9000, 1).await.expect("creates");
    let upload = NewUpload { expires_at: NOW + 3600, ..user.new_upload(1, Some(900_000)) };
    store.create_upload(upload).await.expect("begins");
    let addition = user.addition(1, 0, &vec![7; 800_000]).await.expect("is kept");
    let addition = Addition { expires_at: NOW + 3600, ..addition };
    store.append(addition).await.expect("appends");

    // Attempts are counted for an hour, also those that can no longer be finished.
    store.sweep(NOW + 3599).await.expect("sweeps");
    let attempt = new_attempt(1, 110, Bucket::Strangers, NOW + 3599);
    assert_refused!(store.open_attempt(attempt).await, StoreError::TooMany { .. });
    assert!(user.room(900_000).await.is_err());
    store.sweep(NOW + 3600).await.expect("sweeps");
    assert!(user.room(900_000).await.is_ok(), "the upload is gone");
    assert_eq!(store.invites(NOW).await.expect("lists").len(), 1);
    assert!(user.session(NOW + 3600).await.is_some());
    store.sweep(NOW + 1_000_000).await.expect("sweeps");
    assert!(user.session(NOW + 3600).await.is_none());
    // What was finished is not opened again by the sweep.
    assert_refused!(store.open_registration(new_registration(1)).await, StoreError::Taken);
}
