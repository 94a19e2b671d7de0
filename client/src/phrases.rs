//! Where a recovery phrase comes from: a file, standard input, or a prompt; and where a new one goes
//! before it is real.

use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::PhraseFlags;
use crate::error::{Code, CommandResult, Failure};
use crate::keys;
use crate::passwords;
use crate::profile::durable;
use crate::secret::Phrase;
use crate::ui::{Ui, escape};

/// Longest text that is read, in bytes.
const MAX_BYTES: u64 = 4096;
/// What a prompt is instead of.
const INSTEAD: &str = "--phrase-file or --phrase-stdin";

/// The phrase of an account that exists.
pub fn current(ui: &Ui, flags: &PhraseFlags) -> Result<Phrase, Failure> {
    match given(ui, flags)? {
        Some(phrase) => Ok(phrase),
        None => asked(ui, "Recovery phrase", INSTEAD)?.ok_or_else(|| {
            Failure::new(Code::InputNeeded, "no recovery phrase was given")
                .hint(format!("give {INSTEAD}"))
        }),
    }
}

/// The same where it may be missing: `None` for an empty answer.
pub fn current_if_any(
    ui: &Ui,
    flags: &PhraseFlags,
    instead: &str,
) -> Result<Option<Phrase>, Failure> {
    match given(ui, flags)? {
        Some(phrase) => Ok(Some(phrase)),
        None => asked(ui, "Recovery phrase (empty if it is lost)", instead),
    }
}

/// The phrase of the flags, if they name one.
pub fn given(ui: &Ui, flags: &PhraseFlags) -> Result<Option<Phrase>, Failure> {
    let bytes = if let Some(path) = &flags.phrase_file {
        passwords::secret_file(ui, path, "recovery phrase", MAX_BYTES)?
    } else if flags.phrase_stdin {
        ui.stdin("--phrase-stdin", MAX_BYTES)?
    } else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::new(Code::WrongPhrase, "the recovery phrase is not UTF-8"))?;
    parse(text).map(Some)
}

fn asked(ui: &Ui, question: &str, instead: &str) -> Result<Option<Phrase>, Failure> {
    let text = ui.password(question, instead)?;
    if text.trim().is_empty() { Ok(None) } else { parse(&text).map(Some) }
}

fn parse(text: &str) -> Result<Phrase, Failure> {
    keys::phrase::parse(text).map_err(|error| {
        Failure::of(Code::WrongPhrase, &error).context("this is no recovery phrase")
    })
}

/// Refuses to go on where nobody would see a new phrase: it is shown once.
pub fn refuse_unseen(ui: &Ui, file: Option<&Path>) -> CommandResult {
    if ui.can_ask() || ui.is_json() || file.is_some() {
        return Ok(());
    }
    Err(Failure::new(Code::InputNeeded, "there is nobody to show the recovery phrase to")
        .hint("have it written to a file: --recovery-file FILE")
        .hint("or take it from the document on standard output: --json"))
}

/// Refuses a file for it that is there.
pub fn refuse_existing(file: Option<&Path>) -> CommandResult {
    match file.filter(|file| std::fs::symlink_metadata(file).is_ok()) {
        None => Ok(()),
        Some(file) => Err(Failure::new(Code::Usage, format!("{} exists already", file.display()))
            .hint("--recovery-file never replaces a file: name another one")),
    }
}

/// Writes a new phrase to the file, durably; or shows it and asks two words back, unless a document
/// carries it.
pub fn keep(ui: &Ui, phrase: &str, file: Option<&Path>) -> CommandResult {
    if let Some(file) = file {
        let line = Zeroizing::new(format!("{phrase}\n"));
        durable::create_new(file, line.as_bytes()).map_err(|error| {
            Failure::io(&error, format!("writing the recovery phrase to {}", file.display()))
        })?;
        ui.say(format!("the recovery phrase is in {}", escape(&file.display().to_string())));
    } else if !ui.is_json() {
        ui.show_phrase(phrase);
        ui.quiz(phrase)?;
    }
    Ok(())
}
