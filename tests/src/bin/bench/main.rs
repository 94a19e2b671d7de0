//! The benchmark: DESIGN's sets through both real programs and through what others use, alike and
//! by turns, beside the figures that DESIGN wants. `tests/BENCH.md` says how to read what it prints.

mod failure;
mod figures;
mod host;
mod load;
mod measure;
mod others;
mod ours;
mod runs;
mod sets;
mod table;
mod text;
mod turn;

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use keybackup_tests::rng::Rng;
use serde_json::json;

use failure::{At as _, Result};
use host::Host;
use load::{Loads, Plan};
use measure::Launcher;
use runs::Runs;
use sets::{Set, Which};
use turn::{Tool, Turn};

/// Measures keybackup beside others. Prints tables in Markdown, and on standard error what it does
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Which sets to back up; with no name, only the load on the server is measured
    #[arg(long, value_delimiter = ',', default_value = "S,M,L", num_args = 0.., value_name = "SETS")]
    sets: Vec<Which>,
    /// Rounds, in each of which every tool has a turn
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: u32,
    /// Rounds of L [default: at most 3 of the rounds]
    #[arg(long, value_name = "N")]
    rounds_l: Option<u32>,
    /// Seconds of each kind of load on the server; 0: none
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    load_s: u64,
    /// Rounds of load [default: at most 3 of the rounds]
    #[arg(long, value_name = "N")]
    load_rounds: Option<u32>,
    /// Connections that are kept open and idle at once
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    connections: usize,
    /// Orders the turns
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Where to work: a disk, with 8 GiB free for L [default: beside this program]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Tools to leave out, by the first word of their names
    #[arg(long, value_delimiter = ',', num_args = 0.., value_name = "TOOLS")]
    without: Vec<String>,
    /// Also write all of it to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take the programs as they are beside this one, instead of building them first
    #[arg(long)]
    no_build: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == measure::LAUNCH).is_some() {
        return measure::launch(arguments);
    }
    let outcome = if arguments.next_if(|first| first == ours::STRETCH).is_some() {
        ours::stretch()
    } else {
        bench(&Arguments::parse())
    };
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    eprintln!("error: {failure}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        eprintln!("  cause: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn bench(arguments: &Arguments) -> Result<()> {
    if !arguments.no_build {
        build()?;
    }
    let parent = arguments.dir.clone().unwrap_or_else(keybackup_tests::profile_directory);
    let work = tempfile::Builder::new().prefix("bench-").tempdir_in(&parent).at(&parent)?;
    let host = Host::look(work.path());
    println!("{}", table::host(&host));

    let tools = tools(&arguments.without);
    let names: Vec<_> = tools.iter().map(|tool| tool.name()).collect();
    let mut runs = Runs::default();
    let mut sets = Vec::new();
    for which in &arguments.sets {
        let set = which.make(work.path())?;
        round_by_round(arguments, *which, work.path(), &set, &tools, &mut runs)?;
        println!("{}", table::set(set.name, &set.what, &names, &runs));
        sets.push(json!({"name": set.name, "what": set.what}));
    }
    let mut loads = Loads::default();
    let load_rounds = if arguments.load_s == 0 {
        0
    } else {
        arguments.load_rounds.unwrap_or_else(|| arguments.rounds.min(3))
    };
    let plan = Plan {
        seconds: arguments.load_s,
        connections: arguments.connections,
        nginx: is_there("nginx", &["nginx"], &arguments.without),
    };
    for round in 1..=load_rounds {
        loads.0.extend(plan.round(work.path(), round)?);
    }
    if load_rounds > 0 {
        println!("{}", table::loads(arguments.load_s, load_rounds, &loads));
    }
    let figures = figures::figures(&runs, &loads);
    println!("### DESIGN's figures\n\n{}", table::figures(&figures));
    if let Some(path) = &arguments.json {
        let document = json!({
            "schema": 1, "host": host, "seed": arguments.seed, "sets": sets, "runs": runs,
            "loads": loads, "figures": figures,
        });
        std::fs::write(path, format!("{document:#}\n")).at(path)?;
    }
    Ok(())
}

/// Builds both programs in this program's profile: old ones beside it would be measured unnoticed.
fn build() -> Result<()> {
    let profile = keybackup_tests::profile_directory();
    let name = profile.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    // The one profile whose directory has another name.
    let name = if name == "debug" { "dev" } else { name };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--profile", name]);
    cargo.args(["--bin", "keybackup", "--bin", "keybackup-server"]);
    measure::run(&mut cargo).map(drop)
}

/// Ours, and those of the others that are installed and wanted.
fn tools(without: &[String]) -> Vec<Box<dyn Tool>> {
    let all: [Box<dyn Tool>; 5] = [
        Box::new(ours::Ours),
        Box::new(others::Restic),
        Box::new(others::Borg),
        Box::new(others::Tar),
        Box::new(others::Copy),
    ];
    let is_there = |tool: &dyn Tool| is_there(tool.name(), tool.programs(), without);
    all.into_iter().filter(|tool| is_there(tool.as_ref())).collect()
}

/// Whether a tool is wanted, and all that it needs installed; what is missing is said.
fn is_there(tool: &str, programs: &[&str], without: &[String]) -> bool {
    if without.iter().any(|name| Some(&**name) == tool.split(',').next()) {
        return false;
    }
    let missing = programs.iter().filter(|it| others::installed(it).is_none());
    missing.map(|program| println!("not installed: {program}")).count() == 0
}

/// Every tool has its turn in every round, in another order each time, so that what a machine does
/// beside hits all alike.
fn round_by_round(
    arguments: &Arguments,
    which: Which,
    work: &Path,
    set: &Set,
    tools: &[Box<dyn Tool>],
    runs: &mut Runs,
) -> Result<()> {
    let launcher = Launcher::new(work.join("cost.json"))?;
    let rounds = match which {
        Which::L => arguments.rounds_l.unwrap_or_else(|| arguments.rounds.min(3)),
        _ => arguments.rounds,
    };
    let mut rng = Rng::new(arguments.seed);
    for round in 1..=rounds {
        let mut order: Vec<_> = tools.iter().collect();
        rng.shuffle(&mut order);
        for tool in order {
            eprintln!("{}, round {round} of {rounds}: {}", set.name, tool.name());
            let mut turn = Turn::new(work, set, tool.name(), round, &launcher, runs)?;
            tool.turn(&mut turn)?;
            turn.end()?;
        }
    }
    Ok(())
}
