//! What the server bears: many clients at once, on a fresh server in every round.

mod accounts;
mod connection;
mod drive;
mod gets;
mod idle;
mod logins;
mod pushes;

use std::path::Path;
use std::time::Duration;

use keybackup_tests::Server;
use serde::Serialize;

pub(crate) use drive::Load;
pub(crate) use gets::{NGINX, OURS as GETS};
pub(crate) use idle::IDLE;
pub(crate) use logins::{LOGINS, STARTS};
pub(crate) use pushes::{PUSHES_1, PUSHES_16};

use crate::failure::{At as _, Result};
use crate::runs::{Spread, number};
use accounts::Account;
use drive::Drive;
use pushes::Pusher;

/// All that was measured under load.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Loads(pub(crate) Vec<Load>);

impl Loads {
    fn of<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a Load> {
        self.0.iter().filter(move |load| load.what == what)
    }

    /// How many a second.
    pub(crate) fn per_s(&self, what: &str) -> Option<Spread> {
        Spread::of(self.of(what).map(Load::per_s))
    }

    /// How many a second of the server's CPU time.
    pub(crate) fn per_cpu_s(&self, what: &str) -> Option<Spread> {
        Spread::of(self.of(what).map(Load::per_cpu_s))
    }

    /// How many there were at least.
    pub(crate) fn least(&self, what: &str) -> Option<u64> {
        self.of(what).map(|load| load.count).min()
    }

    /// The server's peak with as many idle connections as DESIGN counts, in MiB: where fewer fit,
    /// in proportion, which is no less.
    pub(crate) fn idle_mib(&self) -> Option<f64> {
        let one = |load: &Load| number(load.server.peak_kib) / number(load.count);
        let a_connection = Spread::of(self.of(IDLE).map(one))?.median;
        Some(a_connection * number(idle::DESIGNED) / 1024.0)
    }

    /// The server's peak, in KiB.
    pub(crate) fn peak_kib(&self, what: &str) -> Option<Spread> {
        Spread::of(self.of(what).map(|load| number(load.server.peak_kib)))
    }
}

/// More logins a second than two cores answer, so that accounts don't run out of tries.
const LOGINS_A_SECOND: usize = 8_000;
/// A line of log for each request is the operator's choice; nginx writes none here either. The
/// limit of starts is of a network, and there is only one.
const FLAGS: [&str; 6] =
    ["--log-level", "warn", "--starts-per-hour", "1000000", "--max-connections", "20000"];

/// What is done in a round.
pub(crate) struct Plan {
    /// How long each kind of load is kept up.
    pub(crate) seconds: u64,
    /// How many connections are kept open, or as many as fit.
    pub(crate) connections: usize,
    /// Whether nginx has its turn.
    pub(crate) nginx: bool,
}

impl Plan {
    /// One round.
    pub(crate) fn round(&self, work: &Path, round: u32) -> Result<Vec<Load>> {
        let directory = work.join(format!("load-{round}"));
        std::fs::create_dir(&directory).at(&directory)?;
        let server = Server::on(&directory.join("data"), &FLAGS);
        let pids = [server.pid()];
        let duration = Duration::from_secs(self.seconds);
        let drive = Drive { round, pids: &pids, duration };
        let mut loads = self.requests(drive, &server, &directory)?;
        server.terminate();

        let count = idle::room(self.connections);
        let server = Server::on(&directory.join("another"), &FLAGS);
        let drive = Drive { pids: &[server.pid()], ..drive };
        loads.push(idle::idle(drive, server.address(), count)?);
        server.terminate();
        std::fs::remove_dir_all(&directory).at(&directory)?;
        Ok(loads)
    }

    fn requests(&self, drive: Drive<'_>, server: &Server, directory: &Path) -> Result<Vec<Load>> {
        let (url, address, round) = (&*server.url, server.address(), drive.round);
        let seconds = usize::try_from(self.seconds).unwrap_or(usize::MAX);
        let wanted = seconds.saturating_mul(LOGINS_A_SECOND).div_ceil(logins::TRIES);
        eprintln!("load, round {round}: registering");
        let accounts = accounts::register(url, wanted.max(pushes::CLIENTS))?;
        let push_as = |account: &Account| Pusher::new(address, account);
        let mut pushers =
            accounts[..pushes::CLIENTS].iter().map(push_as).collect::<Result<Vec<_>>>()?;
        let blob = gets::blob(address, &accounts[0])?;

        let mut loads = vec![
            logins::starts(drive, address, &accounts)?,
            logins::logins(drive, url, &accounts)?,
        ];
        // Whichever goes first meets another machine than the other: they take turns at that.
        for turn in 0..2 {
            if turn == round % 2 {
                loads.push(gets::ours(drive, address, &accounts[0])?);
            } else if self.nginx {
                loads.push(gets::nginx(drive, directory, &blob)?);
            }
        }
        loads.push(pushes::pushes(drive, PUSHES_16, &mut pushers, usize::MAX)?);
        loads.push(pushes::pushes(drive, PUSHES_1, &mut pushers, 1024)?);
        Ok(loads)
    }
}
