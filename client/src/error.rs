//! The error of the command boundary: a documented exit code, a slug for programs, a message
//! with its causes for people, and what to do next. Library errors become one of these where a
//! command ends, and nowhere below.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::OnceLock;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::ui::escape;

mod code;

pub use code::{Code, Exit};

/// Options that choose an account, as they were given: a command that a hint tells to type must
/// not act on another one.
static SELECTION: OnceLock<String> = OnceLock::new();

/// Has every command in a hint repeat these options. The first call of a process counts.
pub fn repeat_in_hints(options: String) {
    // A second call would be of another command line, and a process has one.
    let _ = SELECTION.set(options);
}

/// A hint whose commands repeat `options`, unless it names a profile itself.
fn repeating(hint: String, options: Option<&str>) -> String {
    match options {
        Some(options) if !hint.contains("--profile") => {
            hint.replace("keybackup ", &format!("keybackup {options} "))
        }
        _ => hint,
    }
}

/// What a command answers.
pub type CommandResult = Result<(), Failure>;

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: Code,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    silent: bool,
}

impl Failure {
    /// A failure with a message in lower case, without full stop.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), hints: Vec::new(), silent: false }
    }

    /// The failure that an error is: its text is the message, its sources are the causes.
    pub fn of(code: Code, error: &(dyn Error + 'static)) -> Self {
        let failure = Self::new(code, error.to_string());
        match error.source() {
            Some(source) => failure.caused_by(source),
            None => failure,
        }
    }

    /// A failure of the local disk or system; `what` was being done.
    pub fn io(error: &io::Error, what: impl Into<String>) -> Self {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
            _ => Code::Io,
        };
        Self::new(code, what).caused_by(error)
    }

    /// Who reads stdout has closed it: exit 1, and nothing is said about it.
    pub fn stdout_closed() -> Self {
        Self { silent: true, ..Self::new(Code::Io, "standard output is closed") }
    }

    /// What a run over `total` things ends with when some failed: integrity wins, else 3 when
    /// others succeeded or failed differently, else what they all have. `None` if none failed.
    pub fn combined(total: usize, failures: &[Self]) -> Option<Self> {
        let first = failures.first()?;
        if let Some(worst) = failures.iter().find(|failure| failure.exit() == Exit::Integrity) {
            return Some(worst.clone());
        }
        if failures.len() == total && failures.iter().all(|other| other.code == first.code) {
            return Some(first.clone());
        }
        let message = format!("{} of {total} failed", failures.len());
        Some(Self { causes: vec![first.message.clone()], ..Self::new(Code::Partial, message) })
    }

    /// Appends an error and its sources to the causes.
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries print their source in their own text; once is enough.
            let told = self.causes.last().unwrap_or(&self.message);
            if !told.contains(&text) {
                self.causes.push(text);
            }
            cause = error.source();
        }
        self
    }

    /// Says what was being done; the old message becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let told = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, told);
        self
    }

    /// Appends what to do next, mostly a command to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(repeating(hint.into(), SELECTION.get().map(String::as_str)));
        self
    }

    /// The kind of failure.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The exit code of the process.
    pub const fn exit(&self) -> Exit {
        self.code.exit()
    }

    /// What failed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why, from the nearest cause to the deepest.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// What to do next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Whether nothing is to be printed.
    pub const fn is_silent(&self) -> bool {
        self.silent
    }

    /// `{"code","exit","message","hint"}` of `docs/json.md`.
    pub fn to_json(&self) -> Value {
        // Strings and a number are all that it holds: there is nothing that could not be a value.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// `{"code","exit","message","hint"}` of `docs/json.md`.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            code: &'a str,
            exit: u8,
            message: String,
            hint: Option<String>,
        }
        Document {
            code: self.code.slug(),
            exit: self.exit().code(),
            message: self.to_string(),
            hint: (!self.hints.is_empty()).then(|| self.hints.join("\n")),
        }
        .serialize(serializer)
    }
}

/// Message and causes in one line, escaped for a terminal.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.message))?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {}", escape(cause)))
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the thing")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("it is not there")]
    struct Inner;

    /// An error that repeats its source, as some libraries do.
    #[derive(Debug, thiserror::Error)]
    #[error("request failed: {0}")]
    struct Repeats(#[source] Inner);

    #[test]
    fn causes_are_told_once_and_in_order() {
        let failure = Failure::of(Code::Io, &Outer(Inner)).context("push failed");
        assert_eq!(failure.to_string(), "push failed: cannot read the thing: it is not there");
        let failure = Failure::of(Code::Network, &Repeats(Inner));
        assert_eq!(failure.to_string(), "request failed: it is not there");
    }

    #[test]
    fn json_has_slug_exit_message_and_hints() {
        let failure = Failure::new(Code::LoginNeeded, "nobody is logged in")
            .hint("keybackup login EMAIL")
            .hint("or use a token");
        assert_eq!(
            failure.to_json(),
            json!({
                "code": "login_needed",
                "exit": 4,
                "message": "nobody is logged in",
                "hint": "keybackup login EMAIL\nor use a token",
            })
        );
        assert_eq!(Failure::new(Code::Io, "x").to_json()["hint"], Value::Null);
    }

    /// Holds rule 21.
    #[test]
    fn untrusted_text_can_neither_colour_nor_add_lines() {
        let failure = Failure::new(Code::Server, "it says \x1b[2Jall is well\nhint: run this");
        assert_eq!(failure.to_string(), "it says \\u{1b}[2Jall is well\\u{a}hint: run this");
    }

    #[test]
    fn a_full_disk_has_its_own_code() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Failure::io(&full, "writing").code(), Code::DiskFull);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(Failure::io(&denied, "writing").code(), Code::Io);
    }

    #[test]
    fn of_several_failures_integrity_wins_and_mixed_ones_are_partial() {
        let conflict = Failure::new(Code::Conflict, "newer there");
        let tampered = Failure::new(Code::Integrity, "does not open");
        let absent = Failure::new(Code::NotFound, "absent");
        let exit = |total, failures: &[Failure]| {
            Failure::combined(total, failures).map(|failure| failure.exit())
        };
        assert_eq!(exit(2, &[]), None);
        assert_eq!(exit(2, &[conflict.clone(), tampered]), Some(Exit::Integrity));
        assert_eq!(exit(2, std::slice::from_ref(&conflict)), Some(Exit::Partial));
        assert_eq!(exit(2, &[conflict.clone(), absent]), Some(Exit::Partial));
        assert_eq!(exit(2, &[conflict.clone(), conflict]), Some(Exit::Conflict));
    }
}
