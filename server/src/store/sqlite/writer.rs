//! The writer: one thread, one connection. Jobs that wait together share a transaction and so
//! one fsync; each has its savepoint, so that one that fails takes nothing back but its own; and
//! none is answered before the commit is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use crate::store::tx::{RowsError, Tx, is_full};
use crate::store::{OpenError, StoreError};

/// Jobs that may wait; more of them make callers wait to queue.
const QUEUE: usize = 1024;
/// Most jobs of one transaction, so that the first of them doesn't wait for ever.
const GROUP: usize = 256;

/// The writing thread. It ends, after what is queued, when this is dropped.
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// Opens the connection, at the start and again after an I/O error.
pub(crate) type Reopen = Box<dyn Fn() -> Result<Connection, OpenError> + Send>;

impl Writer {
    /// Starts the thread with a connection that is open already.
    pub(crate) fn start(connection: Connection, reopen: Reopen) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("rows-writer".into())
            .spawn(move || Thread { connection: Some(connection), reopen, queue }.serve())?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a function in a savepoint; returns its result once the commit is durable.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), outcome: None, reply };
        let jobs = self.jobs.as_ref().ok_or(RowsError::NoAnswer)?;
        jobs.send(Box::new(task)).await.map_err(|_| RowsError::NoAnswer)?;
        answer.await.map_err(|_| RowsError::NoAnswer)?
    }

    /// Queues a function whose loss would not matter, and waits for nothing.
    pub(crate) fn post<F>(&self, work: F)
    where
        F: FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let (reply, _) = oneshot::channel();
        if let Some(jobs) = &self.jobs {
            let _ = jobs.try_send(Box::new(Task { work: Some(work), outcome: None, reply }));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic of it has been seen by every caller
        }
    }
}

/// A job of any type.
trait Job: Send {
    /// Does the work; false when it is to be rolled back.
    fn work(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Whether the work failed because the disk is full.
    fn met_full(&self) -> bool;
    /// Answers with the outcome, if the group's commit stands.
    fn answer(self: Box<Self>, fate: &Fate);
}

struct Task<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Task<F, T>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn work(&mut self, tx: &mut Tx<'_>) -> bool {
        self.outcome = self.work.take().map(|work| work(tx));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn met_full(&self) -> bool {
        matches!(self.outcome, Some(Err(StoreError::Full)))
    }

    fn answer(self: Box<Self>, fate: &Fate) {
        let result = match self.outcome {
            // Refused for its own reasons, and rolled back, whatever the others' fate.
            Some(Err(error)) => Err(error),
            outcome => fate.check().and(outcome.unwrap_or(Err(RowsError::NoAnswer.into()))),
        };
        // Who asked may have gone; what was committed stands all the same.
        let _ = self.reply.send(result);
    }
}

/// Why a group was lost.
enum Lost {
    /// A statement of ours failed.
    Driver(rusqlite::Error),
    /// `SQLite` rolled back everything within a job, as it may when the disk is full.
    RolledBack { full: bool },
}

impl From<rusqlite::Error> for Lost {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error)
    }
}

/// What became of a group.
enum Fate {
    Committed,
    Full,
    Failed(Arc<RowsError>),
}

impl Fate {
    fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Committed => Ok(()),
            Self::Full => Err(StoreError::Full),
            Self::Failed(error) => Err(StoreError::Rows(Box::new(Arc::clone(error)))),
        }
    }
}

impl From<Lost> for Fate {
    fn from(lost: Lost) -> Self {
        let error = match lost {
            Lost::RolledBack { full: true } => return Self::Full,
            Lost::RolledBack { full: false } => RowsError::NoAnswer,
            Lost::Driver(error) => RowsError::from(error),
        };
        if is_full(&error) { Self::Full } else { Self::Failed(Arc::new(error)) }
    }
}

struct Thread {
    connection: Option<Connection>,
    reopen: Reopen,
    queue: mpsc::Receiver<Box<dyn Job>>,
}

impl Thread {
    fn serve(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let mut group = Vec::new();
            let fate = self.commit_group(first, &mut group);
            for job in group {
                job.answer(&fate);
            }
        }
    }

    fn commit_group(&mut self, first: Box<dyn Job>, group: &mut Vec<Box<dyn Job>>) -> Fate {
        let connection = match self.connection.take().map_or_else(&self.reopen, Ok) {
            Ok(connection) => connection,
            Err(error) => {
                group.push(first);
                return match error {
                    OpenError::Database(error) => Lost::Driver(error).into(),
                    _ => Fate::Failed(Arc::new(RowsError::NoAnswer)),
                };
            }
        };
        let result = run_group(&connection, first, &mut self.queue, group);
        let is_sound = match &result {
            Ok(()) => true,
            Err(lost) => is_sound_after(lost) && roll_back(&connection),
        };
        // After an I/O error nothing that the connection believes is relied upon: dropping it
        // discards its cache, and the next group opens the file anew.
        self.connection = is_sound.then_some(connection);
        result.map_or_else(Fate::from, |()| Fate::Committed)
    }
}

/// Runs jobs until none waits, or the group is large; then commits. All that it took are in
/// `group` in the end, whatever the result.
fn run_group(
    connection: &Connection,
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> Result<(), Lost> {
    if let Err(error) = run(connection, "BEGIN IMMEDIATE") {
        group.push(first);
        return Err(error);
    }
    let mut next = Some(first);
    while let Some(mut job) = next.take() {
        let done = run_job(connection, &mut *job);
        group.push(job);
        done?;
        if group.len() < GROUP {
            next = queue.try_recv().ok();
        }
    }
    run(connection, "COMMIT")
}

/// Runs one job in its savepoint. An error means that the whole transaction is lost.
fn run_job(connection: &Connection, job: &mut dyn Job) -> Result<(), Lost> {
    run(connection, "SAVEPOINT job")?;
    // A panic is a bug, but one caller's: the savepoint makes it as if it had not been asked.
    let kept = catch_unwind(AssertUnwindSafe(|| job.work(&mut Tx::on(connection))));
    if connection.is_autocommit() {
        return Err(Lost::RolledBack { full: job.met_full() });
    }
    if !kept.unwrap_or(false) {
        run(connection, "ROLLBACK TO job")?;
    }
    run(connection, "RELEASE job")
}

fn run(connection: &Connection, sql: &'static str) -> Result<(), Lost> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Whether a connection may be used on after a loss.
fn is_sound_after(lost: &Lost) -> bool {
    match lost {
        Lost::RolledBack { full } => *full,
        Lost::Driver(error) => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        ),
    }
}

fn roll_back(connection: &Connection) -> bool {
    connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
}

#[cfg(test)]
mod tests;
