//! The harness: both programs started for real on free ports, devices with a HOME of their own,
//! persona trees, proxies that record, cut and lie, and a terminal to answer prompts on. Nothing
//! here sleeps: it waits on events, with deadlines. And what the fuzz targets do.

#![expect(
    clippy::missing_panics_doc,
    reason = "a harness panics wherever a test shall fail, and that is all it does"
)]

pub mod cheap;
mod codes;
pub mod device;
pub mod disk;
pub mod fuzz;
pub mod guess;
pub mod http;
pub mod impostor;
pub mod middleman;
pub mod port;
pub mod process;
pub mod recorder;
pub mod rng;
pub mod rules;
pub mod search;
pub mod server;
pub mod terminal;
pub mod timing;
pub mod trace;
pub mod tree;

pub use device::{Device, PASSWORD};
pub use http::{Request, Response};
pub use middleman::{Middleman, Reply};
pub use process::{Output, Running};
pub use recorder::Recorder;
pub use server::Server;
pub use tree::Tree;

use std::path::PathBuf;
use std::time::Duration;

/// How long anything may take before a test gives up on it. Generous: two slow cores, and several
/// tests that each derive a key in 256 MiB.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A program of this workspace, of the profile of the test that runs.
pub fn program(name: &str) -> PathBuf {
    let program = profile_directory().join(name);
    assert!(
        program.is_file(),
        "{} is not built: cargo build --profile ci --workspace --bins",
        program.display()
    );
    program
}

/// Where the programs of this profile lie: tests are in PROFILE/deps, programs in PROFILE.
pub fn profile_directory() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let mut directory = own.parent().expect("it lies in a directory");
    if directory.ends_with("deps") {
        directory = directory.parent().expect("deps lies in PROFILE");
    }
    directory.to_owned()
}

/// Says that a part of the tests was not run. Where `CI` is set that is a failure: what continuous
/// integration reports as passed must have run.
pub fn not_run(what: &str, why: &str) {
    let must_run = std::env::var_os("CI").is_some_and(|set| !set.is_empty() && set != "false");
    assert!(
        !must_run,
        "not run: {what}: {}\nCI is set, so that is a failure: run as root, with what test.sh \
         installs, or unset CI",
        why.trim()
    );
    eprintln!("not run: {what}: {}", why.trim());
}
