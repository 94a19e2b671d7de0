//! What is special to `SQLite` and a local directory.

mod locked;
mod loss;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::conformance::{self, LIMITS, NOW, User, persona};
use super::{DataDir, InviteTag, OpenError, SqlStore, Store, StoreError, mark_beginning};

const KEY: [u8; 32] = [7; 32];

fn try_open(dir: &TempDir) -> Result<SqlStore, OpenError> {
    SqlStore::open(&DataDir::open(dir.path()).expect("opens"), &KEY, LIMITS)
}

fn open(dir: &TempDir) -> SqlStore {
    try_open(dir).expect("opens")
}

fn fresh() -> (SqlStore, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let data = DataDir::open(dir.path()).expect("opens");
    mark_beginning(data.path()).expect("marks");
    (open(&dir), dir)
}

mod conforms {
    use super::conformance::conformance;

    conformance!(crate::store::tests::fresh);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_opening_again() {
    let (store, dir) = fresh();
    let user = User::register(&store, 1).await;
    user.commit(user.push(persona(1), 0, 1, b"one")).await;
    drop(store);
    let store = open(&dir);
    let user = User::again(&store, 1).await;
    assert_eq!(user.content(persona(1), None).await.expect("reads"), b"one");
    assert!(user.session(NOW).await.is_some());
}

/// A disk that takes nothing more can still be read.
#[tokio::test]
async fn a_store_that_can_only_be_read_is_not_healthy() {
    let (store, dir) = fresh();
    let database = rusqlite::Connection::open(dir.path().join(super::DATABASE)).expect("opens");
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'full'); END";
    database.execute_batch(refuse).expect("makes it");
    assert!(store.health().await.is_err(), "no row is taken");
    database.execute_batch("DROP TRIGGER full").expect("drops it");
    let (blobs, elsewhere) = (dir.path().join("blobs"), dir.path().join("elsewhere"));
    std::fs::rename(&blobs, &elsewhere).expect("moves");
    assert!(store.health().await.is_err(), "no part is taken");
    std::fs::rename(&elsewhere, &blobs).expect("moves back");
    store.health().await.expect("is healthy");
    database.execute_batch(refuse).expect("makes it");
    store.health().await.expect("and was, a moment ago");
}

#[tokio::test]
async fn another_key_is_refused() {
    let (store, dir) = fresh();
    drop(store);
    let data = DataDir::open(dir.path()).expect("opens");
    assert!(matches!(SqlStore::open(&data, &[8; 32], LIMITS), Err(OpenError::WrongKey)));
}

/// Repeats what failed because another process kept the database busy for as long as a connection
/// waits, which slow disks explain. What fails sooner has another reason.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    const WAITED: Duration = Duration::from_secs(5);
    loop {
        let began = Instant::now();
        match ask().await {
            Ok(done) => return done,
            Err(StoreError::Rows(_)) if began.elapsed() > WAITED => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_second_process_administers_while_the_first_serves() {
    let (server, dir) = fresh();
    let admin = open(&dir);
    let user = User::register(&server, 1).await;
    let pushes = async {
        for version in 0..20 {
            let push = || server.commit(user.push(persona(1), version, version + 1, b"x"));
            assert_eq!(patiently(push).await, version + 1);
        }
    };
    let invites = async {
        for n in 0..20 {
            patiently(|| admin.create_invite(InviteTag([n; 32]), NOW, NOW + 10, 1)).await;
        }
    };
    tokio::join!(pushes, invites);
    // Each sees what both did.
    for store in [&server, &admin] {
        assert_eq!(store.invites(NOW).await.expect("lists").len(), 20);
        let listing = store.listing(user.account, user.epoch).await.expect("lists");
        assert_eq!(listing.personas[0].version, 20);
    }
}

/// Holds rule 15.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_swap_at_once_exactly_one_wins() {
    let (store, _dir) = fresh();
    let user = User::register(&store, 1).await;
    for round in 0..10 {
        let gate = Arc::new(tokio::sync::Barrier::new(64));
        let tasks: Vec<_> = (0..64)
            .map(|n: u8| {
                let (store, gate) = (store.clone(), Arc::clone(&gate));
                tokio::spawn(async move {
                    let user = User::again(&store, 1).await;
                    let push = user.push(persona(1), round, round + 1, &[n; 1000]);
                    gate.wait().await;
                    (n, store.commit(push).await)
                })
            })
            .collect();
        let mut winner = None;
        for task in tasks {
            match task.await.expect("no panic") {
                (n, Ok(version)) => {
                    assert_eq!(version, round + 1);
                    assert_eq!(winner.replace(n), None, "two have won");
                }
                (_, Err(StoreError::Conflict)) => {}
                (_, Err(other)) => panic!("{other:?}"),
            }
        }
        let content = user.content(persona(1), None).await.expect("reads");
        assert_eq!(content, vec![winner.expect("one has won"); 1000]);
    }
}
