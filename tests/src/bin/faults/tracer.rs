//! strace on a server that runs: it fails system calls or kills at one, and says how often.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keybackup_tests::{PATIENCE, Running};
use rustix::process::Signal;

/// strace, attached.
pub(crate) struct Tracer {
    running: Running,
    log: PathBuf,
}

impl Tracer {
    /// Attaches to a process and does `what`, as `-e inject=` takes it, to `calls`.
    pub(crate) fn attach(pid: u32, calls: &str, what: &str, log: &Path) -> Self {
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{what}"));
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o"]).arg(log).args(["-e", &trace, "-e", &inject]);
        let running = Running::spawn(strace.args(["-p", &pid.to_string()]), b"");
        let attached = running.stderr.wait_for(|said| said.contains("attached").then_some(()));
        assert!(attached.is_some(), "strace: {}", running.stderr.text());
        Self { running, log: log.to_owned() }
    }

    /// Whether whom it traced is gone.
    pub(crate) fn ended_within(&self, limit: Duration) -> bool {
        self.running.ends_within(limit)
    }

    /// Lets go, and answers how many calls it failed.
    pub(crate) fn detach(self) -> u64 {
        self.running.signal(Signal::TERM);
        // strace can wait for ever for a thread that ended meanwhile; the kernel lets go for it.
        if !self.running.ends_within(Duration::from_secs(2)) {
            self.running.signal(Signal::KILL);
            assert!(self.running.ends_within(PATIENCE), "strace lets go");
        }
        injected(&self.log)
    }
}

/// How many failures strace says that it injected.
pub(crate) fn injected(log: &Path) -> u64 {
    let log = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&log).matches("(INJECTED)").count() as u64
}
