//! The end of an account: closed at once, its address free, its bytes there for 30 days.

use keybackup_protocol::{AccountId, EpochId};

use super::fixtures::{
    NOW, User, address, assert_refused, mail, new_account, new_attempt, new_registration, persona,
};
use crate::store::{
    AccountDeletion, AccountName, Bucket, Deleted, NewAccount, NewRegistration, ProvenLogin, Store,
    StoreError,
};

const KEPT_S: i64 = 30 * 24 * 60 * 60;

/// What user `user` deletes the account with, after login attempt `id`.
pub(crate) fn deletion(user: &User<'_>, id: u8) -> AccountDeletion {
    AccountDeletion {
        login: user.proven(id),
        session: Some(user.session_id),
        mail: mail(id),
        now: NOW,
    }
}

/// Registers the address of user 1 once more, as another account, with session 50.
async fn register_again(store: &dyn Store) -> Result<(), StoreError> {
    let attempt = NewRegistration { id: [50; 16], ..new_registration(1) };
    store.open_registration(attempt).await?;
    let another = new_account(50);
    store.register(NewAccount { address: address(1), ..another }).await
}

pub(crate) async fn frees_the_address_and_ends_access(store: &dyn Store) {
    let user = User::register(store, 1).await.logged_in(100).await;
    let other = User::register(store, 2).await;
    user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    user.attempt(102, Bucket::Strangers, NOW).await.expect("opens");
    let deleted = store.delete_account(deletion(&user, 101)).await.expect("deletes");
    assert_eq!(deleted, Deleted { held_until: NOW + KEPT_S, locked_personas: 0 });

    assert!(user.session(NOW).await.is_none());
    assert!(other.session(NOW).await.is_some(), "others don't end");
    assert_eq!(store.end_sessions(user.account).await.expect("answers"), 0, "none is left");
    let found = store.open_attempt(new_attempt(1, 103, Bucket::Device([100; 32]), NOW)).await;
    assert!(found.expect("opens").is_none(), "as an unknown address");
    assert_refused!(user.finish(102, NOW).await.map(drop), StoreError::AttemptRefused);
    assert_refused!(store.register(new_account(1)).await, StoreError::AttemptRefused);

    register_again(store).await.expect("registers");
    let account = store.account_entry(AccountName::Address(address(1))).await;
    let account = account.expect("answers").expect("is there");
    assert_eq!(account.account, AccountId::from_bytes([50; 16]));
    let listing = store.listing(account.account, EpochId::from_bytes([50; 16])).await;
    assert!(listing.expect("lists").personas.is_empty());
    let old = store.account_entry(AccountName::Id(user.account)).await.expect("answers");
    assert!(old.is_some_and(|old| old.is_nameless() && old.closed_at == Some(NOW)));
}

pub(crate) async fn is_answered_alike_when_repeated(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    let deleted = store.delete_account(deletion(&user, 100)).await.expect("deletes");
    register_again(store).await.expect("registers");
    let again = || AccountDeletion { session: None, ..deletion(&user, 100) };
    assert_eq!(store.delete_account(again()).await.expect("the answer was lost"), deleted);
    let other =
        AccountDeletion { login: ProvenLogin { digest: [7; 32], ..user.proven(100) }, ..again() };
    assert_refused!(store.delete_account(other).await, StoreError::SessionEnded);
    let late = AccountDeletion { now: NOW + 120, ..again() };
    assert_refused!(store.delete_account(late).await, StoreError::SessionEnded);
    let name = AccountName::Address(address(1));
    let named = store.account_entry(name).await.expect("answers").expect("is there");
    assert_eq!(named.closed_at, None, "the new account is nobody else's to delete");
}

pub(crate) async fn changes_nothing_when_refused(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let other = User::register(store, 2).await;
    let refused = async |deletion: AccountDeletion| {
        assert_refused!(store.delete_account(deletion).await, StoreError::AttemptRefused);
    };
    refused(deletion(&user, 99)).await;
    other.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    refused(deletion(&user, 100)).await;
    user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    user.finish(101, NOW).await.expect("finishes");
    refused(deletion(&user, 101)).await;
    user.attempt(102, Bucket::Strangers, NOW).await.expect("opens");
    let newer = ProvenLogin { generation: 2, ..user.proven(102) };
    refused(AccountDeletion { login: newer, ..deletion(&user, 102) }).await;
    refused(AccountDeletion { now: NOW + 120, ..deletion(&user, 102) }).await;
    let login = ProvenLogin { epoch: EpochId::from_bytes([9; 16]), ..user.proven(102) };
    let elsewhere = AccountDeletion { login, ..deletion(&user, 102) };
    assert_refused!(store.delete_account(elsewhere).await, StoreError::Stale);
    let nobody = AccountDeletion { session: None, ..deletion(&user, 102) };
    assert_refused!(store.delete_account(nobody).await, StoreError::SessionEnded);
    store.end_session(user.session_id).await.expect("ends");
    assert_refused!(store.delete_account(deletion(&user, 102)).await, StoreError::SessionEnded);
    user.attempt(103, Bucket::Strangers, NOW).await.expect("it is there");
}

pub(crate) async fn purges_after_thirty_days(store: &dyn Store) {
    let user = User::register(store, 1).await.logged_in(100).await;
    let other = User::register(store, 2).await;
    user.commit(user.push(persona(1), 0, 1, b"in a row")).await;
    let part = user.part(&vec![7; 100_000]).await;
    let mut large = user.push(persona(2), 0, 2, &[]);
    large.head.blob = Some(super::fixtures::blob(100_000));
    large.bytes = Some(crate::store::CommitBytes::Part(part));
    user.commit(large).await;
    other.commit(other.push(persona(1), 0, 1, b"other")).await;
    let blob = store.blob(user.account, persona(2), None).await.expect("is there");
    user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    store.delete_account(deletion(&user, 101)).await.expect("deletes");

    store.sweep(NOW + KEPT_S - 1).await.expect("sweeps");
    assert_eq!(user.content(persona(1), None).await.expect("reads"), b"in a row");
    assert_eq!(user.content(persona(2), None).await.expect("reads"), vec![7; 100_000]);
    store.sweep(NOW + KEPT_S).await.expect("sweeps");
    assert_refused!(user.content(persona(1), None).await, StoreError::Gone);
    assert_refused!(store.blob(user.account, persona(2), None).await.map(drop), StoreError::Gone);
    assert!(reading(store, &blob).await.is_err(), "the part is gone, too");
    let entry = store.account_entry(AccountName::Id(user.account)).await.expect("answers");
    assert!(entry.is_none());
    assert_eq!(other.content(persona(1), None).await.expect("reads"), b"other");
}

pub(crate) async fn purges_at_once_when_told(store: &dyn Store) {
    let user = User::register(store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"bytes")).await;
    store.purge_account(user.account, mail(8), NOW).await.expect("purges");
    let entry = store.account_entry(AccountName::Id(user.account)).await.expect("answers");
    assert!(entry.is_none());
    assert_refused!(user.content(persona(1), None).await, StoreError::Gone);
    assert_refused!(store.purge_account(user.account, mail(8), NOW).await, StoreError::Gone);
    let closed = store.close_account(user.account, mail(9), NOW).await.map(drop);
    assert_refused!(closed, StoreError::Gone);
    register_again(store).await.expect("registers");
}

async fn reading(store: &dyn Store, blob: &crate::store::Blob) -> Result<(), StoreError> {
    use futures_util::TryStreamExt as _;
    let stream = store.read(blob, 0..blob.bytes).await?;
    stream.try_collect::<Vec<_>>().await.map(drop)
}
