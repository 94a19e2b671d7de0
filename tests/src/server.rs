//! A real `keybackup-server` on a free port, with a data directory that outlives its process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::port::Port;
use crate::process::{Output, Running, peak_kib};

/// A server, running or not.
#[derive(Debug)]
pub struct Server {
    root: TempDir,
    data: PathBuf,
    flags: Vec<String>,
    /// `http://ADDR`, for ever: a restarted server listens there again, and meanwhile nobody does.
    pub url: String,
    port: Port,
    running: Mutex<Option<Running>>,
    old_logs: Mutex<Vec<u8>>,
}

impl Server {
    /// A new one.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A new one with more flags for `serve`.
    pub fn with(flags: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let data = root.path().join("data");
        Self::at(root, data, flags)
    }

    /// A new one whose data lie in `data`.
    pub fn on(data: &Path, flags: &[&str]) -> Self {
        Self::at(tempfile::tempdir().expect("a temporary directory"), data.to_owned(), flags)
    }

    fn at(root: TempDir, data: PathBuf, flags: &[&str]) -> Self {
        let mut server = Self {
            root,
            data,
            flags: flags.iter().map(ToString::to_string).collect(),
            url: String::new(),
            port: Port::reserve(),
            running: Mutex::new(None),
            old_logs: Mutex::default(),
        };
        server.url = server.launch();
        server
    }

    fn launch(&self) -> String {
        let mut command = self.command(&["serve", "--listen", &self.port.address(), "--data"]);
        command.arg(&self.data).args(&self.flags);
        let running = Running::spawn(&mut command, b"");
        let url = running.stderr.wait_for(|log| {
            let line = log.split("keybackup-server listening on ").nth(1)?;
            Some(line.lines().next().filter(|_| line.contains('\n'))?.trim().to_owned())
        });
        let url = url.unwrap_or_else(|| panic!("the server ended: {}", running.stderr.text()));
        *self.running.lock().expect("no test panics while it holds this") = Some(running);
        url
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::program("keybackup-server"));
        command.env_clear().env("HOME", self.root.path()).args(arguments);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Runs another command of the program.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let what = format!("keybackup-server {}", arguments.join(" "));
        Running::spawn(&mut self.command(arguments), b"").wait(&what)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("it says http://")
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Ends it without warning.
    pub fn kill(&self) -> Output {
        self.end(Signal::KILL)
    }

    /// Asks it to end.
    pub fn terminate(&self) -> Output {
        self.end(Signal::TERM)
    }

    fn end(&self, signal: Signal) -> Output {
        let mut running = self.running.lock().expect("no test panics while it holds this");
        let running = running.take().expect("it runs");
        running.signal(signal);
        let output = running.wait("keybackup-server serve");
        let mut logs = self.old_logs.lock().expect("no test panics while it holds this");
        logs.extend_from_slice(output.stderr.as_bytes());
        logs.extend_from_slice(&output.bytes);
        output
    }

    /// Starts it again, on the same data and the same port.
    pub fn restart(&self) {
        let url = self.launch();
        assert_eq!(url, self.url);
    }

    /// Has strace kill it at the `nth` of some system calls from now on; ends when it has.
    pub fn kill_at(&self, calls: &str, nth: usize) -> Running {
        let (traced, inject) =
            (format!("trace={calls}"), format!("inject={calls}:signal=KILL:when={nth}"));
        let pid = self.pid().to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", &traced, "-e", &inject, "-p", &pid]);
        let tracer = Running::spawn(&mut strace, b"");
        tracer.stderr.wait_for(|said| said.contains("attached").then_some(()));
        tracer
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        let running = self.running.lock().expect("no test panics while it holds this");
        running.as_ref().expect("it runs").pid()
    }

    /// Its highest resident memory so far, in KiB.
    pub fn peak_kib(&self) -> u64 {
        peak_kib(self.pid())
    }

    /// All that it ever wrote to standard output and error.
    pub fn logs(&self) -> Vec<u8> {
        let mut logs = self.old_logs.lock().expect("no test panics while it holds this").clone();
        if let Some(running) = &*self.running.lock().expect("no test panics while it holds this") {
            logs.extend(running.stderr.bytes());
            logs.extend(running.stdout.bytes());
        }
        logs
    }

    /// Runs SQL in its database, with another program: rows are lines, columns end with tabs.
    pub fn sql(&self, statement: &str) -> String {
        let script = include_str!("sql.py");
        let mut python = Command::new("python3");
        python.arg("-c").arg(script).arg(&self.data).arg(statement);
        Running::spawn(&mut python, b"").wait(statement).expect(0).stdout
    }
}
