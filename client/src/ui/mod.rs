//! The only printer and prompter: data on stdout, everything else on stderr, questions only if
//! stdin is a terminal. With `--json` stdout gets one document, and every line of stderr is one.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::cli::Global;
use crate::config::Environment;
use crate::error::{Code, CommandResult, Failure};

#[cfg(test)]
mod captured;
mod input;
mod progress;
mod prompt;
mod style;
mod table;
mod text;
mod warner;

#[cfg(test)]
pub use captured::Captured;
pub use progress::{Progress, Task, Unit};
pub use text::{age, count, escape, shell_word, size, timestamp};
pub use warner::Warner;

pub(crate) use input::read_to_end;
use input::{Input, Terminal};
use progress::Shown;
use prompt::Asking;

/// Prints and asks.
pub struct Ui {
    json: bool,
    quiet: bool,
    asking: Asking,
    stdout: Mutex<Box<dyn Write + Send>>,
    stderr: Stderr,
    input: Mutex<Box<dyn Input>>,
    /// The option that has read standard input, which can be done once.
    stdin_reader: Mutex<Option<&'static str>>,
    progress: Shown,
}

/// Where messages go, shared with what shows progress.
#[derive(Clone)]
struct Stderr {
    sink: Arc<Mutex<Box<dyn Write + Send>>>,
    is_terminal: bool,
    colour: bool,
    bars: indicatif::MultiProgress,
}

impl Stderr {
    /// Writes around the progress bars. An error is dropped: there is nowhere left to tell it.
    fn print(&self, text: &str) {
        self.bars.suspend(|| {
            let mut sink = locked(&self.sink);
            let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
        });
    }

    /// One line that is one document.
    fn document(&self, kind: &str, content: &impl Serialize) {
        self.print(&document(kind, content));
    }

    fn fail(&self, failure: &Failure, json: bool) {
        if json {
            self.document("error", failure);
        } else {
            self.print(&style::failure(failure, self.colour));
        }
    }
}

/// A line for stderr: `{"schema":1,"kind":content}`.
pub(crate) fn document(kind: &str, content: &impl Serialize) -> String {
    let content = serde_json::to_string(content)
        .expect("strings, numbers and lists are all that is told on stderr");
    format!("{{\"schema\":1,\"{kind}\":{content}}}\n")
}

impl Ui {
    /// The streams of this process, used as options and environment say.
    pub fn new(options: &Global, environment: &Environment) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let stderr = Stderr {
            sink: Arc::new(Mutex::new(Box::new(io::stderr()))),
            is_terminal,
            colour: environment.colour(options.color, is_terminal),
            bars: indicatif::MultiProgress::new(),
        };
        let draws = is_terminal && !environment.is_dumb() && !options.json;
        Self {
            json: options.json,
            quiet: options.quiet,
            asking: Asking::choose(options.no_input, io::stdin().is_terminal()),
            stdout: Mutex::new(Box::new(io::stdout())),
            stderr,
            input: Mutex::new(Box::new(Terminal)),
            stdin_reader: Mutex::new(None),
            progress: Shown::choose(options.progress, draws, options.quiet),
        }
    }

    /// Whether the answer is to be a JSON document.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the one document of a command, with the schema's number in front.
    pub fn json(&self, document: &impl Serialize) -> CommandResult {
        #[derive(Serialize)]
        struct Document<'a, T> {
            schema: u32,
            #[serde(flatten)]
            fields: &'a T,
        }
        let text = serde_json::to_string(&Document { schema: 1, fields: document })
            .map_err(|error| Failure::of(Code::Internal, &error))?;
        self.line(text)
    }

    /// Prints a line of the answer. Untrusted parts of it have to be escaped ([`escape`]).
    pub fn line(&self, text: impl Display) -> CommandResult {
        self.write(format!("{text}\n").as_bytes())
    }

    /// Prints a line that tells what was done, on stdout. Silent with `--quiet`: the exit code
    /// says it too. Untrusted parts of it have to be escaped ([`escape`]).
    pub fn report(&self, text: impl Display) -> CommandResult {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Prints rows under headings, in columns; escapes what it prints.
    pub fn table(&self, headings: &[&str], rows: &[Vec<String>]) -> CommandResult {
        self.write(table::format(headings, rows).as_bytes())
    }

    /// Writes bytes to stdout as they are.
    pub fn write(&self, bytes: &[u8]) -> CommandResult {
        written(self.stderr.bars.suspend(|| locked(&self.stdout).write_all(bytes)))
    }

    /// Hands all that was written to the system: after this it is out of our hands.
    pub fn flush(&self) -> CommandResult {
        written(locked(&self.stdout).flush())
    }

    /// Tells what happens. Silent with `--quiet` and `--json`.
    pub fn say(&self, message: impl Display) {
        if !self.quiet && !self.json {
            self.stderr.print(&format!("{message}\n"));
        }
    }

    /// Tells what should not have happened and can be lived with. Silent with `--quiet`.
    pub fn warn(&self, message: impl Display) {
        self.warner().warn(message);
    }

    /// What warns on behalf of this, for who can't borrow it.
    pub fn warner(&self) -> Warner {
        Warner { json: self.json, quiet: self.quiet, stderr: self.stderr.clone() }
    }

    /// Tells why the command ends.
    pub fn fail(&self, failure: &Failure) {
        if !failure.is_silent() {
            self.stderr.fail(failure, self.json);
        }
    }

    /// What to call when a signal ends the process, from whichever thread.
    pub fn on_interrupt(&self) -> impl FnOnce() + Send + 'static {
        let (json, stderr) = (self.json, self.stderr.clone());
        move || {
            // No bar is drawn again below the last word.
            let _ = stderr.bars.clear();
            stderr.bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
            if stderr.is_terminal && !json {
                // The cursor stands behind a question, or behind ^C.
                stderr.print("\n");
            }
            stderr.fail(&Failure::new(Code::Interrupted, "interrupted"), json);
        }
    }
}

/// Who closed stdout is not told that it is closed.
fn written(result: io::Result<()>) -> CommandResult {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::stdout_closed(),
        _ => Failure::io(&error, "writing to standard output"),
    })
}

/// A lock that a panic elsewhere does not take away: what it guards is whole after every write.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
