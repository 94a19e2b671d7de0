//! Where a password comes from, and whether a new one is any good.
//!
//! The order is file, standard input, command, environment, prompt; the first that is given
//! decides, and its failure is final: a scripted password that is wrong is never asked again.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use keybackup_protocol::Address;
use zeroize::Zeroizing;

use crate::cli::{NewPasswordFlags, PasswordFlags};
use crate::config::Environment;
use crate::error::{Code, CommandResult, Failure};
use crate::profile::durable::FOR_OTHERS;
use crate::secret::Password;
use crate::ui::{Ui, escape, read_to_end};

/// Longest password that is read, in bytes.
const MAX_BYTES: u64 = 4096;
/// Fewest characters of a new password.
const MIN_CHARS: usize = 8;
/// Variables that hold one, and are for no other program.
const VARIABLES: [&str; 2] = ["KEYBACKUP_PASSWORD", "KEYBACKUP_NEW_PASSWORD"];

/// Where a password may come from, but for a prompt.
struct Sources<'a> {
    file: Option<&'a Path>,
    stdin: bool,
    command: Option<&'a str>,
    variable: &'static str,
    stdin_option: &'static str,
    /// What a prompt is instead of.
    instead: &'static str,
}

impl<'a> From<&'a PasswordFlags> for Sources<'a> {
    fn from(flags: &'a PasswordFlags) -> Self {
        Self {
            file: flags.password_file.as_deref(),
            stdin: flags.password_stdin,
            command: flags.password_command.as_deref(),
            variable: VARIABLES[0],
            stdin_option: "--password-stdin",
            instead: "--password-file, --password-stdin, --password-command or KEYBACKUP_PASSWORD",
        }
    }
}

impl<'a> From<&'a NewPasswordFlags> for Sources<'a> {
    fn from(flags: &'a NewPasswordFlags) -> Self {
        Self {
            file: flags.new_password_file.as_deref(),
            stdin: flags.new_password_stdin,
            command: flags.new_password_command.as_deref(),
            variable: VARIABLES[1],
            stdin_option: "--new-password-stdin",
            instead: "--new-password-file, --new-password-stdin, --new-password-command or \
                      KEYBACKUP_NEW_PASSWORD",
        }
    }
}

/// The password of an account that exists.
pub fn current(
    ui: &Ui,
    flags: &PasswordFlags,
    environment: &Environment,
    prompt: &str,
) -> Result<Password, Failure> {
    let sources = Sources::from(flags);
    let text = match given(ui, &sources, environment)? {
        Some(text) => text,
        None => ui.password(prompt, sources.instead)?,
    };
    accepted(text)
}

/// A password for a new account: asked twice at a prompt, refused with advice when it is weak.
pub fn chosen(
    ui: &Ui,
    flags: &PasswordFlags,
    environment: &Environment,
    address: &Address,
    allow_weak: bool,
) -> Result<Password, Failure> {
    chosen_from(ui, &flags.into(), environment, address, allow_weak)
}

/// The same for an account that has one.
pub fn chosen_anew(
    ui: &Ui,
    flags: &NewPasswordFlags,
    environment: &Environment,
    address: &Address,
) -> Result<Password, Failure> {
    chosen_from(ui, &flags.into(), environment, address, flags.allow_weak_password)
}

fn chosen_from(
    ui: &Ui,
    sources: &Sources<'_>,
    environment: &Environment,
    address: &Address,
    allow_weak: bool,
) -> Result<Password, Failure> {
    let text = if let Some(text) = given(ui, sources, environment)? {
        text
    } else {
        let text = ui.password("New password", sources.instead)?;
        if !allow_weak {
            // Before it is typed a second time.
            refuse_weak(&text, address)?;
        }
        if *ui.password("The same again", sources.instead)? != *text {
            return Err(Failure::new(Code::Usage, "the two passwords differ"));
        }
        text
    };
    if !allow_weak {
        refuse_weak(&text, address)?;
    }
    accepted(text)
}

/// The password of the first source that is given.
fn given(
    ui: &Ui,
    sources: &Sources<'_>,
    environment: &Environment,
) -> Result<Option<Zeroizing<String>>, Failure> {
    let bytes = if let Some(path) = sources.file {
        secret_file(ui, path, "password", MAX_BYTES)?
    } else if sources.stdin {
        ui.stdin(sources.stdin_option, MAX_BYTES)?
    } else if let Some(command) = sources.command {
        from_command(command)?
    } else if let Some(bytes) = environment.secret(sources.variable) {
        bytes
    } else {
        return Ok(None);
    };
    let bytes = bytes
        .strip_suffix(b"\n")
        .map_or(&bytes[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Failure::new(Code::Usage, "the password is not UTF-8"))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// Reads a file that holds a secret; warns where others can, too.
pub fn secret_file(
    ui: &Ui,
    path: &Path,
    what: &str,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = escape(&path.to_string_lossy()).into_owned();
    let failed = |error: io::Error| {
        Failure::new(Code::PasswordSource, format!("reading the {what} from {shown}"))
            .caused_by(&error)
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // A pipe of the shell, <(…), is nobody else's to open, whatever its mode says.
    if metadata.is_file() && metadata.permissions().mode() & FOR_OTHERS != 0 {
        ui.warn(format!("others can read {shown}: chmod 600 {shown}"));
    }
    read_to_end(file, limit).map_err(failed)
}

fn from_command(command: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |why: &dyn std::error::Error| {
        Failure::new(Code::PasswordSource, "the password command failed")
            .caused_by(&io::Error::other(why.to_string()))
    };
    let mut child = shell(command).spawn().map_err(|error| failed(&error))?;
    let output = child.stdout.take().map(|stdout| read_to_end(stdout, MAX_BYTES)).transpose();
    let status = child.wait().map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&io::Error::other(status.to_string())));
    }
    Ok(output.map_err(|error| failed(&error))?.unwrap_or_default())
}

/// The command for the shell. Its stdin and stderr are ours, so that it can ask for a PIN of its
/// own; a password that we were given is not for it.
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdout(Stdio::piped());
    for variable in VARIABLES {
        shell.env_remove(variable);
    }
    shell
}

fn accepted(text: Zeroizing<String>) -> Result<Password, Failure> {
    if text.is_empty() {
        return Err(Failure::new(Code::Usage, "the password is empty"));
    }
    let mut text = text;
    Ok(Password::new(std::mem::take(&mut *text)))
}

/// Refuses a password that is short, or that `zxcvbn` expects to be guessed within 10^8 tries.
fn refuse_weak(text: &str, address: &Address) -> CommandResult {
    let failure = |why: String| {
        let failure = Failure::new(Code::WeakPassword, format!("the password is weak: {why}"));
        failure.hint("--allow-weak-password takes it as it is")
    };
    if text.is_empty() {
        return Ok(()); // said better elsewhere
    }
    if text.chars().count() < MIN_CHARS {
        return Err(failure(format!("it has fewer than {MIN_CHARS} characters"))
            .hint("four or five words that have nothing to do with each other are strong"));
    }
    let mut known = vec!["keybackup", address.as_str()];
    known.extend(address.as_str().split(['@', '.', '+', '-', '_']));
    let estimate = zxcvbn::zxcvbn(text, &known);
    if estimate.score() >= zxcvbn::Score::Three {
        return Ok(());
    }
    let feedback = estimate.feedback();
    let warning = feedback.and_then(zxcvbn::feedback::Feedback::warning);
    let why = warning.map_or("it is guessed easily".to_owned(), |warning| sentence(&warning));
    let suggestions = feedback.map(zxcvbn::feedback::Feedback::suggestions).unwrap_or_default();
    Err(suggestions
        .iter()
        .fold(failure(why), |failure, suggestion| failure.hint(sentence(suggestion))))
}

/// A foreign sentence in the form of ours: lower case, no full stop.
fn sentence(text: &impl ToString) -> String {
    let text = text.to_string();
    let mut chars = text.trim_end_matches('.').chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

#[cfg(test)]
mod tests;
