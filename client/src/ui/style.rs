//! How messages look.

use clap::builder::styling::{AnsiColor, Style};

use super::escape;
use crate::error::Failure;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const CAUSE: Style = Style::new().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// A word in a style, or plain.
pub(super) fn label(text: &str, style: Style, colour: bool) -> String {
    if colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// A failure in lines: what, why, and what next.
pub(super) fn failure(failure: &Failure, colour: bool) -> String {
    let mut text = String::new();
    let mut line = |word, style, told: &str| {
        text.push_str(&label(word, style, colour));
        text.push(' ');
        text.push_str(&escape(told));
        text.push('\n');
    };
    line("error:", ERROR, failure.message());
    failure.causes().iter().for_each(|cause| line("caused by:", CAUSE, cause));
    failure.hints().iter().for_each(|hint| line("hint:", HINT, hint));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn a_failure_has_a_line_for_each_part() {
        let told = Failure::new(Code::Io, "reading a\nb")
            .caused_by(&std::io::Error::other("why"))
            .hint("do this");
        assert_eq!(
            failure(&told, false),
            "error: reading a\\u{a}b\ncaused by: why\nhint: do this\n"
        );
        assert_eq!(
            failure(&Failure::new(Code::Io, "x"), true),
            "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m x\n"
        );
    }
}
