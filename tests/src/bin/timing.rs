//! Measures whether the time of `POST /login/start` or `PUT /password/reset` tells known from unknown
//! addresses, and prints what came of it. Exit 1 when it does.

use std::process::ExitCode;

use clap::Parser;
use keybackup_tests::timing::{Question, compare};

/// Asks for known and unknown addresses in turn, and compares the times.
#[derive(Debug, Parser)]
struct Arguments {
    /// Requests for each
    #[arg(long, default_value_t = 80_000)]
    pairs: u32,
    /// Largest |t|
    #[arg(long, default_value_t = 4.5)]
    most: f64,
}

fn main() -> ExitCode {
    let Arguments { pairs, most: limit } = Arguments::parse();
    let mut alike = true;
    for question in Question::ALL {
        let report = compare(question, pairs);
        let [all, most, half] = report.t;
        println!("{question:?}, {} pairs", report.pairs);
        println!("  known, mean    {:.2} µs", report.known_us);
        println!("  unknown, mean  {:.2} µs", report.unknown_us);
        println!("  Welch's t      {all:.2}, fastest 90 % {most:.2}, fastest 50 % {half:.2}");
        alike &= report.worst() < limit;
    }
    if alike { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
