//! Registration: in one transaction, once, and again with the same bytes.

use keybackup_protocol::AccountId;
use keybackup_protocol::api::SlotKind;

use super::LIMITS;
use super::fixtures::{
    NOW, User, address, assert_refused, new_account, new_attempt, new_registration, session,
};
use crate::store::{Bucket, InviteTag, NewAccount, Store, StoreError, TokenHash};

pub(crate) async fn makes_an_account(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let session = user.session(NOW).await.expect("the session holds");
    assert!(session.account == user.account && session.epoch == user.epoch);
    assert_eq!(session.current_epoch, user.epoch);
    assert_eq!(session.keyring_version, 1);
    let listing = store.listing(user.account, user.epoch).await.expect("lists");
    assert_eq!((listing.index.counter, listing.personas.len()), (1, 0));
    let devices = store.devices(user.account).await.expect("lists");
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].revision, 1);
}

pub(crate) async fn is_the_same_when_repeated(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let mut again = new_account(1);
    again.session.token = TokenHash([50; 32]);
    store.register(again).await.expect("the same bytes are the same registration");
    assert!(user.session(NOW).await.is_none(), "its answer was lost");
    assert!(store.session(&TokenHash([50; 32]), NOW).await.expect("answers").is_some());

    let mut other = new_account(1);
    other.digest = [9; 32];
    other.session.token = TokenHash([51; 32]);
    assert_refused!(store.register(other).await, StoreError::AttemptRefused);
    let mut late = new_account(1);
    late.now = NOW + 1800;
    late.session.token = TokenHash([52; 32]);
    assert_refused!(store.register(late).await, StoreError::AttemptRefused);
}

pub(crate) async fn refuses_what_is_taken(store: &dyn Store) {
    User::register(store, 1).await;
    assert_refused!(store.open_registration(new_registration(1)).await, StoreError::Taken);

    // Two started for one address; the first to finish has it.
    let mut second = new_registration(2);
    second.id = [20; 16];
    store.open_registration(second).await.expect("opens");
    User::register(store, 2).await;
    let mut loser = new_account(2);
    loser.attempt = [20; 16];
    loser.account = AccountId::from_bytes([22; 16]);
    loser.session = session(22);
    loser.device.id = loser.session.device;
    assert_refused!(store.register(loser).await, StoreError::Taken);

    // A taken account id.
    store.open_registration(new_registration(3)).await.expect("opens");
    let mut same_id = new_account(3);
    same_id.account = AccountId::from_bytes([1; 16]);
    assert_refused!(store.register(same_id).await, StoreError::Taken);
    // It has changed nothing: the attempt is still good.
    store.register(new_account(3)).await.expect("registers");
}

pub(crate) async fn refuses_tickets_that_do_not_hold(store: &dyn Store) {
    assert_refused!(store.register(new_account(1)).await, StoreError::AttemptRefused);
    store.open_registration(new_registration(1)).await.expect("opens");
    let mut late = new_account(1);
    late.now = NOW + 1800;
    assert_refused!(store.register(late).await, StoreError::AttemptRefused);
    let mut elsewhere = new_account(1);
    elsewhere.address = address(2);
    assert_refused!(store.register(elsewhere).await, StoreError::AttemptRefused);
    // A login's attempt is no registration's.
    store.open_attempt(new_attempt(2, 2, Bucket::Strangers, NOW)).await.expect("opens");
    assert_refused!(store.register(new_account(2)).await, StoreError::AttemptRefused);
}

pub(crate) async fn refuses_epochs_that_are_incomplete(store: &dyn Store) {
    store.open_registration(new_registration(1)).await.expect("opens");
    let cases: [fn(&mut NewAccount); 12] = [
        |new| new.epoch.record.0.truncate(191),
        |new| new.epoch.slots.truncate(1),
        |new| new.epoch.slots[1].kind = SlotKind::Password,
        |new| new.epoch.slots[0].generation = 2,
        |new| new.epoch.slots[0].sealed.0.resize(4097, 0),
        |new| new.epoch.phrase_verifier.0.clear(),
        |new| new.epoch.root_verifier.0.push(0),
        |new| new.epoch.keyring.version = 2,
        |new| new.epoch.index.counter = 0,
        |new| new.device.revision = 0,
        |new| new.account = AccountId::from_bytes([0; 16]),
        |new| new.device.id = session(9).device,
    ];
    for case in cases {
        let mut new = new_account(1);
        case(&mut new);
        assert_refused!(store.register(new).await, StoreError::Invalid(_));
    }
    store.register(new_account(1)).await.expect("the whole one is taken");
}

pub(crate) async fn spends_invitations(store: &dyn Store) {
    let tag = InviteTag([8; 32]);
    let start = |n, now| {
        let mut registration = new_registration(n);
        registration.invite = Some(tag);
        registration.now = now;
        store.open_registration(registration)
    };
    assert_refused!(start(1, NOW).await, StoreError::InviteRefused);
    store.create_invite(tag, NOW, NOW + 100, 1).await.expect("creates");
    assert_refused!(start(1, NOW + 100).await, StoreError::InviteRefused);
    start(1, NOW).await.expect("opens");
    start(2, NOW).await.expect("starting spends nothing");
    store.register(new_account(1)).await.expect("registers");
    assert_refused!(store.register(new_account(2)).await, StoreError::InviteRefused);
    assert_refused!(start(3, NOW).await, StoreError::InviteRefused);
    // Who has no invitation doesn't learn that an address is taken.
    assert_refused!(start(1, NOW).await, StoreError::InviteRefused);
    // Repeating the one that was paid for costs nothing.
    let mut again = new_account(1);
    again.session.token = TokenHash([50; 32]);
    store.register(again).await.expect("the same again");
}

pub(crate) async fn counts_with_logins(store: &dyn Store) {
    for id in 0..2 {
        store.open_attempt(new_attempt(1, 100 + id, Bucket::Strangers, NOW)).await.expect("opens");
    }
    store.open_registration(new_registration(1)).await.expect("the last of the hour");
    let mut next = new_registration(1);
    next.id = [99; 16];
    assert_refused!(store.open_registration(next).await, StoreError::TooMany { .. });
    assert_eq!(LIMITS.attempts_per_hour, 3);
}
