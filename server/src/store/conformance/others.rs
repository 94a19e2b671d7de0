//! Devices, invitations, health.

use keybackup_protocol::api::DeviceRecord;
use keybackup_protocol::limits::{MAX_ORDINAL, MAX_STEP};
use keybackup_protocol::{B64, DeviceId};

use super::LIMITS;
use super::fixtures::{NOW, User, assert_refused};
use crate::store::{Bucket, InviteTag, Store, StoreError, TokenHash};

pub(crate) async fn devices_rise(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let put = async |device, revision, sealed: &[u8]| {
        let id = DeviceId::from_bytes([device; 16]);
        let record = DeviceRecord { id, revision, sealed: B64(sealed.to_vec()) };
        store.put_device(user.account, user.session_id, record, NOW).await
    };
    put(1, 2, b"second").await.expect("rises");
    for revision in [1, 2] {
        assert_refused!(put(1, revision, b"x").await, StoreError::Conflict);
    }
    assert_refused!(put(1, 0, b"x").await, StoreError::Invalid(_));
    for far in [3 + MAX_STEP, MAX_ORDINAL, i64::MAX as u64, u64::MAX] {
        assert_refused!(put(1, far, b"x").await, StoreError::Invalid(_));
    }
    assert_refused!(put(1, 3, &vec![0; 64 * 1024 + 1]).await, StoreError::Invalid(_));
    assert_refused!(put(9, 1, b"x").await, StoreError::Gone);
    // A device that has logged in is there, and has a record once it puts one.
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    user.finish(100, NOW).await.expect("finishes");
    assert_eq!(store.devices(user.account).await.expect("lists").len(), 1);
    put(100, 1, b"first").await.expect("puts");
    let devices = store.devices(user.account).await.expect("lists");
    let records: Vec<_> = devices.iter().map(|d| (d.revision, d.sealed.0.as_slice())).collect();
    assert_eq!(records, [(2, b"second".as_slice()), (1, b"first".as_slice())]);
    let other = User::register(store, 2).await;
    assert_eq!(store.devices(other.account).await.expect("lists").len(), 1);
}

pub(crate) async fn devices_are_few(store: &dyn Store) {
    let user = User::register(store, 1).await;
    // With the one that registered, a hundred; it is the one longest not in use.
    for id in 2..=100 {
        user.attempt(id, Bucket::Strangers, NOW + i64::from(id)).await.expect("opens");
        user.finish(id, NOW + i64::from(id)).await.expect("finishes");
    }
    let put = async |device| {
        let id = DeviceId::from_bytes([device; 16]);
        let record = DeviceRecord { id, revision: 2, sealed: B64(vec![1; 1000]) };
        let session = store.session(&TokenHash([100; 32]), NOW).await.expect("answers");
        let session = session.expect("holds").id;
        store.put_device(user.account, session, record, NOW).await
    };
    put(1).await.expect("is there");
    assert!(user.session(NOW).await.is_some());
    user.attempt(101, Bucket::Strangers, NOW + 101).await.expect("opens");
    user.finish(101, NOW + 101).await.expect("nobody is locked out");
    assert_refused!(put(1).await, StoreError::Gone);
    assert!(user.session(NOW).await.is_none(), "what is not listed has no session");
    put(2).await.expect("the others stay");
    // Its record no longer counts: of the quota, that of device 2 and the index are used.
    store.begin_part(user.account, LIMITS.quota_bytes - 1000 - 4096 - 256).await.expect("begins");
}

pub(crate) async fn invitations_are_listed_and_revoked(store: &dyn Store) {
    store.create_invite(InviteTag([1; 32]), NOW, NOW + 10, 2).await.expect("creates");
    store.create_invite(InviteTag([2; 32]), NOW, NOW + 100, 1).await.expect("creates");
    let listed = store.invites(NOW).await.expect("lists");
    let seen: Vec<_> = listed.iter().map(|i| (i.created_at, i.expires_at, i.uses_left)).collect();
    assert_eq!(seen, [(NOW, NOW + 10, 2), (NOW, NOW + 100, 1)]);
    assert_eq!(store.invites(NOW + 10).await.expect("lists").len(), 1);
    let last = listed[1].id;
    assert!(store.revoke_invite(last).await.expect("revokes"));
    assert!(!store.revoke_invite(last).await.expect("answers"));
    store.create_invite(InviteTag([3; 32]), NOW, NOW + 100, 1).await.expect("creates");
    let listed = store.invites(NOW).await.expect("lists");
    assert!(listed.iter().all(|invite| invite.id != last), "no number is given twice");
}

pub(crate) async fn is_healthy(store: &dyn Store) {
    store.health().await.expect("is healthy");
}
