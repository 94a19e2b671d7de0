//! Connections that are kept open and do nothing, after one request each.

use std::time::Instant;

use keybackup_protocol::routes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::connection::{Connection, request};
use super::drive::{Drive, Load};
use crate::failure::Result;
use crate::measure::Watch;

pub(crate) const IDLE: &str = "idle connections";

/// As DESIGN counts them.
pub(crate) const DESIGNED: u64 = 10_000;
/// What else a process may have open.
const OTHER_FILES: u64 = 300;

/// How many of `count` connections fit, here and in a server that is started after this: the limit
/// of open files is raised as far as that goes, and a server counts two for each connection.
pub(crate) fn room(count: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = Some(2 * count as u64 + OTHER_FILES);
    let raise = |limit: &Option<u64>| {
        // Only root may raise the maximum; nobody wants it lowered.
        let maximum = if maximum.is_none() { None } else { maximum.max(*limit) };
        setrlimit(Resource::Nofile, Rlimit { current: *limit, maximum }).is_ok()
    };
    let files = [enough, maximum].into_iter().find(raise).unwrap_or(current);
    let room = files.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES) / 2);
    usize::try_from(room).unwrap_or(count).min(count)
}

/// Opens `count` connections.
pub(crate) fn idle(drive: Drive<'_>, address: &str, count: usize) -> Result<Load> {
    eprintln!("load, round {}: {IDLE}", drive.round);
    let request = request(&format!("GET {}", routes::STATUS), &[], b"");
    let watch = Watch::start(drive.pids)?;
    let started = Instant::now();
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Connection::open(address, IDLE)?;
        connection.exchange(&request)?;
        connections.push(connection);
    }
    let wall_s = started.elapsed().as_secs_f64();
    let server = watch.end()?;
    Ok(Load { round: drive.round, what: IDLE, count: count as u64, wall_s, server })
}
