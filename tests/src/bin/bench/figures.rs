//! DESIGN's figures, each with what was measured.

use serde::Serialize;

use crate::load::{self, Loads};
use crate::ours::NAME;
use crate::runs::{Runs, Spread, Step};

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
}

impl Figure {
    /// Whether it is reached.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let measured = self.measured?;
        Some(match self.wanted {
            Wanted::AtMost(most) => measured <= most,
            Wanted::AtLeast(least) => measured >= least,
        })
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
    let wall_ms = |set, tool, step| Some(runs.wall_s(set, tool, step)?.median * 1e3);
    let times = TIMES_MS.into_iter().map(|(set, step, most)| Figure {
        what: format!("{set}, {step}"),
        unit: "ms",
        wanted: Wanted::AtMost(most),
        measured: wall_ms(set, NAME, step),
    });
    let ratios = RATIOS.into_iter().map(|(set, step, tool, least)| Figure {
        what: format!("{set}, {step}: {tool} takes"),
        unit: "× ours",
        wanted: Wanted::AtLeast(least),
        measured: wall_ms(set, tool, step)
            .and_then(|theirs| Some(theirs / wall_ms(set, NAME, step)?)),
    });
    let mut figures: Vec<_> = times.chain(ratios).collect();
    let login = Spread::of(SETS.iter().filter_map(|set| wall_ms(set, NAME, Step::Login)));
    let stretch = Spread::of(SETS.iter().filter_map(|set| wall_ms(set, NAME, Step::Argon2id)));
    figures.push(Figure {
        what: "login, beyond one Argon2id".to_owned(),
        unit: "ms",
        wanted: Wanted::AtMost(20.0),
        measured: login.zip(stretch).map(|(login, stretch)| login.median - stretch.median),
    });
    figures.extend(memory(runs));
    figures.extend(server(loads));
    figures
}

fn memory(runs: &Runs) -> [Figure; 2] {
    let most = |kib: Vec<Option<Spread>>| {
        let most = kib.into_iter().flatten().map(|spread| spread.max).reduce(f64::max);
        most.map(|kib| kib / 1024.0)
    };
    let steps = [Step::Push, Step::Again, Step::Pull];
    let client = SETS.iter().flat_map(|set| steps.map(|step| runs.peak_kib(set, NAME, step)));
    let server = steps.map(|step| runs.server_peak_kib("L", NAME, step));
    [
        Figure {
            what: "client memory, without a login".to_owned(),
            unit: "MiB",
            wanted: Wanted::AtMost(48.0),
            measured: most(client.collect()),
        },
        Figure {
            what: "server memory while L streams".to_owned(),
            unit: "MiB",
            wanted: Wanted::AtMost(32.0),
            measured: most(server.into()),
        },
    ]
}

fn server(loads: &Loads) -> [Figure; 6] {
    let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
    let gets = |what| median(loads.per_s(what));
    let figure = |what: &str, unit, wanted, measured| Figure {
        what: what.to_owned(),
        unit,
        wanted,
        measured,
    };
    [
        figure(
            "server memory, in proportion, with 10,000 connections",
            "MiB",
            Wanted::AtMost(190.7),
            loads.idle_mib(),
        ),
        figure(
            "durable pushes of 16 KiB at 64 clients",
            "a second",
            Wanted::AtLeast(5_000.0),
            median(loads.per_s(load::PUSHES_16)),
        ),
        figure(
            "GETs of 16 KiB",
            "× nginx",
            Wanted::AtLeast(0.6),
            gets(load::GETS).and_then(|ours| Some(ours / gets(load::NGINX)?)),
        ),
        figure(
            "login starts",
            "a server CPU second",
            Wanted::AtLeast(3_000.0),
            median(loads.per_cpu_s(load::STARTS)),
        ),
        figure(
            "whole logins",
            "a server CPU second",
            Wanted::AtLeast(1_500.0),
            median(loads.per_cpu_s(load::LOGINS)),
        ),
        figure(
            "an authenticated request (that GET), server CPU",
            "ms",
            Wanted::AtMost(1.0),
            median(loads.per_cpu_s(load::GETS)).map(|per_cpu_s| 1e3 / per_cpu_s),
        ),
    ]
}
