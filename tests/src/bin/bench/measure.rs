//! What a step costs: wall, CPU and peak memory of the programs that run it and of the server that
//! answers.
//!
//! A program is started by a launcher, which is this program again, as a process that does nothing
//! else: what the kernel counts as the memory of a child begins with the memory of who forked it,
//! and the launcher's is two or three MiB. What it waited for is then exactly one program and that
//! program's children, so `getrusage` tells of nothing else, in microseconds.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::failure::{At as _, Failure, Result};

/// First argument of the launcher; then come the file for the costs, the program, its arguments.
pub(crate) const LAUNCH: &str = "--launch";

/// What a program took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// From its start to its end.
    pub(crate) wall_s: f64,
    /// User and system time of it and its children.
    pub(crate) cpu_s: f64,
    /// Highest resident memory of any one of them.
    pub(crate) peak_kib: u64,
}

/// What servers took meanwhile.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ServerCost {
    /// User and system time.
    pub(crate) cpu_s: f64,
    /// Highest resident memory of any one of them; since its start where the kernel does not let
    /// it be reset.
    pub(crate) peak_kib: u64,
}

/// The launcher: runs a program, and writes what it took into a file.
pub(crate) fn launch(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(report), Some(program)) = (arguments.next(), arguments.next()) else {
        eprintln!("{LAUNCH} FILE PROGRAM [ARGUMENT]…");
        return ExitCode::from(2);
    };
    let mut command = Command::new(&program);
    command.args(arguments);
    let started = Instant::now();
    let status = match command.status() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{}: {error}", program.display());
            return ExitCode::from(127);
        }
    };
    let wall_s = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it fails for no known argument");
    let cpu_s = seconds(usage.user_time()) + seconds(usage.system_time());
    let peak_kib = usage.max_rss().unsigned_abs();
    let cost = serde_json::to_vec(&Cost { wall_s, cpu_s, peak_kib }).expect("numbers are JSON");
    if let Err(error) = fs::write(&report, cost) {
        eprintln!("{}: {error}", report.display());
        return ExitCode::from(127);
    }
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn seconds(time: TimeVal) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a process of centuries is none of ours")]
    let seconds = time.tv_sec() as f64;
    #[expect(clippy::cast_precision_loss, reason = "it is below a million")]
    let micros = time.tv_usec() as f64;
    seconds + micros / 1e6
}

/// Starts programs by the launcher, one after the other.
pub(crate) struct Launcher {
    program: PathBuf,
    report: PathBuf,
}

impl Launcher {
    /// One that may write the file `report`.
    pub(crate) fn new(report: PathBuf) -> Result<Self> {
        let start = |source| Failure::Start { program: "this program".to_owned(), source };
        Ok(Self { program: std::env::current_exe().map_err(start)?, report })
    }

    /// Runs `command` to its end, in an environment that holds only what `command` says of it and
    /// the PATH. Before that the disk gets what others have left to write.
    pub(crate) fn run(&self, command: &Command) -> Result<Cost> {
        let what = described(command);
        let mut launched = Command::new(&self.program);
        launched.arg(LAUNCH).arg(&self.report);
        launched.arg(command.get_program()).args(command.get_args()).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            launched.env("PATH", path);
        }
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                launched.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            launched.current_dir(directory);
        }
        rustix::fs::sync();
        let output = launched
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|source| Failure::Start { program: what.clone(), source })?;
        if !output.status.success() {
            let code = output.status.code().unwrap_or_default();
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.push_str(&String::from_utf8_lossy(&output.stderr));
            return Err(Failure::Ended { what, code, said });
        }
        let report = fs::read(&self.report).at(&self.report)?;
        serde_json::from_slice(&report).map_err(|_| Failure::Unclear {
            what: "the launcher".to_owned(),
            said: String::from_utf8_lossy(&report).into_owned(),
        })
    }
}

/// Runs `command` to its end, unmeasured, and answers its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let what = described(command);
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|source| Failure::Start { program: what.clone(), source })?;
    if !output.status.success() {
        let code = output.status.code().unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::Ended { what, code, said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn described(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Watches processes that live on.
pub(crate) struct Watch {
    pids: Vec<u32>,
    cpu: Duration,
}

impl Watch {
    /// From now on.
    pub(crate) fn start(pids: &[u32]) -> Result<Self> {
        for pid in pids {
            // "5" sets the peak to what is resident now (proc(5), clear_refs). Only the owner of a
            // process may do so; then the peak since its start stands, which is no less.
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
        Ok(Self { pids: pids.to_vec(), cpu: cpu(pids)? })
    }

    /// What they took since.
    pub(crate) fn end(&self) -> Result<ServerCost> {
        let cpu_s = cpu(&self.pids)?.saturating_sub(self.cpu).as_secs_f64();
        let peaks = self.pids.iter().map(|pid| keybackup_tests::process::peak_kib(*pid));
        Ok(ServerCost { cpu_s, peak_kib: peaks.max().unwrap_or_default() })
    }
}

/// User and system time of processes so far, threads that have ended included.
fn cpu(pids: &[u32]) -> Result<Duration> {
    let one = |pid: &u32| {
        let of = Pid::from_raw(pid.cast_signed());
        let now = clock_getcpuclockid(of).and_then(ClockId::now);
        now.map(Duration::from).map_err(|source| Failure::Clock { pid: *pid, source })
    };
    pids.iter().map(one).sum()
}
