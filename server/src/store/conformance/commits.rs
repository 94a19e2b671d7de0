//! Commits: label, index and bytes at once, or nothing.

use bytes::Bytes;
use keybackup_protocol::api::DeviceRecord;
use keybackup_protocol::limits::{MAX_ORDINAL, MAX_STEP};
use keybackup_protocol::{AccountId, B64, EpochId, UploadId};

use super::LIMITS;
use super::fixtures::{NOW, User, assert_refused, blob, persona};
use crate::store::{Base, Commit, CommitBytes, Store, StoreError};

pub(crate) async fn start_and_continue_a_persona(store: &dyn Store) {
    let user = User::register(store, 1).await;
    assert_eq!(user.commit(user.push(persona(1), 0, 1, b"one")).await, 1);
    let mut jump = user.push(persona(1), 1, 2, b"nine");
    jump.head.version = 9; // a repair jumps past everybody's marks
    jump.head.content_version = Some(9);
    jump.head.index.as_mut().expect("an index").counter = 50;
    assert_eq!(user.commit(jump).await, 9);
    assert_eq!(user.content(persona(1), None).await.expect("reads"), b"nine");
    assert_eq!(user.content(persona(1), Some(1)).await.expect("reads"), b"one");
    let listing = store.listing(user.account, user.epoch).await.expect("lists");
    assert_eq!(listing.index.counter, 50);
    // Removed and restored, it goes on counting.
    user.commit(user.removal(persona(1), 9, 50)).await;
    let mut restored = user.label(persona(1), 10, 51);
    restored.head.content_version = Some(9);
    user.commit(restored).await;
    assert_eq!(user.content(persona(1), None).await.expect("reads"), b"nine");
}

pub(crate) async fn compare_and_swap(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let absent = user.push(persona(1), 1, 1, b"x");
    assert_refused!(store.commit(absent).await, StoreError::Conflict);
    user.commit(user.push(persona(1), 0, 1, b"one")).await;
    let there = user.push(persona(1), 0, 2, b"x");
    assert_refused!(store.commit(there).await, StoreError::Conflict);
    let mut ahead = user.push(persona(1), 2, 2, b"x");
    assert_refused!(store.commit(ahead).await, StoreError::Conflict);
    // Only the index lost.
    for index in [1, 3] {
        ahead = user.push(persona(1), 1, index, b"x");
        assert_refused!(store.commit(ahead).await, StoreError::Conflict);
    }
    user.commit(user.push(persona(1), 1, 2, b"two")).await;
    // A tombstone is a version, and counts as existing.
    user.commit(user.removal(persona(1), 2, 3)).await;
    let again = user.push(persona(1), 0, 4, b"x");
    assert_refused!(store.commit(again).await, StoreError::Conflict);
}

pub(crate) async fn refuse_what_is_stale(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let mut commit = user.push(persona(1), 0, 1, b"x");
    commit.head.epoch = EpochId::from_bytes([77; 16]);
    assert_refused!(store.commit(commit).await, StoreError::Stale);
    for version in [0, 2] {
        let mut commit = user.push(persona(1), 0, 1, b"x");
        commit.head.keyring_version = version;
        assert_refused!(store.commit(commit).await, StoreError::Stale);
    }
    let mut commit = user.push(persona(1), 0, 1, b"x");
    commit.account = AccountId::from_bytes([77; 16]);
    assert_refused!(store.commit(commit).await, StoreError::Gone);
}

pub(crate) async fn refuse_contradictions(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let cases: [fn(&mut Commit); 17] = [
        |c| c.head.index = None,
        |c| c.head.index.as_mut().expect("an index").counter = 1,
        |c| c.head.index.as_mut().expect("an index").sealed.0.clear(),
        |c| c.head.version = 0,
        |c| c.head.version = u64::MAX,
        |c| c.head.label.0.clear(),
        |c| c.head.label.0.resize(64 * 1024 + 1, 0),
        |c| c.head.content_version = None,
        |c| c.head.content_version = Some(2),
        |c| c.head.removed = true,
        |c| c.bytes = None,
        |c| c.head.blob = None,
        |c| c.head.blob = Some(blob(2)),
        |c| c.head.blob.as_mut().expect("a blob").blake3 = B64(vec![3; 31]),
        |c| {
            let blob = c.head.blob.as_mut().expect("a blob");
            blob.upload = Some(UploadId::from_bytes([1; 16]));
        },
        |c| {
            c.head.blob = Some(blob(64 * 1024 + 1));
            c.bytes = Some(CommitBytes::Row(Bytes::from(vec![0; 64 * 1024 + 1])));
        },
        |c| {
            (c.head.blob, c.bytes) = (None, None);
            c.head.content_version = Some(1);
        },
    ];
    for (number, case) in cases.iter().enumerate() {
        let mut commit = user.push(persona(1), 0, 1, b"x");
        case(&mut commit);
        let result = store.commit(commit).await;
        assert!(matches!(result, Err(StoreError::Invalid(_))), "case {number}: {result:?}");
    }
    let mut below = user.push(persona(1), 5, 1, b"x");
    below.head.version = 5;
    below.head.content_version = Some(5);
    assert_refused!(store.commit(below).await, StoreError::Invalid(_));
    user.commit(user.push(persona(1), 0, 1, b"x")).await;
}

/// Without a bound, one commit of whoever holds a session would be the last of the account.
pub(crate) async fn leave_room_for_the_next(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let jump = |base, version, index, counter| {
        let mut commit = user.push(persona(1), base, index, b"x");
        (commit.head.version, commit.head.content_version) = (version, Some(version));
        commit.head.index.as_mut().expect("an index").counter = counter;
        commit
    };
    for far in [MAX_STEP + 1, MAX_ORDINAL, MAX_ORDINAL + 1, i64::MAX as u64, u64::MAX] {
        assert_refused!(store.commit(jump(0, far, 1, 2)).await, StoreError::Invalid(_));
        assert_refused!(
            store.commit(jump(0, 1, 1, far.saturating_add(1))).await,
            StoreError::Invalid(_)
        );
    }
    user.commit(jump(0, MAX_STEP, 1, MAX_STEP + 1)).await;
    user.commit(jump(MAX_STEP, 2 * MAX_STEP, MAX_STEP + 1, 2 * MAX_STEP + 1)).await;
    assert_refused!(
        store.commit(jump(MAX_ORDINAL, MAX_ORDINAL + 1, 2 * MAX_STEP + 1, 2 * MAX_STEP + 2)).await,
        StoreError::Invalid(_)
    );
}

pub(crate) async fn rename_and_restore_without_bytes(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"one")).await;
    user.commit(user.push(persona(1), 1, 2, b"two")).await;
    let mut back = user.label(persona(1), 2, 3);
    back.head.content_version = Some(1);
    user.commit(back).await;
    let blob = store.blob(user.account, persona(1), None).await.expect("is there");
    assert_eq!(blob.version, 1, "what the newest label names");
    assert_eq!(user.content(persona(1), Some(2)).await.expect("reads"), b"two");

    let mut nothing = user.label(persona(1), 3, 4);
    nothing.head.content_version = Some(3); // a rename's version has no bytes of its own
    assert_refused!(store.commit(nothing).await, StoreError::Gone);
}

pub(crate) async fn are_bounded_by_quota(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let kib = 64 * 1024;
    let fits = LIMITS.quota_bytes / kib; // 15
    let content = vec![5; 64 * 1024];
    for version in 0..fits {
        user.commit(user.push(persona(1), version, version + 1, &content)).await;
    }
    let over = user.push(persona(1), fits, fits + 1, &content);
    assert_refused!(store.commit(over).await, StoreError::Quota);
    // A version is its content, its label and a row; then there are index and device record.
    let versions = (1..=fits + 1).map(|version| format!("label {version}").len() as u64 + 256);
    let held = fits * kib + versions.sum::<u64>() + "index 17".len() as u64 + 1;
    let rest = vec![5; usize::try_from(LIMITS.quota_bytes - held).expect("fits")];
    user.commit(user.push(persona(1), fits, fits + 1, &rest)).await;
    let mut rename = user.label(persona(1), fits + 1, fits + 2);
    rename.head.content_version = Some(1);
    assert_refused!(store.commit(rename).await, StoreError::Quota);
    let record = DeviceRecord { id: user.device(), revision: 2, sealed: B64(vec![1; 2]) };
    assert_refused!(
        store.put_device(user.account, user.session_id, record, NOW).await,
        StoreError::Quota
    );
    // Removing is allowed all the same, though not without end.
    user.commit(user.removal(persona(1), fits + 1, fits + 2)).await;
    let mut version = fits + 2;
    let refused = loop {
        let mut again = user.removal(persona(1), version, version + 1);
        again.head.label = B64(vec![1; 64 * 1024]);
        match store.commit(again).await {
            Ok(committed) => version = committed,
            Err(error) => break error,
        }
        assert!(version < 1000, "no end");
    };
    assert!(matches!(refused, StoreError::Quota), "{refused:?}");

    let many = User::register(store, 2).await;
    for n in 0..LIMITS.personas {
        let id = persona(u8::try_from(n).expect("few"));
        many.commit(many.push(id, 0, n + 1, b"x")).await;
    }
    let over = many.push(persona(200), 0, LIMITS.personas + 1, b"x");
    assert_refused!(store.commit(over).await, StoreError::Quota);
}

pub(crate) async fn change_nothing_when_refused(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"one")).await;
    let before = store.listing(user.account, user.epoch).await.expect("lists");
    let mut wrong_base = user.push(persona(1), 1, 2, b"two");
    wrong_base.base = Base::Absent;
    assert_refused!(store.commit(wrong_base).await, StoreError::Conflict);
    let mut unheld = user.label(persona(1), 1, 2);
    unheld.head.version = 8;
    unheld.head.content_version = Some(7);
    assert_refused!(store.commit(unheld).await, StoreError::Gone);
    let after = store.listing(user.account, user.epoch).await.expect("lists");
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    let labels = store.labels(user.account, persona(1), 1).await.expect("lists").labels;
    assert_eq!(labels.len(), 1);
    assert_refused!(user.content(persona(1), Some(2)).await, StoreError::Gone);
}

pub(crate) async fn keep_accounts_apart(store: &dyn Store) {
    let (alice, bob) = (User::register(store, 1).await, User::register(store, 2).await);
    alice.commit(alice.push(persona(1), 0, 1, b"alice")).await;
    // The same id is another persona in another account, and tells nothing of the first.
    assert_refused!(bob.content(persona(1), Some(1)).await, StoreError::Gone);
    bob.commit(bob.push(persona(1), 0, 1, b"bob")).await;
    assert!(bob.store.trash(bob.account, persona(1), NOW).await.expect("trashes"));
    assert_eq!(alice.content(persona(1), None).await.expect("reads"), b"alice");
    assert_refused!(store.listing(bob.account, alice.epoch).await, StoreError::Gone);
    assert_refused!(store.keyring(bob.account, alice.epoch).await, StoreError::Gone);
}
