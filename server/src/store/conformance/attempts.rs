//! Login attempts: counted before, finished once, alike for known and unknown addresses.

use keybackup_protocol::EpochId;

use super::LIMITS;
use super::fixtures::{NOW, User, assert_refused, new_attempt};
use crate::store::{Bucket, EpochChoice, Store, StoreError};

const LIMIT: u8 = 3;
const _: () = assert!(LIMITS.attempts_per_hour == LIMIT as u64);

pub(crate) async fn finds_the_credential(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let credential = user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    assert!(credential.account == user.account && credential.epoch == user.epoch);
    assert_eq!(credential.record, vec![1; 192]);
    assert_eq!((credential.setup_id, credential.generation), (7, 1));

    let mut named = new_attempt(1, 101, Bucket::Strangers, NOW);
    named.epoch = EpochChoice::Named(user.epoch);
    assert!(store.open_attempt(named).await.expect("opens").is_some());
    let mut unknown = new_attempt(1, 102, Bucket::Strangers, NOW);
    unknown.epoch = EpochChoice::Named(EpochId::from_bytes([77; 16]));
    assert!(store.open_attempt(unknown).await.expect("opens").is_none());
}

pub(crate) async fn knows_nothing_of_unknown_addresses(store: &dyn Store) {
    for id in 0..LIMIT {
        let attempt = new_attempt(1, id, Bucket::Strangers, NOW);
        assert!(store.open_attempt(attempt).await.expect("opens").is_none());
    }
    // The limit is the same for them, whatever cookie is shown.
    for bucket in [Bucket::Strangers, Bucket::Device([1; 32])] {
        let attempt = new_attempt(1, 50, bucket, NOW);
        assert_refused!(store.open_attempt(attempt).await, StoreError::TooMany { .. });
    }
}

pub(crate) async fn limits_strangers_and_not_the_owner(store: &dyn Store) {
    let user = User::register(store, 1).await;
    for id in 0..LIMIT {
        user.attempt(100 + id, Bucket::Strangers, NOW + i64::from(id)).await.expect("opens");
    }
    let over = user.attempt(110, Bucket::Strangers, NOW + 10).await.map(|_| ());
    assert_refused!(over, StoreError::TooMany { retry_after_s: 3590 });
    // A cookie of nobody is a stranger's; the owner's device has a bucket of its own.
    let forged = user.attempt(110, Bucket::Device([66; 32]), NOW + 10).await.map(|_| ());
    assert_refused!(forged, StoreError::TooMany { .. });
    for id in 0..LIMIT {
        user.attempt(120 + id, Bucket::Device([1; 32]), NOW + 10).await.expect("opens");
    }
    let over = user.attempt(130, Bucket::Device([1; 32]), NOW + 10).await.map(|_| ());
    assert_refused!(over, StoreError::TooMany { .. });
    // Another account is not touched, and its cookies are no use here.
    let other = User::register(store, 2).await;
    other.attempt(140, Bucket::Strangers, NOW + 10).await.expect("opens");
    let foreign = user.attempt(141, Bucket::Device([2; 32]), NOW + 10).await.map(|_| ());
    assert_refused!(foreign, StoreError::TooMany { .. });
    // An hour later the first attempt is forgotten.
    user.attempt(150, Bucket::Strangers, NOW + 3600).await.expect("opens");
    let over = user.attempt(151, Bucket::Strangers, NOW + 3600).await.map(|_| ());
    assert_refused!(over, StoreError::TooMany { retry_after_s: 1 });
}

pub(crate) async fn knows_a_device_whose_answer_was_lost(store: &dyn Store) {
    let user = User::register(store, 1).await;
    // A stranger fills the bucket, so that only a known device gets in.
    for id in 0..LIMIT {
        user.attempt(200 + id, Bucket::Strangers, NOW).await.expect("opens");
    }
    let cookie = |n| Bucket::Device([n; 32]);
    let login = async |id, with| {
        user.attempt(id, cookie(with), NOW).await?;
        let mut login = user.finished(id, NOW);
        login.session.device = user.device();
        store.finish_login(login).await.map(drop)
    };
    // The answers with cookies 100 and 101 are lost, the one with 102 arrives.
    for id in 100..103 {
        login(id, 1).await.expect("the one that it has is good");
    }
    login(103, 102).await.expect("the new one is good");
    for old in [1, 100, 101] {
        let over = user.attempt(110, cookie(old), NOW).await.map(drop);
        assert_refused!(over, StoreError::TooMany { .. });
    }
    login(104, 102).await.expect("103 was lost");
    login(105, 104).await.expect("104 arrived");
    let over = user.attempt(110, cookie(102), NOW).await.map(drop);
    assert_refused!(over, StoreError::TooMany { .. });
}

pub(crate) async fn lets_finished_ones_go(store: &dyn Store) {
    let user = User::register(store, 1).await;
    for id in 100..100 + 3 * LIMIT {
        user.attempt(id, Bucket::Strangers, NOW).await.expect("own logins are not counted");
        user.finish(id, NOW).await.expect("finishes");
    }
}

pub(crate) async fn finishes_once(store: &dyn Store) {
    let user = User::register(store, 1).await;
    assert_refused!(user.finish(100, NOW).await, StoreError::AttemptRefused);
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    assert_refused!(user.finish(100, NOW + 120).await, StoreError::AttemptRefused);
    user.finish(100, NOW + 119).await.expect("finishes");
    let mut again = user.finished(100, NOW + 119);
    again.session = super::fixtures::session(101);
    assert_refused!(store.finish_login(again).await, StoreError::AttemptRefused);
    assert!(
        store.session(&crate::store::TokenHash([101; 32]), NOW).await.expect("answers").is_none()
    );

    // An attempt against one account opens no other.
    let other = User::register(store, 2).await;
    user.attempt(102, Bucket::Strangers, NOW).await.expect("opens");
    assert_refused!(other.finish(102, NOW).await, StoreError::AttemptRefused);
    user.finish(102, NOW).await.expect("it is still good for its own");
}

pub(crate) async fn refuses_a_replaced_record(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    let mut stale = user.finished(100, NOW);
    stale.generation = 2;
    assert_refused!(store.finish_login(stale).await, StoreError::AttemptRefused);
    let mut elsewhere = user.finished(100, NOW);
    elsewhere.epoch = EpochId::from_bytes([77; 16]);
    assert_refused!(store.finish_login(elsewhere).await, StoreError::AttemptRefused);
}
