//! A terminal to answer prompts on. Nothing is typed before its prompt has come, so that a test
//! never depends on how fast anybody is.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::device::Invocation;
use crate::process::{Capture, Output, Running};

/// A program on a terminal of its own, which is its standard input and error; standard output is
/// a pipe, as in `X=$(keybackup …)`.
pub struct Terminal {
    keyboard: File,
    running: Running,
    /// Bytes of the screen that earlier expectations have used up.
    read: usize,
}

impl Terminal {
    /// Starts it.
    pub fn start(invocation: Invocation) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = OsStr::from_bytes(name.as_bytes());
        let slave = OpenOptions::new().read(true).write(true).open(name).expect("it opens");
        // setsid makes it the controlling terminal, which is where passwords are read from.
        let mut command =
            invocation.under(&["setsid", "--ctty"]).env("TERM", "xterm").into_command();
        command
            .stdin(slave.try_clone().expect("another handle"))
            .stdout(Stdio::piped())
            .stderr(slave);
        let mut child = command.spawn().expect("setsid is there");
        // Ours are closed, so that the terminal ends with the program.
        drop(command);
        let stdout = Capture::of(child.stdout.take().expect("it is piped"));
        let keyboard = File::from(master);
        let screen = Capture::of(keyboard.try_clone().expect("another handle"));
        Self { keyboard, running: Running::attach(child, stdout, screen), read: 0 }
    }

    /// Waits until the screen shows `text` after what was expected before, and answers what came
    /// up to and with it.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let from = self.read;
        let found = self.running.stderr.wait_for(|screen| {
            let rest = screen.get(from..)?;
            let end = rest.find(text)? + text.len();
            Some((from + end, rest[..end].to_owned()))
        });
        let Some((end, shown)) = found else {
            panic!("{text:?} does not come; the screen: {}", self.running.stderr.text());
        };
        self.read = end;
        shown
    }

    /// Takes back the last expectation, so that its text can be expected again.
    pub fn rewind(&mut self, text: &str) {
        self.read -= text.len();
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        let settings = tcgetattr(&self.keyboard).expect("it is a terminal");
        settings.local_modes.contains(LocalModes::ECHO)
    }

    /// Types a line.
    pub fn line(&mut self, text: &str) {
        self.keyboard.write_all(format!("{text}\n").as_bytes()).expect("the terminal is open");
    }

    /// Types Ctrl-C.
    pub fn ctrl_c(&mut self) {
        self.keyboard.write_all(b"\x03").expect("the terminal is open");
    }

    /// Waits for the end.
    pub fn wait(self, what: &str) -> Output {
        self.running.wait(what)
    }

    /// Waits for the end, and tells whether the terminal shows what is typed.
    pub fn wait_and_look(self, what: &str) -> (Output, bool) {
        let Self { keyboard, running, .. } = self;
        let output = running.wait(what);
        let settings = tcgetattr(&keyboard).expect("it is a terminal");
        (output, settings.local_modes.contains(LocalModes::ECHO))
    }
}
