//! Groups: who shares a commit, and what each member hears.

use std::sync::mpsc as std_mpsc;

use super::*;
use crate::store::sqlite::open::{Purpose, open};
use crate::store::tx::values;

const ADD: &str = "INSERT INTO t (n) VALUES ($1)";
const COUNT: &str = "SELECT COUNT(*) FROM t";

struct Fixture {
    file: tempfile::NamedTempFile,
    writer: Writer,
}

fn fixture() -> Fixture {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_owned();
    let connection = open(&path, Purpose::Write).expect("opens");
    connection.execute_batch("CREATE TABLE t (n BYTEA NOT NULL UNIQUE)").expect("creates");
    let reopen = Box::new(move || open(&path, Purpose::Write));
    Fixture { writer: Writer::start(connection, reopen).expect("starts"), file }
}

impl Fixture {
    /// What another connection sees.
    fn seen(&self) -> i64 {
        let connection = open(self.file.path(), Purpose::Read).expect("opens");
        connection.query_row(COUNT, [], |row| row.get(0)).expect("counts")
    }

    async fn add(&self, n: &'static [u8]) -> Result<usize, StoreError> {
        self.writer.run(move |tx| tx.execute(ADD, values![n])).await
    }

    /// A job that keeps the writer busy, until the sender is dropped, so that jobs queue.
    async fn hold(&self) -> (std_mpsc::Sender<()>, impl Future<Output = Result<(), StoreError>>) {
        let (release, held) = std_mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let job = self.writer.run(move |_| {
            let _ = begun.send(());
            let _ = held.recv();
            Ok(())
        });
        let mut job = Box::pin(job);
        tokio::select! {
            _ = &mut job => panic!("the job waits"),
            begun = has_begun => begun.expect("begins"),
        }
        (release, job)
    }
}

#[tokio::test]
async fn a_failing_job_takes_back_only_its_own() {
    let fixture = fixture();
    let (release, held) = fixture.hold().await;
    let refused = fixture.writer.run(|tx| {
        tx.execute(ADD, values![b"refused"])?;
        Err::<(), _>(StoreError::Conflict)
    });
    let panicked = fixture.writer.run(|tx| -> Result<(), StoreError> {
        tx.execute(ADD, values![b"panicked"])?;
        panic!("a bug");
    });
    // Queued in this order: the futures of a join are first polled in order.
    let all = async {
        tokio::join!(
            fixture.add(b"first"),
            refused,
            fixture.add(b"first"),
            panicked,
            fixture.add(b"last"),
            async { drop(release) },
            held,
        )
    };
    let (first, refused, twice, panicked, last, (), held) = all.await;
    held.expect("succeeds");
    assert!(matches!((first, last), (Ok(1), Ok(1))));
    assert!(matches!(refused, Err(StoreError::Conflict)));
    assert!(matches!(twice, Err(StoreError::Rows(_))), "the unique constraint");
    assert!(matches!(panicked, Err(StoreError::Rows(_))));
    assert_eq!(fixture.seen(), 2);
}

#[tokio::test]
async fn waiting_jobs_share_one_commit() {
    let fixture = fixture();
    let path = fixture.file.path().to_owned();
    let (release, held) = fixture.hold().await;
    let look = fixture.writer.run(move |tx| {
        let outside = open(&path, Purpose::Read).expect("opens");
        let outside: i64 = outside.query_row(COUNT, [], |row| row.get(0)).expect("counts");
        Ok((outside, tx.row(COUNT, &[], |row| row.at::<i64>(0))?))
    });
    let (added, looked, (), _) =
        tokio::join!(fixture.add(b"one"), look, async { drop(release) }, held);
    assert!(matches!(added, Ok(1)));
    assert!(matches!(looked, Ok((0, Some(1)))), "done, and not committed yet");
    assert_eq!(fixture.seen(), 1);
}

#[tokio::test]
async fn a_full_disk_is_said_to_all_and_passes() {
    let fixture = fixture();
    fixture.add(b"old").await.expect("adds");
    let most = |pages: &'static str| {
        fixture.writer.run(move |tx| tx.row(pages, &[], |row| row.at::<i64>(0)))
    };
    most("PRAGMA max_page_count = 10").await.expect("sets");
    let (release, held) = fixture.hold().await;
    let large = fixture.writer.run(|tx| {
        let bytes = vec![0; 100_000];
        tx.execute(ADD, values![bytes.as_slice()])
    });
    let (small, large, (), _) =
        tokio::join!(fixture.add(b"small"), large, async { drop(release) }, held);
    assert!(matches!(large, Err(StoreError::Full)), "{large:?}");
    // Alone it would have fitted; with the other it was rolled back or kept, and says which.
    let kept = i64::from(small.is_ok());
    assert!(kept == 1 || matches!(small, Err(StoreError::Full)), "{small:?}");
    assert_eq!(fixture.seen(), 1 + kept);
    most("PRAGMA max_page_count = 1000000").await.expect("sets");
    fixture.add(b"new").await.expect("goes on");
    assert_eq!(fixture.seen(), 2 + kept);
}

#[tokio::test]
async fn a_failed_commit_is_an_error_for_all_and_the_writer_goes_on() {
    let fixture = fixture();
    let path = fixture.file.path().to_owned();
    let batch = "CREATE TABLE child (n BYTEA REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)";
    open(&path, Purpose::Write).expect("opens").execute_batch(batch).expect("creates");
    let (release, held) = fixture.hold().await;
    // A deferred constraint is looked at by the COMMIT alone.
    let orphan = fixture
        .writer
        .run(|tx| tx.execute("INSERT INTO child (n) VALUES ($1)", values![b"nobody"]));
    let (added, orphan, (), held) =
        tokio::join!(fixture.add(b"one"), orphan, async { drop(release) }, held);
    assert!(matches!(held, Err(StoreError::Rows(_))), "{held:?}");
    assert!(matches!(added, Err(StoreError::Rows(_))), "{added:?}");
    assert!(matches!(orphan, Err(StoreError::Rows(_))), "{orphan:?}");
    assert_eq!(fixture.seen(), 0);
    fixture.add(b"one").await.expect("goes on");
    assert_eq!(fixture.seen(), 1);
}

#[tokio::test]
async fn what_is_queued_is_done_before_it_ends() {
    let Fixture { file, writer } = fixture();
    writer.post(|tx| tx.execute(ADD, values![b"posted"]).map(drop));
    drop(writer);
    let connection = open(file.path(), Purpose::Read).expect("opens");
    let seen: i64 = connection.query_row(COUNT, [], |row| row.get(0)).expect("counts");
    assert_eq!(seen, 1);
}
