//! DESIGN's figures, each with what was measured.

use serde::Serialize;

use crate::load::{self, Loads};
use crate::ours::NAME;
use crate::runs::{Run, Runs, Spread, Step};

/// What a figure asks for.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) wanted: Wanted,
    /// `None` where what it needs was not measured.
    pub(crate) measured: Option<f64>,
    /// Whether it is reached.
    pub(crate) met: Option<bool>,
}

impl Figure {
    fn new(
        what: impl Into<String>,
        unit: &'static str,
        wanted: Wanted,
        measured: Option<f64>,
    ) -> Self {
        let is_met = |measured| match wanted {
            Wanted::AtMost(most) => measured <= most,
            Wanted::AtLeast(least) => measured >= least,
        };
        Self { what: what.into(), unit, wanted, measured, met: measured.map(is_met) }
    }
}

/// Figures of times, ours and in proportion to others'.
const TIMES_MS: [(&str, Step, f64); 7] = [
    ("S", Step::Push, 20.0),
    ("S", Step::Again, 10.0),
    ("M", Step::Push, 300.0),
    ("M", Step::Again, 40.0),
    ("M", Step::Pull, 350.0),
    ("L", Step::Push, 2_200.0),
    ("L", Step::Pull, 2_200.0),
];
const RATIOS: [(&str, Step, &str, f64); 13] = [
    ("S", Step::Push, "restic", 20.0),
    ("S", Step::Push, "borg", 20.0),
    ("S", Step::Again, "restic", 40.0),
    ("M", Step::Push, "restic", 4.0),
    ("M", Step::Push, "borg", 5.0),
    ("M", Step::Push, "tar, zstd, age", 1.3),
    ("M", Step::Again, "restic", 14.0),
    ("M", Step::Pull, "restic", 2.4),
    ("L", Step::Push, "restic", 3.0),
    ("L", Step::Push, "borg", 4.0),
    ("L", Step::Push, "tar, zstd, age", 0.9),
    ("L", Step::Pull, "restic", 1.9),
    ("L", Step::Pull, "borg", 4.0),
];
const SETS: [&str; 3] = ["S", "M", "L"];

/// All figures.
pub(crate) fn figures(runs: &Runs, loads: &Loads) -> Vec<Figure> {
    let mut figures = times(runs);
    figures.push(login(runs));
    figures.extend(memory(runs));
    figures.extend(server(loads));
    figures
}

fn times(runs: &Runs) -> Vec<Figure> {
    let wall_ms = |set, tool, step| Some(runs.wall_s(set, tool, step)?.median * 1e3);
    let times = TIMES_MS.into_iter().map(|(set, step, most)| {
        let measured = wall_ms(set, NAME, step);
        Figure::new(format!("{set}, {step}"), "ms", Wanted::AtMost(most), measured)
    });
    let ratios = RATIOS.into_iter().map(|(set, step, tool, least)| {
        let (ours, theirs) = (wall_ms(set, NAME, step), wall_ms(set, tool, step));
        let ratio = theirs.zip(ours).map(|(theirs, ours)| theirs / ours);
        let what = format!("{set}, {step}: {tool} takes");
        Figure::new(what, "× ours", Wanted::AtLeast(least), ratio)
    });
    times.chain(ratios).collect()
}

/// Every turn of ours has one login, and one Argon2id right after it: pairs, since a machine that is
/// slow is so to both.
fn login(runs: &Runs) -> Figure {
    let beyond = runs.0.iter().filter(|run| run.step == Step::Login).filter_map(|login| {
        let is_beside = |run: &&Run| (run.set, run.round) == (login.set, login.round);
        let mut beside = runs.0.iter().filter(is_beside);
        let stretch = beside.find(|run| run.step == Step::Argon2id)?;
        Some((login.cost.wall_s - stretch.cost.wall_s) * 1e3)
    });
    let median = Spread::of(beyond).map(|spread| spread.median);
    Figure::new("login, beyond one Argon2id", "ms", Wanted::AtMost(20.0), median)
}

fn memory(runs: &Runs) -> [Figure; 2] {
    let most_mib = |kib: Vec<Option<Spread>>| {
        let most = kib.into_iter().flatten().map(|spread| spread.max).reduce(f64::max);
        most.map(|kib| kib / 1024.0)
    };
    let steps = [Step::Push, Step::Again, Step::Pull];
    let client = SETS.iter().flat_map(|set| steps.map(|step| runs.peak_kib(set, NAME, step)));
    let server = steps.map(|step| runs.server_peak_kib("L", NAME, step));
    let (client, server) = (most_mib(client.collect()), most_mib(server.into()));
    [
        Figure::new("client memory, without a login", "MiB", Wanted::AtMost(48.0), client),
        Figure::new("server memory while L streams", "MiB", Wanted::AtMost(32.0), server),
    ]
}

fn server(loads: &Loads) -> [Figure; 6] {
    use Wanted::{AtLeast, AtMost};
    let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
    let per_s = |what| median(loads.per_s(what));
    let per_cpu_s = |what| median(loads.per_cpu_s(what));
    let idle = "server memory, in proportion, with 10,000 connections";
    let pushes = "durable pushes of 16 KiB at 64 clients";
    let gets = per_s(load::GETS).zip(per_s(load::NGINX)).map(|(ours, nginx)| ours / nginx);
    let request = "an authenticated request (that GET), server CPU";
    let request_ms = per_cpu_s(load::GETS).map(|per_cpu_s| 1e3 / per_cpu_s);
    let cpu = "a server CPU second";
    [
        // 200 MB.
        Figure::new(idle, "MiB", AtMost(190.7), loads.idle_mib()),
        Figure::new(pushes, "a second", AtLeast(5_000.0), per_s(load::PUSHES_16)),
        Figure::new("GETs of 16 KiB", "× nginx", AtLeast(0.6), gets),
        Figure::new("login starts", cpu, AtLeast(3_000.0), per_cpu_s(load::STARTS)),
        Figure::new("whole logins", cpu, AtLeast(1_500.0), per_cpu_s(load::LOGINS)),
        Figure::new(request, "ms", AtMost(1.0), request_ms),
    ]
}
