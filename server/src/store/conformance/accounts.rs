//! Accounts as a whole: seen by the operator, disabled and enabled.

use super::fixtures::{NOW, User, address, assert_refused, new_account, new_attempt, persona};
use super::resets::{mailed, new_reset};
use crate::store::{AccountName, Bucket, Held, Store, StoreError, TokenHash};

pub(crate) async fn are_listed_and_shown(store: &dyn Store) {
    let user = User::register(store, 2).await;
    User::register(store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"bytes")).await;
    let entries = store.account_entries(None).await.expect("answers");
    let ids: Vec<_> = entries.iter().map(|entry| entry.account.as_bytes()[0]).collect();
    assert_eq!(ids, [1, 2]);
    let rest = store.account_entries(Some(entries[0].account)).await.expect("answers");
    assert_eq!((rest.len(), rest[0].account), (1, user.account));
    assert!(store.account_entries(Some(user.account)).await.expect("answers").is_empty());

    for name in [AccountName::Address(address(2)), AccountName::Id(user.account)] {
        let entry = store.account_entry(name).await.expect("answers").expect("is there");
        assert_eq!((entry.account, entry.sealed_address), (user.account, vec![2; 40]));
        assert_eq!((entry.created_at, entry.last_login_at), (NOW, Some(NOW)));
        assert_eq!((entry.disabled_at, entry.locked), (None, Held::default()));
        let facts = store.account(user.account, user.epoch).await.expect("answers");
        assert_eq!(entry.held, Held { personas: 1, bytes: facts.held_bytes });
    }
    let nobody = store.account_entry(AccountName::Address(address(3))).await;
    assert!(nobody.expect("answers").is_none());
}

pub(crate) async fn let_nobody_in_while_disabled(store: &dyn Store) {
    let user = User::register(store, 1).await;
    let other = User::register(store, 2).await;
    user.commit(user.push(persona(1), 0, 1, b"bytes")).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    assert!(store.disable_account(user.account, NOW).await.expect("disables"));
    assert!(!store.disable_account(user.account, NOW).await.expect("answers"), "it is");

    assert!(user.session(NOW).await.is_none(), "its sessions end");
    assert!(other.session(NOW).await.is_some(), "others don't");
    let found = store.open_attempt(new_attempt(1, 101, Bucket::Strangers, NOW)).await;
    assert!(found.expect("opens").is_none(), "as an unknown address");
    let begun = user.finish(100, NOW).await.map(drop);
    assert_refused!(begun, StoreError::AttemptRefused);
    let again = store.register(new_account(1)).await;
    assert_refused!(again, StoreError::AttemptRefused);
    let taken = store.open_registration(super::fixtures::new_registration(1)).await;
    assert_refused!(taken, StoreError::Taken);
    assert!(store.session(&TokenHash([1; 32]), NOW).await.expect("answers").is_none());
    mailed(store, 1, 103).await;
    let reset = store.open_reset(new_reset(1, 103, Some(1))).await.map(drop);
    assert_refused!(reset, StoreError::CodeRefused);

    assert!(store.enable_account(user.account, NOW).await.expect("enables"));
    assert!(!store.enable_account(user.account, NOW).await.expect("answers"), "it is");
    assert!(user.session(NOW).await.is_none(), "what has ended stays so");
    user.attempt(102, Bucket::Strangers, NOW).await.expect("opens");
    user.finish(102, NOW).await.expect("logs in");
    assert_eq!(user.content(persona(1), None).await.expect("reads"), b"bytes");
}

pub(crate) async fn lose_all_sessions_when_told(store: &dyn Store) {
    let user = User::register(store, 1).await.logged_in(100).await;
    let other = User::register(store, 2).await;
    assert_eq!(store.end_sessions(user.account).await.expect("ends"), 2);
    assert_eq!(store.end_sessions(user.account).await.expect("ends"), 0);
    assert!(store.session(&TokenHash([100; 32]), NOW).await.expect("answers").is_none());
    assert!(other.session(NOW).await.is_some());
}
