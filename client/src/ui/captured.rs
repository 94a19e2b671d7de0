//! A printer and prompter for tests: keeps what is printed, and answers from a script.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use zeroize::Zeroizing;

use super::input::{Hushed, Input};
use super::prompt::Asking;
use super::{Shown, Stderr, Ui, locked};
use crate::cli::{Global, ProgressMode};

/// What was printed.
#[derive(Clone, Default)]
pub struct Captured {
    stdout: Buffer,
    stderr: Buffer,
}

impl Captured {
    /// What went to stdout.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What went to stderr.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }
}

impl Ui {
    /// One that keeps what is printed. `typed` are the lines of whoever sits at the terminal; no
    /// lines, no terminal.
    pub fn captured(typed: &[&str]) -> (Self, Captured) {
        Self::captured_with(&Global::default(), typed)
    }

    /// The same with options.
    pub fn captured_with(options: &Global, typed: &[&str]) -> (Self, Captured) {
        let captured = Captured::default();
        let script = Script(typed.iter().map(|&line| line.to_owned()).collect());
        let lines = options.progress == ProgressMode::Json && !options.quiet;
        let ui = Self {
            json: options.json,
            quiet: options.quiet,
            asking: Asking::choose(options.no_input, !typed.is_empty()),
            stdout: Mutex::new(Box::new(captured.stdout.clone())),
            stderr: Stderr {
                sink: Arc::new(Mutex::new(Box::new(captured.stderr.clone()))),
                is_terminal: false,
                colour: false,
                bars: indicatif::MultiProgress::with_draw_target(
                    indicatif::ProgressDrawTarget::hidden(),
                ),
            },
            input: Mutex::new(Box::new(script)),
            stdin_reader: Mutex::new(None),
            progress: if lines { Shown::Lines } else { Shown::Nothing },
        };
        (ui, captured)
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&locked(&self.0)).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Script(VecDeque<String>);

impl Input for Script {
    fn line(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        Ok(self.0.pop_front().map(Zeroizing::new))
    }

    fn hush(&mut self) -> Hushed {
        Hushed::nothing()
    }

    fn hidden(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        self.line()
    }

    fn to_end(&mut self, _limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        let lines: Vec<String> = self.0.drain(..).collect();
        Ok(Zeroizing::new(lines.join("\n").into_bytes()))
    }
}
