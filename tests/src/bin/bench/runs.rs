//! All that was measured, one entry a step and round, and the medians of it.

use std::fmt;

use serde::Serialize;

use crate::measure::{Cost, ServerCost};

/// A step of one tool's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    Register,
    Login,
    /// One Argon2id at the price of suite 1, in a process of its own.
    Argon2id,
    Push,
    /// The same push again, when nothing changed.
    Again,
    Pull,
}

impl Step {
    /// In the order of tables.
    pub(crate) const ALL: [Self; 6] =
        [Self::Register, Self::Login, Self::Argon2id, Self::Push, Self::Again, Self::Pull];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::Argon2id => "one Argon2id",
            Self::Push => "push",
            Self::Again => "push, unchanged",
            Self::Pull => "pull",
        })
    }
}

/// One step, once.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) set: &'static str,
    pub(crate) round: u32,
    pub(crate) tool: &'static str,
    pub(crate) step: Step,
    #[serde(flatten)]
    pub(crate) cost: Cost,
    /// Of its server, if it has one.
    pub(crate) server: Option<ServerCost>,
}

/// Several values of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }
}

/// All runs.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Runs(pub(crate) Vec<Run>);

impl Runs {
    /// The runs of one step.
    pub(crate) fn of<'a>(
        &'a self,
        set: &'a str,
        tool: &'a str,
        step: Step,
    ) -> impl Iterator<Item = &'a Run> {
        self.0.iter().filter(move |run| (run.set, run.tool, run.step) == (set, tool, step))
    }

    /// Seconds from start to end.
    pub(crate) fn wall_s(&self, set: &str, tool: &str, step: Step) -> Option<Spread> {
        Spread::of(self.of(set, tool, step).map(|run| run.cost.wall_s))
    }

    /// Peak of the programs, in KiB.
    pub(crate) fn peak_kib(&self, set: &str, tool: &str, step: Step) -> Option<Spread> {
        Spread::of(self.of(set, tool, step).map(|run| number(run.cost.peak_kib)))
    }

    /// Peak of the server, in KiB.
    pub(crate) fn server_peak_kib(&self, set: &str, tool: &str, step: Step) -> Option<Spread> {
        let servers = self.of(set, tool, step).filter_map(|run| run.server);
        Spread::of(servers.map(|server| number(server.peak_kib)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is counted beyond 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
