//! Sessions: found by token while they hold.

use keybackup_protocol::api::{DeviceRecord, SlotKind};
use keybackup_protocol::{B64, EpochId, UploadId};

use super::LIMITS;
use super::fixtures::{NOW, User, assert_refused, persona, session};
use crate::store::{Addition, Bucket, NewUpload, Store, StoreError, TokenHash};

pub(crate) async fn hold_until_they_expire(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    let mut login = user.finished(100, NOW);
    login.session.expires_at = NOW + 50;
    store.finish_login(login).await.expect("finishes");
    let token = TokenHash([100; 32]);
    let at = async |now| store.session(&token, now).await.expect("answers");
    let found = at(NOW + 49).await.expect("holds");
    assert!(found.account == user.account && found.device == session(100).device);
    assert!(at(NOW + 50).await.is_none());
    assert!(store.session(&TokenHash([111; 32]), NOW).await.expect("answers").is_none());
}

pub(crate) async fn end_when_idle(store: &dyn Store) {
    let user = User::register(store, 1).await; // idle for 100,000 s
    assert!(user.session(NOW + 99_999).await.is_some());
    store.health().await.expect("what was noted before is written now");
    assert!(user.session(NOW + 199_998).await.is_some(), "the use before counts");
    store.health().await.expect("is healthy");
    assert!(user.session(NOW + 299_998).await.is_none());
}

pub(crate) async fn end_when_told(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let id = user.session(NOW).await.expect("holds").id;
    assert!(store.end_session(id).await.expect("ends"));
    assert!(user.session(NOW).await.is_none());
    assert!(!store.end_session(id).await.expect("answers"));
    // The device's cookie outlives its session.
    for attempt in 100..103 {
        user.attempt(attempt, Bucket::Strangers, NOW).await.expect("opens");
    }
    user.attempt(103, Bucket::Device([1; 32]), NOW).await.expect("opens");
}

/// The body of a commit may come for hours, in which its session may end.
pub(crate) async fn change_nothing_once_ended(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let record = || DeviceRecord { id: user.device(), revision: 2, sealed: B64(vec![1]) };
    store.create_upload(user.new_upload(1, Some(100_000))).await.expect("begins");
    let refused = async |now| {
        let mut push = user.push(persona(1), 0, 1, b"x");
        push.now = now;
        assert_refused!(store.commit(push).await, StoreError::SessionEnded);
        let new = NewUpload { now, ..user.new_upload(2, Some(5)) };
        assert_refused!(store.create_upload(new).await, StoreError::SessionEnded);
        let more = user.addition(1, 0, &vec![7; 100_000]).await.expect("is kept");
        assert_refused!(store.append(Addition { now, ..more }).await, StoreError::SessionEnded);
        let (account, id) = (user.account, UploadId::from_bytes([1; 16]));
        let end = store.end_upload(user.session_id, account, id, now).await;
        assert_refused!(end, StoreError::SessionEnded);
        let put = store.put_device(user.account, user.session_id, record(), now).await;
        assert_refused!(put, StoreError::SessionEnded);
    };
    refused(NOW + 100_000).await; // idle
    store.end_session(user.session_id).await.expect("ends");
    refused(NOW).await;
    let listing = store.listing(user.account, user.epoch).await.expect("lists");
    assert!(listing.personas.is_empty());
    user.room(LIMITS.quota_bytes - 10_000 - 100_256).await.expect("no bytes are kept");
}

/// Each login opens one; they must not heap up.
pub(crate) async fn are_few_on_a_device(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let id = |n: u8| 100 + n;
    for n in 0..9 {
        let now = NOW + 1 + i64::from(n / 3); // some in one second
        user.attempt(id(n), Bucket::Strangers, now).await.expect("opens");
        let mut login = user.finished(id(n), now);
        login.session.device = user.device();
        store.finish_login(login).await.expect("finishes");
        let newest = store.session(&TokenHash([id(n); 32]), now).await.expect("answers");
        assert!(newest.is_some(), "{n}");
    }
    let mut live = 0;
    for n in 0..9 {
        let found = store.session(&TokenHash([id(n); 32]), NOW + 5).await.expect("answers");
        live += u8::from(found.is_some());
    }
    assert!(user.session(NOW + 5).await.is_none(), "the oldest went first");
    assert_eq!(live, 8);
    // Another device's are its own.
    user.attempt(200, Bucket::Strangers, NOW + 5).await.expect("opens");
    user.finish(200, NOW + 5).await.expect("finishes");
    assert!(store.session(&TokenHash([108; 32]), NOW + 5).await.expect("answers").is_some());
}

pub(crate) async fn are_listed_and_revoked(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let other = User::register(store, 2).await;
    for id in 100..103 {
        user.attempt(id, Bucket::Strangers, NOW).await.expect("opens");
        let mut login = user.finished(id, NOW + i64::from(id));
        login.session.expires_at = NOW + 500;
        store.finish_login(login).await.expect("finishes");
    }
    let list = async |now| store.sessions(user.account, user.session_id, now).await.expect("lists");
    let listed = list(NOW + 200).await;
    let devices: Vec<_> = listed.iter().map(|session| session.device_id).collect();
    assert_eq!(devices, [102, 101, 100, 1].map(|n| session(n).device), "the newest first");
    let current: Vec<_> = listed.iter().map(|session| session.current).collect();
    assert_eq!(current, [false, false, false, true]);
    assert!(listed.iter().all(|session| session.epoch == user.epoch));
    assert_eq!(list(NOW + 500).await.len(), 1, "what is over is not listed");

    let id = |n: usize| i64::from_be_bytes(*listed[n].id.as_bytes());
    let revoke = async |account, asking, id| {
        store.revoke_session(account, asking, id, NOW + 200).await.expect("answers")
    };
    assert!(!revoke(other.account, other.session_id, id(0)).await, "of another account");
    assert!(revoke(user.account, user.session_id, id(0)).await);
    assert!(!revoke(user.account, user.session_id, id(0)).await, "once");
    assert_eq!(list(NOW + 200).await.len(), 3);
    let others = store.revoke_others(user.account, user.session_id, NOW + 200).await;
    assert_eq!(others.expect("revokes"), 2);
    assert_eq!(list(NOW + 200).await.len(), 1);
    assert!(other.session(NOW).await.is_some());
    // Who has ended ends nobody.
    let ended = store.revoke_others(user.account, id(1), NOW + 200).await;
    assert_refused!(ended, StoreError::SessionEnded);
    let ended = store.revoke_session(user.account, id(1), user.session_id, NOW + 200).await;
    assert_refused!(ended, StoreError::SessionEnded);
    assert!(user.session(NOW).await.is_some());
}

pub(crate) async fn carry_the_material_of_their_epoch(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    let material = user.finish(100, NOW).await.expect("finishes");
    let mut kinds: Vec<_> = material.slots.iter().map(|slot| slot.kind).collect();
    kinds.sort_by_key(|kind| *kind == SlotKind::Recovery);
    assert_eq!(kinds, [SlotKind::Password, SlotKind::Recovery]);
    assert!(material.slots.iter().all(|slot| slot.sealed.0 == vec![1; 300]));
    assert_eq!(material.keyring.version, 1);
    assert!(material.device.is_none(), "a new device has no record yet");
    let keyring = store.keyring(user.account, user.epoch).await.expect("is there");
    assert_eq!(keyring, material.keyring);
    let unknown = EpochId::from_bytes([77; 16]);
    assert_refused!(store.keyring(user.account, unknown).await, StoreError::Gone);

    // The device that registered logs in again: its record comes along, its cookie is new.
    user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    let mut login = user.finished(101, NOW);
    login.session.device = session(1).device;
    let material = store.finish_login(login).await.expect("finishes");
    assert_eq!(material.device.expect("it has a record").sealed.0, [1]);
    for attempt in 110..113 {
        user.attempt(attempt, Bucket::Strangers, NOW).await.expect("opens");
    }
    user.attempt(113, Bucket::Device([101; 32]), NOW).await.expect("opens");
    let old = user.attempt(114, Bucket::Device([1; 32]), NOW).await.map(|_| ());
    assert_refused!(old, StoreError::TooMany { .. });
}
