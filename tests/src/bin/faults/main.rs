//! Fault injection: power cuts, kills, failing system calls, full disks, bad networks, slow and
//! malformed clients, against both programs, counted. `tests/FAULTS.md` says how to read it.

mod campaign;
mod client;
mod finding;
mod image;
mod kinds;
mod link;
mod load;
mod place;
mod sound;
mod table;
mod tracer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use campaign::Campaign;

/// Injects faults into both programs, and checks that nothing is lost by them
#[derive(Debug, Parser)]
#[command(name = "faults")]
struct Arguments {
    /// How much: C in every run of the tests, R before a release, M as a campaign of days
    #[arg(long, value_enum, ignore_case = true)]
    tier: Tier,
    /// Decides everything that is drawn
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Where to work, and where a run that was ended goes on [default: a new directory]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Only these kinds
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KINDS")]
    only: Vec<kinds::Kind>,
    /// Only this unit of a kind, again: what a finding names
    #[arg(long, requires = "only", value_name = "K")]
    unit: Option<u64>,
    /// Stop each kind after so long, done or not; a later run goes on
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,
    /// Also write the table to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// In every run of the tests.
    #[value(name = "C")]
    Continuous,
    /// Before a release.
    #[value(name = "R")]
    Release,
    /// A campaign.
    #[value(name = "M")]
    Moonshot,
}

impl Tier {
    /// As the command line has it.
    const fn letter(self) -> char {
        match self {
            Self::Continuous => 'C',
            Self::Release => 'R',
            Self::Moonshot => 'M',
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    finding::keep_panics();
    let campaign = Campaign::begin(&arguments);
    let done = match arguments.unit {
        Some(unit) => campaign.again(unit),
        None => campaign.run(),
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
