//! Questions. Without a terminal each fails and names what would have answered.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;

use zeroize::Zeroizing;

use super::{Ui, escape, locked};
use crate::error::{Code, CommandResult, Failure};

/// How often an answer may miss before a question is given up.
const TRIES: usize = 3;

/// Whether questions may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// There is a terminal.
    Possible,
    /// There is none.
    NoTerminal,
    /// `--no-input`.
    Forbidden,
}

impl Asking {
    pub(super) const fn choose(no_input: bool, is_terminal: bool) -> Self {
        match (no_input, is_terminal) {
            (true, _) => Self::Forbidden,
            (false, false) => Self::NoTerminal,
            (false, true) => Self::Possible,
        }
    }
}

impl Ui {
    /// Whether there is somebody to ask.
    pub fn can_ask(&self) -> bool {
        self.asking == Asking::Possible
    }

    /// Asks for a line. `instead` names what would have answered, like `--server URL`.
    pub fn ask(&self, question: &str, instead: &str) -> Result<String, Failure> {
        let answer = self.answer(question, instead, |ui| locked(&ui.input).line())?;
        Ok(answer.trim().to_owned())
    }

    /// Asks for a line that is not shown.
    pub fn password(&self, question: &str, instead: &str) -> Result<Zeroizing<String>, Failure> {
        self.need_answers(question, instead)?;
        let hushed = locked(&self.input).hush();
        let answer = self.answer(question, instead, |ui| locked(&ui.input).hidden());
        drop(hushed);
        // The line end that was typed was not shown either.
        self.stderr.print("\n");
        answer
    }

    /// Asks yes or no; only yes is success.
    pub fn confirm(&self, question: &str, instead: &str) -> CommandResult {
        let answer = self.ask(&format!("{question} [y/N]"), instead)?;
        match answer.to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::new(Code::Declined, "not confirmed: nothing was done")),
        }
    }

    /// Asks for one of several; answers its place, from 0.
    pub fn choose(
        &self,
        question: &str,
        options: &[String],
        instead: &str,
    ) -> Result<usize, Failure> {
        self.need_answers(question, instead)?;
        for (number, option) in (1..).zip(options) {
            self.stderr.print(&format!("{number:>3}  {}\n", escape(option)));
        }
        for _ in 0..TRIES {
            let answer = self.ask(&format!("{question} [1-{}]", options.len()), instead)?;
            match answer.parse::<usize>() {
                Ok(number) if (1..=options.len()).contains(&number) => return Ok(number - 1),
                _ => self.stderr.print("a number of the list, please\n"),
            }
        }
        Err(Failure::new(Code::Usage, "none of the list was chosen")
            .hint(format!("give {instead}")))
    }

    /// Shows a recovery phrase, also with `--quiet`: it is shown once.
    pub fn show_phrase(&self, phrase: &str) {
        self.stderr.print(
            "Recovery phrase. Write these words down, in this order, and keep them where nobody\n\
             else looks: they open everything when the password is lost, and are not shown again.\n\n",
        );
        for (number, word) in (1..).zip(phrase.split_whitespace()) {
            let cell = if number % 4 == 0 {
                Zeroizing::new(format!("{number:>4} {word}\n"))
            } else {
                Zeroizing::new(format!("{number:>4} {word:<9}"))
            };
            self.stderr.print(&cell);
        }
        self.stderr.print("\n");
    }

    /// Asks two words of a phrase back. Asks nothing where there is nobody to ask.
    pub fn quiz(&self, phrase: &str) -> CommandResult {
        let words: Vec<&str> = phrase.split_whitespace().collect();
        if !self.can_ask() {
            return Ok(());
        }
        for place in two_places(words.len()) {
            self.quiz_word(place + 1, words[place])?;
        }
        Ok(())
    }

    fn quiz_word(&self, number: usize, word: &str) -> CommandResult {
        for _ in 0..TRIES {
            let question = format!("Word {number}");
            let answer =
                self.answer(&question, "--recovery-file", |ui| locked(&ui.input).line())?;
            if answer.trim().eq_ignore_ascii_case(word) {
                return Ok(());
            }
            self.stderr.print(&format!("that is not word {number}\n"));
        }
        Err(Failure::new(
            Code::Unconfirmed,
            "the recovery phrase was not repeated: nothing was registered",
        )
        .hint("start again, and write the new words down; or use --recovery-file FILE"))
    }

    /// All of standard input, for the option named; the second option to ask is refused.
    pub fn stdin(&self, option: &'static str, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if let Some(other) = locked(&self.stdin_reader).replace(option) {
            let message = format!("{other} and {option} can't both read standard input");
            return Err(Failure::new(Code::Usage, message));
        }
        locked(&self.input)
            .to_end(limit)
            .map_err(|error| Failure::io(&error, format!("reading standard input for {option}")))
    }

    fn answer(
        &self,
        question: &str,
        instead: &str,
        read: impl FnOnce(&Self) -> io::Result<Option<Zeroizing<String>>>,
    ) -> Result<Zeroizing<String>, Failure> {
        self.need_answers(question, instead)?;
        self.stderr.print(&format!("{question}: "));
        match read(self) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(needed("the input ended", question, instead)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                Err(Failure::new(Code::Interrupted, "interrupted"))
            }
            Err(error) => Err(Failure::io(&error, "reading from the terminal")),
        }
    }

    fn need_answers(&self, question: &str, instead: &str) -> CommandResult {
        match self.asking {
            Asking::Possible => Ok(()),
            Asking::NoTerminal => Err(needed("there is no terminal to ask", question, instead)),
            Asking::Forbidden => Err(needed("--no-input forbids to ask", question, instead)),
        }
    }
}

fn needed(why: &str, question: &str, instead: &str) -> Failure {
    let question = question.trim_end_matches('?');
    Failure::new(Code::InputNeeded, format!("{why}: {question}")).hint(format!("give {instead}"))
}

/// Two different places below `length`, in order, that nobody can foretell. They need not be
/// secret, so the seeds of a hash map will do.
fn two_places(length: usize) -> [usize; 2] {
    let below = |bound: usize| {
        let random = RandomState::new().build_hasher().finish();
        usize::try_from(random % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    };
    let first = below(length);
    let second = below(length.saturating_sub(1));
    let second = if second >= first { second + 1 } else { second };
    [first.min(second), first.max(second)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_places_differ_are_in_order_and_reach_everywhere() {
        let mut seen = [false; 12];
        for _ in 0..2_000 {
            let [first, second] = two_places(12);
            assert!(first < second && second < 12);
            seen[first] = true;
            seen[second] = true;
        }
        assert_eq!(seen, [true; 12]);
    }
}
