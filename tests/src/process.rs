//! A child process whose output is kept as it comes, that is waited for with a deadline, and that
//! is gone when the test is.

use std::io::{Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use crate::PATIENCE;

/// A running child.
#[derive(Debug)]
pub struct Running {
    child: Child,
    handle: OwnedFd,
    /// What it has written to standard output so far.
    pub stdout: Capture,
    /// What it has written to standard error so far.
    pub stderr: Capture,
    peak_kib: u64,
}

/// How a child ended, and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// What was run, for messages.
    pub what: String,
    /// Exit code; 128 + n for a process ended by signal n.
    pub code: i32,
    /// Standard output, as bytes.
    pub bytes: Vec<u8>,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
    /// Highest resident memory that was seen, in KiB.
    pub peak_kib: u64,
}

impl Running {
    /// Starts it, and gives it `stdin`.
    pub fn spawn(command: &mut Command, stdin: &[u8]) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Capture::of(child.stdout.take().expect("it is piped"));
        let stderr = Capture::of(child.stderr.take().expect("it is piped"));
        // A child that does not read its input is no failure of the harness.
        let _ = child.stdin.take().expect("it is piped").write_all(stdin);
        Self::attach(child, stdout, stderr)
    }

    /// Takes over a child whose streams go elsewhere.
    pub fn attach(child: Child, stdout: Capture, stderr: Capture) -> Self {
        let pid = Pid::from_child(&child);
        let handle = pidfd_open(pid, PidfdFlags::empty()).expect("Linux 5.3 has pidfds");
        Self { child, handle, stdout, stderr, peak_kib: 0 }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; one to a process that has ended is lost.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Whether it ends within `limit`.
    pub fn ends_within(&self, limit: Duration) -> bool {
        let time = Timespec::try_from(limit).expect("a short time");
        let mut fds = [PollFd::new(&self.handle, PollFlags::IN)];
        loop {
            match poll(&mut fds, Some(&time)) {
                Ok(count) => return count > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("poll: {error}"),
            }
        }
    }

    /// Waits for its end, and notes the memory that it takes meanwhile.
    pub fn measured(mut self, what: &str) -> Output {
        let deadline = Instant::now() + PATIENCE;
        while !self.ends_within(Duration::from_millis(5)) {
            self.peak_kib = self.peak_kib.max(peak_kib(self.pid()));
            assert!(Instant::now() < deadline, "{what} takes longer than {PATIENCE:?}");
        }
        self.wait(what)
    }

    /// Waits for its end.
    pub fn wait(mut self, what: &str) -> Output {
        if !self.ends_within(PATIENCE) {
            self.signal(Signal::ABORT);
            let said = self.stderr.text();
            panic!("{what} takes longer than {PATIENCE:?}; it said: {said}");
        }
        let status = self.child.wait().expect("it has ended");
        let bytes = self.stdout.finish();
        let stderr = String::from_utf8_lossy(&self.stderr.finish()).into_owned();
        Output {
            what: what.to_owned(),
            code: code(status),
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
            stderr,
            peak_kib: self.peak_kib,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The exit code, as a shell tells it.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Highest resident memory of a living process, in KiB; 0 when it is gone.
pub fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or_default()
}

impl Output {
    /// The one JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.matches('\n').count(), 1, "one line of JSON: {self}");
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self}"));
        assert_eq!(value["schema"], 1, "{self}");
        value
    }

    /// The last line of standard error: the error that `--json` promises.
    #[track_caller]
    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_else(|| panic!("an error: {self}"));
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {self}"));
        assert_eq!(value["error"]["exit"], self.code, "{self}");
        value["error"].clone()
    }

    /// Asserts the exit code.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "mostly the assertion is all")]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, code, stdout, stderr, .. } = self;
        write!(f, "{what}\nexit {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A stream that is read to its end by a thread, and looked at meanwhile.
#[derive(Debug)]
pub struct Capture {
    state: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Capture {
    /// Reads `stream` to its end.
    pub fn of(mut stream: impl Read + Send + 'static) -> Self {
        let state = Arc::<(Mutex<State>, Condvar)>::default();
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            // A terminal whose other side is closed ends with EIO.
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let mut state = shared.0.lock().expect("no thread panics while it holds this");
                state.bytes.extend_from_slice(&buffer[..count]);
                shared.1.notify_all();
            }
            shared.0.lock().expect("no thread panics while it holds this").ended = true;
            shared.1.notify_all();
        });
        Self { state, thread: Some(thread) }
    }

    /// Nothing at all.
    pub fn nothing() -> Self {
        Self::of(std::io::empty())
    }

    /// All that came so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.state.0.lock().expect("no thread panics while it holds this").bytes.clone()
    }

    /// The same, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Waits until `found` finds something in what came; `None` if the stream ends before.
    pub fn wait_for<T>(&self, mut found: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let (lock, changed) = &*self.state;
        let mut state = lock.lock().expect("no thread panics while it holds this");
        loop {
            if let Some(it) = found(&String::from_utf8_lossy(&state.bytes)) {
                return Some(it);
            }
            if state.ended {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain; came: {}",
                String::from_utf8_lossy(&state.bytes)
            );
            (state, _) =
                changed.wait_timeout(state, left).expect("no thread panics while it holds this");
        }
    }

    /// Waits for the end.
    pub fn finish(&mut self) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("reading does not panic");
        }
        self.bytes()
    }
}
