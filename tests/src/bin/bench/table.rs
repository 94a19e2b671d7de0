//! The tables that people read, in Markdown.

use std::fmt::Write as _;

use crate::figures::{Figure, Wanted};
use crate::host::Host;
use crate::load::{self, Loads};
use crate::ours::NAME;
use crate::runs::{Runs, Spread, Step, number};

/// What goes before all tables.
pub(crate) fn host(host: &Host) -> String {
    let Host { processor, cores, memory_mib, kernel, file_system, versions } = host;
    let versions: Vec<_> =
        versions.iter().map(|(program, version)| format!("{program} {version}")).collect();
    let mut text = format!(
        "{processor}, {cores} cores, {memory_mib} MiB of memory, Linux {kernel}, {file_system}.\n{}.\n",
        versions.join(", ")
    );
    if host.is_in_memory() {
        text.push_str("\n**In memory**: what is made durable here costs nothing.\n");
    }
    text
}

/// What one set took.
pub(crate) fn set(name: &str, what: &str, tools: &[&str], runs: &Runs) -> String {
    let rounds = runs.of(name, NAME, Step::Push).count();
    let mut text = format!("### {name}: {what} ({})\n\n", plural(rounds, "round"));
    text.push_str("| step | tool | seconds (least – most) | × ours | CPU s | peak MiB | server CPU s | server peak MiB |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for step in Step::ALL {
        let ours = runs.wall_s(name, NAME, step);
        for tool in tools {
            let Some(wall) = runs.wall_s(name, tool, step) else { continue };
            let of = |value: fn(&crate::runs::Run) -> Option<f64>| {
                Spread::of(runs.of(name, tool, step).filter_map(value)).map(|it| it.median)
            };
            let cells = [
                ours.filter(|_| *tool != NAME).map(|ours| two(wall.median / ours.median)),
                of(|run| Some(run.cost.cpu_s)).map(three),
                of(|run| Some(number(run.cost.peak_kib) / 1024.0)).map(one),
                of(|run| Some(run.server?.cpu_s)).map(three),
                of(|run| Some(number(run.server?.peak_kib) / 1024.0)).map(one),
            ];
            let cells = cells.map(Option::unwrap_or_default).join(" | ");
            let Spread { median, min, max } = wall;
            let wall = format!("{} ({} – {})", three(median), three(min), three(max));
            line(&mut text, format_args!("| {step} | {tool} | {wall} | {cells} |"));
        }
    }
    text
}

/// What the server bore.
pub(crate) fn loads(seconds: u64, rounds: u32, loads: &Loads) -> String {
    let mut text = format!(
        "### The server under load ({} of {seconds} s each)\n\n",
        plural(rounds as usize, "round")
    );
    text.push_str("| what | a second (least – most) | a server CPU second | peak MiB |\n");
    text.push_str("|---|---|---|---|\n");
    let all =
        [load::STARTS, load::LOGINS, load::PUSHES_16, load::PUSHES_1, load::GETS, load::NGINX];
    for what in all.into_iter().chain([load::IDLE]) {
        let values = (loads.per_s(what), loads.per_cpu_s(what), loads.peak_kib(what));
        let (Some(wall), Some(cpu), Some(peak)) = values else { continue };
        let Spread { median, min, max } = wall;
        let (cpu, peak) = (cpu.median, peak.median / 1024.0);
        let what = match loads.least(what) {
            Some(count) if what == load::IDLE => format!("{count} {what}, opened"),
            _ => what.to_owned(),
        };
        line(
            &mut text,
            format_args!("| {what} | {median:.0} ({min:.0} – {max:.0}) | {cpu:.0} | {peak:.1} |"),
        );
    }
    text
}

/// DESIGN's figures.
pub(crate) fn figures(figures: &[Figure]) -> String {
    let mut text = "| figure | wanted | measured | |\n|---|---|---|---|\n".to_owned();
    for figure in figures {
        let Figure { what, unit, wanted, measured: Some(measured), met } = figure else { continue };
        let wanted = match wanted {
            Wanted::AtMost(most) => format!("≤ {most}"),
            Wanted::AtLeast(least) => format!("≥ {least}"),
        };
        let measured = digits(*measured);
        let verdict = match met {
            Some(true) => "met",
            _ => "**short**",
        };
        line(
            &mut text,
            format_args!("| {what} | {wanted} {unit} | {measured} {unit} | {verdict} |"),
        );
    }
    let missing: Vec<_> =
        figures.iter().filter(|it| it.measured.is_none()).map(|it| &*it.what).collect();
    if !missing.is_empty() {
        line(&mut text, format_args!("\nNot measured: {}.", missing.join("; ")));
    }
    text
}

fn line(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes everything");
    text.push('\n');
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn one(number: f64) -> String {
    format!("{number:.1}")
}

fn two(number: f64) -> String {
    format!("{number:.2}")
}

fn three(number: f64) -> String {
    format!("{number:.3}")
}

/// Three digits that mean something.
fn digits(number: f64) -> String {
    match number.abs() {
        100.0.. => format!("{number:.0}"),
        10.0.. => one(number),
        _ => two(number),
    }
}
