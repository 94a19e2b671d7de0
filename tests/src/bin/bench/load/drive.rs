//! Many clients at once, for some seconds.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::failure::Result;
use crate::measure::{ServerCost, Watch};
use crate::runs::number;

/// What a server did under load, once.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Load {
    pub(crate) round: u32,
    pub(crate) what: &'static str,
    /// Requests, logins or connections.
    pub(crate) count: u64,
    pub(crate) wall_s: f64,
    pub(crate) server: ServerCost,
}

impl Load {
    /// How many a second.
    pub(crate) fn per_s(&self) -> f64 {
        number(self.count) / self.wall_s
    }

    /// How many a second of the server's CPU time.
    pub(crate) fn per_cpu_s(&self) -> f64 {
        number(self.count) / self.server.cpu_s
    }
}

/// Where a load is driven: what it is called, by whom it is answered, for how long.
#[derive(Clone, Copy)]
pub(crate) struct Drive<'a> {
    pub(crate) round: u32,
    pub(crate) pids: &'a [u32],
    pub(crate) duration: Duration,
}

impl Drive<'_> {
    /// Has every client do its `work` again and again, on a thread of its own, until the time is
    /// over or the work says by `false` that there is no more of it.
    pub(crate) fn run<C: Send>(
        &self,
        what: &'static str,
        clients: &mut [C],
        work: impl Fn(&mut C) -> Result<bool> + Sync,
    ) -> Result<Load> {
        eprintln!("load, round {}: {what}", self.round);
        let watch = Watch::start(self.pids)?;
        let started = Instant::now();
        let count = thread::scope(|scope| {
            let one = |client: &mut C| {
                let mut count = 0;
                while started.elapsed() < self.duration && work(&mut *client)? {
                    count += 1;
                }
                Ok(count)
            };
            let threads: Vec<_> =
                clients.iter_mut().map(|client| scope.spawn(move || one(client))).collect();
            let counts = threads.into_iter().map(|it| it.join().expect("it returns its failures"));
            counts.sum::<Result<u64>>()
        })?;
        let wall_s = started.elapsed().as_secs_f64();
        Ok(Load { round: self.round, what, count, wall_s, server: watch.end()? })
    }
}
