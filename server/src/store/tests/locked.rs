//! The end of an account in which a reset has locked something: which rows go, and which stay.

use rusqlite::Connection;

use super::fresh;
use crate::store::conformance::deletion::deletion;
use crate::store::conformance::resets::{displace, undo};
use crate::store::conformance::{NOW, User, letter, new_attempt, new_registration, persona};
use crate::store::{
    AccountDeletion, AccountName, AccountStore as _, Bucket, DATABASE, EpochChoice, ProvenLogin,
    Store as _, StoreError, TokenHash,
};

const LATER: i64 = NOW + 31 * 24 * 60 * 60;

/// Rows that belong to an account, in every table that has such.
fn rows(connection: &Connection) -> Vec<(String, i64)> {
    let tables = "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
        ON c.name = 'account_id' WHERE m.type = 'table' AND m.name <> 'outbox'";
    let mut statement = connection.prepare(tables).expect("prepares");
    let names = statement.query_map([], |row| row.get::<_, String>(0)).expect("runs");
    names
        .map(|name| {
            let name = name.expect("a name");
            let sql = format!("SELECT COUNT(*) FROM {name}");
            let rows = connection.query_row(&sql, [], |row| row.get(0)).expect("counts");
            (name, rows)
        })
        .collect()
}

/// Whoever got in by the mailbox deletes what he made, and nothing else.
#[tokio::test]
async fn what_is_locked_outlives_the_account_that_locked_it() {
    let (store, dir) = fresh();
    let user = User::register(&store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"locked")).await;
    let old = user.epoch;
    displace(&store, 1, 100).await;
    let session = store.session(&TokenHash([100; 32]), NOW).await.expect("answers");
    let session = session.expect("it holds");
    assert_ne!(session.epoch, old);
    user.attempt(101, Bucket::Strangers, NOW).await.expect("opens");
    let login = ProvenLogin { epoch: session.epoch, ..user.proven(101) };
    let end = AccountDeletion { session: Some(session.id), login, ..deletion(&user, 101) };
    let deleted = store.delete_account(end).await.expect("deletes");
    assert_eq!(deleted.locked_personas, 1);

    // The address stays, and leads nowhere but to the older epoch.
    let login = |id, epoch| {
        let mut attempt = new_attempt(1, id, Bucket::Strangers, NOW);
        attempt.epoch = epoch;
        store.open_attempt(attempt)
    };
    assert!(login(102, EpochChoice::Current).await.expect("opens").is_none());
    assert!(
        login(103, EpochChoice::Named(old))
            .await
            .expect("opens")
            .is_some_and(|found| found.epoch == old)
    );
    let taken = store.open_registration(new_registration(1)).await;
    assert!(matches!(taken, Err(StoreError::Taken)), "{taken:?}");
    store.sweep(LATER).await.expect("sweeps");
    store.sweep(LATER * 2).await.expect("sweeps");
    assert_eq!(user.content(persona(1), None).await.expect("reads"), b"locked");
    let entry = store.account_entry(AccountName::Id(user.account)).await.expect("answers");
    let entry = entry.expect("is there");
    assert_eq!((entry.is_nameless(), entry.closed_at), (false, Some(NOW)));
    assert_eq!((entry.held.bytes, entry.locked.personas), (0, 1));
    let connection = Connection::open(dir.path().join(DATABASE)).expect("opens");
    let slots = "SELECT COUNT(*) FROM slots WHERE epoch_id = $1";
    let closed: i64 =
        connection.query_row(slots, [session.epoch.as_bytes()], |row| row.get(0)).expect("counts");
    assert_eq!(closed, 0, "what was closed is purged");

    // Only the operator ends that, too.
    store.purge_account(user.account, letter(8), NOW).await.expect("purges");
    for (table, rows) in rows(&connection) {
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn a_purge_goes_in_batches_and_leaves_no_row() {
    let (store, dir) = fresh();
    let user = User::register(&store, 1).await;
    user.commit_all((0..230).map(|n| user.push(persona(1), n, n + 1, b"x"))).await;
    user.commit(user.push(persona(2), 0, 231, b"bytes")).await;
    user.attempt(100, Bucket::Strangers, NOW).await.expect("opens");
    store.delete_account(deletion(&user, 100)).await.expect("deletes");
    let connection = Connection::open(dir.path().join(DATABASE)).expect("opens");
    assert!(rows(&connection).contains(&("versions".to_owned(), 231)), "nothing is gone yet");
    store.sweep(LATER).await.expect("sweeps");
    let left = rows(&connection);
    assert!(left.len() > 8, "{left:?}");
    for (table, rows) in left {
        assert_eq!(rows, 0, "{table}");
    }
    let accounts: i64 = connection
        .query_row("SELECT COUNT(*) FROM accounts", [], |row| row.get(0))
        .expect("counts");
    assert_eq!(accounts, 0);
}

/// Nor does he cut the way back, by a second epoch over one that he deleted and time has purged.
///
/// Holds rule 29.
#[tokio::test]
async fn the_way_back_outlives_what_it_leads_through() {
    let (store, _dir) = fresh();
    let user = User::register(&store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"locked")).await;
    displace(&store, 1, 100).await;
    store.close_account(user.account, letter(120), NOW).await.expect("closes");
    displace(&store, 1, 101).await;
    store.sweep(LATER).await.expect("sweeps");
    let epochs = store.epochs(user.account).await.expect("lists");
    assert_eq!(epochs.len(), 2, "what he deleted is purged");
    let back = store.undo_reset(undo(1, 1, 60)).await.expect("undoes");
    assert_eq!(back, (user.epoch, true));
}
