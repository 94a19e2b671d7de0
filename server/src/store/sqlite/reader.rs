//! Readers: a few threads, each with a connection, each job one snapshot.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;
use crate::store::tx::{RowsError, Tx};

/// Jobs that may wait; more of them make callers wait to queue.
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The reading threads. They end when this is dropped.
pub(crate) struct Readers {
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts one thread a connection.
    pub(crate) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads = connections
            .into_iter()
            .map(|connection| {
                let queue = Arc::clone(&queue);
                std::thread::Builder::new()
                    .name("rows-reader".into())
                    .spawn(move || serve(&connection, &queue))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs a function on one snapshot of the rows.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Who asked may have gone; then nobody needs the answer.
            let _ = reply.send(snapshot(connection, work));
        });
        let jobs = self.jobs.as_ref().ok_or(RowsError::NoAnswer)?;
        jobs.send(job).await.map_err(|_| RowsError::NoAnswer)?;
        answer.await.map_err(|_| RowsError::NoAnswer)?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // it has said what was wrong to who asked
        }
    }
}

fn serve(connection: &Connection, queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // The lock is held while waiting: one thread waits for the job, the others for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = next else { return };
        let job = std::panic::AssertUnwindSafe(|| job(connection));
        // A panic drops the job's reply, which its caller sees; the connection stays good,
        // since the transaction guard has rolled back.
        let _ = std::panic::catch_unwind(job);
    }
}

fn snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let result = work(&mut Tx::on(&transaction));
    transaction.finish()?;
    result
}
