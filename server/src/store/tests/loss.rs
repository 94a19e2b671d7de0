//! What a lost or older database must not cost: the bytes of parts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use super::{KEY, fresh, open, try_open};
use crate::store::conformance::{LIMITS, User, blob, persona};
use crate::store::{CommitBytes, DATABASE, DataDir, OpenError, SqlStore, Store, mark_beginning};

const DAY_S: i64 = 24 * 60 * 60;

fn now() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is after 1970");
    i64::try_from(since.as_secs()).expect("fits")
}

/// The files in the directories under `blobs`, but for those set aside.
fn parts(dir: &TempDir) -> Vec<PathBuf> {
    let files = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).expect("lists");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    let directories = files(&dir.path().join("blobs"));
    directories.iter().filter(|path| !path.ends_with("lost")).flat_map(|path| files(path)).collect()
}

fn lost(dir: &TempDir) -> usize {
    fs::read_dir(dir.path().join("blobs/lost")).map_or(0, Iterator::count)
}

async fn push_part(user: &User<'_>, base: u64) {
    let content = vec![base.to_le_bytes()[0]; 100_000];
    let mut push = user.push(persona(1), base, base + 1, b"");
    push.head.blob = Some(blob(100_000));
    push.bytes = Some(CommitBytes::Part(user.part(&content).await));
    user.commit(push).await;
}

/// Makes a database durable in its one file, and copies it.
fn save(dir: &TempDir) -> Vec<u8> {
    for suffix in ["-wal", "-shm"] {
        assert!(!dir.path().join(format!("{DATABASE}{suffix}")).exists(), "it was closed");
    }
    fs::read(dir.path().join(DATABASE)).expect("reads")
}

#[tokio::test]
async fn a_lost_database_is_not_begun_anew() {
    let (store, dir) = fresh();
    let user = User::register(&store, 1).await;
    push_part(&user, 0).await;
    drop(store);
    let database = save(&dir);
    for lose in [|path: &Path| fs::remove_file(path), |path: &Path| fs::write(path, b"")] {
        lose(&dir.path().join(DATABASE)).expect("loses it");
        assert!(matches!(try_open(&dir), Err(OpenError::Lost(_))), "its key is older");
        mark_beginning(dir.path()).expect("marks");
        assert!(matches!(try_open(&dir), Err(OpenError::Lost(_))), "there are blobs");
        fs::remove_file(dir.path().join("keybackup.new")).expect("removes");
    }
    assert_eq!(parts(&dir).len(), 1);
    fs::write(dir.path().join(DATABASE), database).expect("restores");
    let store = open(&dir);
    let user = User::again(&store, 1).await;
    assert_eq!(user.content(persona(1), None).await.expect("reads"), vec![0; 100_000]);
}

#[tokio::test]
async fn an_older_database_loses_no_newer_part() {
    let (store, dir) = fresh();
    let user = User::register(&store, 1).await;
    push_part(&user, 0).await;
    drop(store);
    let older = save(&dir);
    let store = open(&dir);
    let user = User::again(&store, 1).await;
    for version in 1..3 {
        push_part(&user, version).await;
    }
    drop(store);
    let newer = save(&dir);

    fs::write(dir.path().join(DATABASE), older).expect("restores");
    let store = open(&dir);
    let later = now() + 2 * DAY_S;
    store.sweep(later).await.expect("sweeps");
    assert_eq!((parts(&dir).len(), lost(&dir)), (3, 0), "the first sweep only warns");
    store.sweep(later).await.expect("sweeps");
    assert_eq!((parts(&dir).len(), lost(&dir)), (1, 2));
    store.sweep(later + 30 * DAY_S).await.expect("sweeps");
    assert_eq!(lost(&dir), 2, "kept for thirty days");
    drop(store);

    fs::write(dir.path().join(DATABASE), newer).expect("restores");
    let store = open(&dir);
    store.sweep(later).await.expect("sweeps");
    assert_eq!((parts(&dir).len(), lost(&dir)), (3, 0));
    let user = User::again(&store, 1).await;
    assert_eq!(user.content(persona(1), None).await.expect("reads"), vec![2; 100_000]);
}

#[tokio::test]
async fn what_is_set_aside_goes_after_thirty_days() {
    let (store, dir) = fresh();
    let user = User::register(&store, 1).await;
    user.part(&vec![1; 100_000]).await;
    store.sweep(now()).await.expect("sweeps");
    let later = now() + 2 * DAY_S;
    store.sweep(later).await.expect("sweeps");
    assert_eq!((parts(&dir).len(), lost(&dir)), (0, 1));
    store.sweep(later + 30 * DAY_S + 1).await.expect("sweeps");
    assert_eq!(lost(&dir), 0);
}

#[tokio::test]
async fn administration_opens_what_is_there() {
    let (store, dir) = fresh();
    let data = DataDir::open_existing(dir.path()).expect("opens");
    let admin = SqlStore::open_existing(&data, &KEY, LIMITS).expect("opens");
    admin.health().await.expect("is healthy");
    drop((store, admin));
    assert!(matches!(SqlStore::open_existing(&data, &[8; 32], LIMITS), Err(OpenError::WrongKey)));
}
