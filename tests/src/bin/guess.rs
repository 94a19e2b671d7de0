//! Guesses at an account from many networks, while its owner logs in, and prints what came of it;
//! `tests/GUESSING.md` has the figures. Exit 1 when more was evaluated than may be.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use keybackup_tests::guess::{self, Plan};

/// Guesses at an account without stretching, and measures what it gets.
#[derive(Debug, Parser)]
struct Arguments {
    /// Guesses to make
    #[arg(long, default_value_t = 100_000)]
    guesses: u32,
    /// Networks to make them from
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    networks: u32,
    /// Picks the order of the networks
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Arguments { guesses, networks, seed } = Arguments::parse();
    let report = guess::run(Plan { guesses, networks, seed });
    let times = |times: &[Duration]| {
        let texts: Vec<_> = times.iter().map(|time| format!("{:.2}", time.as_secs_f64())).collect();
        texts.join(", ")
    };
    println!("guesses answered      {}, from {networks} networks, seed {seed}", report.answered);
    println!("  evaluations in them {}", report.evaluated);
    println!("  too many (429)      {}", report.refused);
    println!("  taken (409)         {}", report.taken);
    println!("  lost in the restart {}", report.lost);
    println!("in the server's books {}, of {} allowed", report.counted, report.allowed());
    println!("it took               {:.1} s", report.took.as_secs_f64());
    println!("owner's login, before and after  {} s", times(&report.without));
    println!("  during the attack   {} s", times(&report.during));
    println!("  slower by           {:.2} s", report.slower().as_secs_f64());
    println!("unknown device, right password: exit {}", report.stranger_exit);
    let held = report.counted <= report.allowed() && report.evaluated <= report.counted;
    if held && report.slower() <= Duration::from_secs(2) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
