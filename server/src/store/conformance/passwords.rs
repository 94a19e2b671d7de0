//! Another password: record and slot at once, the other sessions over.

use keybackup_protocol::B64;
use keybackup_protocol::api::{Slot, SlotKind};

use super::fixtures::{NOW, User, assert_refused, mail};
use crate::store::{Bucket, PasswordChange, ProvenLogin, Store, StoreError, TokenHash};

/// What user `user` changes the password with, after login attempt `id`.
fn change(user: &User<'_>, id: u8, generation: u64) -> PasswordChange {
    PasswordChange {
        login: ProvenLogin { generation, ..user.proven(id) },
        session: user.session_id,
        setup_id: 9,
        record: B64(vec![id; 192]),
        slot: Slot {
            kind: SlotKind::Password,
            generation: generation + 1,
            sealed: B64(vec![id; 300]),
        },
        mail: mail(id),
        now: NOW,
    }
}

async fn holds(store: &dyn Store, token: u8) -> bool {
    store.session(&TokenHash([token; 32]), NOW).await.expect("answers").is_some()
}

pub(crate) async fn replace_record_and_slot_and_end_sessions(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let other = User::register(store, 2).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    user.finish(100, NOW).await.expect("logs another device in");
    user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    store.change_password(change(&user, 101, 1)).await.expect("changes");
    assert!(holds(store, 1).await, "who asked stays");
    assert!(!holds(store, 100).await, "the others don't");
    assert!(holds(store, 2).await, "nor does it matter to other accounts");
    assert!(other.session(NOW).await.is_some());

    let found = user.attempt(102, Bucket::Device([1; 32]), NOW).await.expect("opens");
    assert_eq!((found.record, found.setup_id, found.generation), (vec![101; 192], 9, 2));
    let mut login = user.finished(102, NOW);
    login.generation = 2;
    let slots = store.finish_login(login).await.expect("finishes").slots;
    for slot in slots {
        let expected = match slot.kind {
            SlotKind::Password => (2, vec![101; 300]),
            SlotKind::Recovery => (1, vec![1; 300]),
        };
        assert_eq!((slot.generation, slot.sealed.0), expected);
    }
    let facts = store.account(user.account, user.epoch).await.expect("answers");
    assert_eq!((facts.password.generation, facts.created_at), (2, NOW));
}

pub(crate) async fn are_the_same_when_repeated(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    store.change_password(change(&user, 100, 1)).await.expect("changes");
    store.change_password(change(&user, 100, 1)).await.expect("the answer was lost");
    let mut other = change(&user, 100, 1);
    other.login.digest = [7; 32];
    assert_refused!(store.change_password(other).await, StoreError::AttemptRefused);
    let late = PasswordChange { now: NOW + 120, ..change(&user, 100, 1) };
    assert_refused!(store.change_password(late).await, StoreError::AttemptRefused);
    let found = user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    assert_eq!(found.generation, 2, "once");
}

pub(crate) async fn change_nothing_when_refused(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let other = User::register(store, 2).await;
    // An attempt of nobody, of another account, used, or expired.
    let refused = async |change: PasswordChange| {
        assert_refused!(store.change_password(change).await, StoreError::AttemptRefused);
    };
    refused(change(&user, 99, 1)).await;
    other.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    refused(change(&user, 100, 1)).await;
    user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    user.finish(101, NOW).await.expect("finishes");
    refused(change(&user, 101, 1)).await;
    user.attempt(102, Bucket::Strangers, NOW).await.expect("opens");
    refused(PasswordChange { now: NOW + 120, ..change(&user, 102, 1) }).await;
    // Of a record that is another by now.
    refused(change(&user, 102, 2)).await;

    let invalid = async |bad: fn(&mut PasswordChange)| {
        let mut change = change(&user, 102, 1);
        bad(&mut change);
        assert_refused!(store.change_password(change).await, StoreError::Invalid(_));
    };
    invalid(|change| change.record.0.truncate(191)).await;
    invalid(|change| change.slot.generation = 1).await;
    invalid(|change| change.slot.generation = 3).await;
    invalid(|change| change.slot.sealed.0.clear()).await;
    invalid(|change| change.slot.sealed.0 = vec![1; 5000]).await;
    invalid(|change| change.slot.kind = SlotKind::Recovery).await;

    store.end_session(user.session_id).await.expect("ends");
    let ended = store.change_password(change(&user, 102, 1)).await;
    assert_refused!(ended, StoreError::SessionEnded);
    let found = user.attempt(103, Bucket::Strangers, NOW).await.expect("opens");
    assert_eq!((found.generation, found.record), (1, vec![1; 192]));
}

pub(crate) async fn count_twice(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let attempt = |id, evaluations| crate::store::NewAttempt {
        evaluations,
        ..super::fixtures::new_attempt(1, id, Bucket::Strangers, NOW)
    };
    store.open_attempt(attempt(100, 2)).await.map(drop).expect("two of three");
    let beyond = store.open_attempt(attempt(101, 2)).await.map(drop);
    assert_refused!(beyond, StoreError::TooMany { .. });
    store.open_attempt(attempt(102, 1)).await.map(drop).expect("the third");
    assert_refused!(
        user.attempt(103, Bucket::Strangers, NOW).await.map(drop),
        StoreError::TooMany { .. }
    );
}
