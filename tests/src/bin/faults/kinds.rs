//! The kinds of faults: what each counts, how many each tier wants, and what runs them.

mod errno;
mod full;
mod http;
mod kill;
mod linear;
mod network;
mod power;
mod replay;
mod secrets;
mod slow;

pub(crate) use replay::clock;

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::Tier;
use crate::place::{Place, Tally};

/// A kind of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Everything that was not synced is lost.
    Power,
    /// Disks that a crash could leave, built from what was written.
    Replay,
    /// Processes are ended without warning.
    Kill,
    /// System calls fail.
    Errno,
    /// Many clients commit to one persona at once.
    Linear,
    /// Disks without room, or without inodes.
    Full,
    /// Connections that are cut, slow, or dead.
    Network,
    /// Clients that are slow on purpose.
    Slow,
    /// Malformed requests.
    Http,
    /// What may be found nowhere.
    Secrets,
}

/// How a unit ended.
pub(crate) enum Outcome {
    /// What it did, and figures to report.
    Done(Tally, BTreeMap<String, String>),
    /// Why it can't be run here.
    NotRun(String),
}

impl From<Tally> for Outcome {
    fn from(tally: Tally) -> Self {
        Self::Done(tally, BTreeMap::new())
    }
}

impl Kind {
    /// All of them, in the order in which they run.
    pub(crate) const ALL: [Self; 10] = [
        Self::Power,
        Self::Replay,
        Self::Kill,
        Self::Errno,
        Self::Linear,
        Self::Full,
        Self::Network,
        Self::Slow,
        Self::Http,
        Self::Secrets,
    ];

    /// As the command line has it.
    pub(crate) const fn name(self) -> &'static str {
        self.row().0
    }

    /// What is counted.
    pub(crate) const fn counts(self) -> &'static str {
        self.row().1
    }

    /// How many of those a tier wants.
    pub(crate) const fn wanted(self, tier: Tier) -> u64 {
        let [continuous, release, moonshot] = self.row().2;
        match tier {
            Tier::Continuous => continuous,
            Tier::Release => release,
            Tier::Moonshot => moonshot,
        }
    }

    const fn row(self) -> (&'static str, &'static str, [u64; 3]) {
        match self {
            Self::Power => ("power", "power cuts", [12, 2_000, 10_000]),
            Self::Replay => ("replay", "states of a disk", [10, 300, 10_000]),
            Self::Kill => ("kill", "kills", [60, 5_000, 100_000]),
            Self::Errno => ("errno", "injected errors", [60, 10_000, 100_000]),
            Self::Linear => ("linear", "operations", [4_000, 200_000, 5_000_000]),
            Self::Full => ("full", "refusals for want of room", [10, 300, 10_000]),
            Self::Network => ("network", "broken links", [12, 500, 20_000]),
            Self::Slow => ("slow", "slow clients", [30, 1_000, 10_000]),
            Self::Http => ("http", "malformed requests", [60, 600, 10_000]),
            Self::Secrets => ("secrets", "places searched", [5, 50, 500]),
        }
    }

    /// Runs one unit. What it finds is a panic.
    pub(crate) fn run(self, place: &mut Place) -> Outcome {
        match self {
            Self::Power => power::unit(place),
            Self::Replay => replay::unit(place),
            Self::Kill => kill::unit(place),
            Self::Errno => errno::unit(place),
            Self::Linear => linear::unit(place),
            Self::Full => full::unit(place),
            Self::Network => network::unit(place),
            Self::Slow => slow::unit(place),
            Self::Http => http::unit(place),
            Self::Secrets => secrets::unit(place),
        }
    }
}
