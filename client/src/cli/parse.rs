//! From arguments to a command, or to help, the version, or a usage error in the form that was
//! asked for: a usage error with `--json` is JSON too.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _, Write as _};

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, ValueEnum as _};

use super::{Cli, ColorWhen};
use crate::config::Environment;
use crate::error::{Code, Exit, Failure};
use crate::ui::document;

/// What every `keybackup --help` ends with.
pub(super) const AFTER_HELP: &str = "\
Exit codes:
    0  done                             11  conflict: newer there, or different here
    1  other (disk, size, quota)        12  wrong password, code or phrase
    2  usage                            13  network or server
    3  partial: something was skipped   14  integrity: tampered with, rolled back
    4  login needed                    130  interrupted
   10  not found

Examples:
  keybackup register alice@example.org --server https://keys.example.org
  keybackup push
  keybackup pull --all";

/// Why there is no command to run, and what to print instead.
#[derive(Debug)]
pub struct Stop {
    /// As clap shows it to people.
    text: StyledStr,
    /// `None` where help or the version was asked for.
    failure: Option<Failure>,
    /// The options for printing that stand among the arguments, which as a whole did not parse.
    json: bool,
    color: ColorWhen,
}

/// The whole command line as clap knows it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the arguments, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Stop> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| Stop::of(&error, &arguments))
}

impl Stop {
    fn of(error: &clap::Error, arguments: &[OsString]) -> Self {
        let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        Self {
            text: error.render(),
            failure: (!asked).then(|| usage_failure(error)),
            json: options(arguments).any(|option| option == "--json"),
            color: color(arguments),
        }
    }

    /// The usage error, unless help or the version was asked for.
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Prints it where it belongs and tells the exit code.
    pub fn print(&self) -> Exit {
        let environment = Environment::of_process();
        let styled = |is_terminal| {
            let colour = environment.colour(self.color, is_terminal);
            if colour { self.text.ansi().to_string() } else { self.text.to_string() }
        };
        let Some(failure) = &self.failure else {
            let mut stdout = io::stdout();
            let text = styled(stdout.is_terminal());
            let printed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            return if printed.is_ok() { Exit::Ok } else { Exit::Other };
        };
        let mut stderr = io::stderr();
        let text =
            if self.json { document("error", failure) } else { styled(stderr.is_terminal()) };
        // There is nowhere else to say that stderr does not take it.
        let _ = stderr.write_all(text.as_bytes());
        failure.exit()
    }
}

/// The first paragraph of clap's text is the message; a tip, if it gives one, is the hint.
fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let message = if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "a command is missing".to_owned()
    } else {
        let first = paragraphs.next().unwrap_or_default();
        one_line(first.strip_prefix("error: ").unwrap_or(first))
    };
    let failure = Failure::new(Code::Usage, message);
    match paragraphs.find_map(|paragraph| paragraph.trim().strip_prefix("tip: ")) {
        Some(tip) => failure.hint(one_line(tip)),
        None => failure.hint("keybackup --help"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The arguments before `--`.
fn options(arguments: &[OsString]) -> impl Iterator<Item = &OsStr> {
    arguments.iter().skip(1).map(OsString::as_os_str).take_while(|argument| *argument != "--")
}

/// What `--color` says, in either spelling.
fn color(arguments: &[OsString]) -> ColorWhen {
    let mut options = options(arguments).map(OsStr::to_string_lossy);
    let mut value = None;
    while let Some(option) = options.next() {
        if option == "--color" {
            value = options.next();
        } else if let Some(text) = option.strip_prefix("--color=") {
            value = Some(text.to_owned().into());
        }
    }
    value.and_then(|text| ColorWhen::from_str(&text, false).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, Target};

    fn parsed(line: &str) -> Result<Cli, Stop> {
        parse(line.split(' ').map(OsString::from))
    }

    fn refused(line: &str) -> (bool, Failure) {
        let stop = parsed(line).expect_err(line);
        (stop.json, stop.failure.expect(line))
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["keybackup --json push work", "keybackup push --json work"] {
            let cli = parsed(line).expect(line);
            assert!(cli.global.json);
            let Command::Push(push) = cli.command else { panic!("{line}") };
            assert_eq!(push.target, Some(Target::Persona("work".into())));
        }
    }

    #[test]
    fn the_address_of_a_login_is_an_argument_or_an_option() {
        let cli = parsed("keybackup login alice@example.org --email bob@example.org").expect("ok");
        assert_eq!(cli.global.email.as_deref(), Some("bob@example.org"));
        let Command::Login(login) = cli.command else { panic!("another command") };
        assert_eq!(login.address.as_deref(), Some("alice@example.org"));
    }

    #[test]
    fn usage_errors_exit_with_2_and_are_json_where_asked() {
        let (json, failure) = refused("keybackup --json push --frobnicate");
        assert!(json);
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(failure.message(), "unexpected argument '--frobnicate' found");
        let (json, failure) = refused("keybackup rename work");
        assert!(!json);
        assert_eq!(failure.message(), "the following required arguments were not provided: <NAME>");
        assert!(!refused("keybackup cat -- --json").0);
        assert_eq!(refused("keybackup").1.message(), "a command is missing");
    }

    #[test]
    fn what_contradicts_is_refused() {
        for line in [
            "keybackup push --all work",
            "keybackup push --all --name work",
            "keybackup pull --all work",
            "keybackup pull work here --zip file.zip",
            "keybackup verify --all work",
            "keybackup list --timeout 0",
            "keybackup list --store cloud",
            "keybackup login a@b.c --password-stdin --password-stdin",
        ] {
            assert_eq!(refused(line).1.code(), Code::Usage, "{line}");
        }
    }

    #[test]
    fn help_and_version_are_asked_for() {
        for line in ["keybackup --help", "keybackup push --help", "keybackup --version"] {
            let stop = parsed(line).expect_err(line);
            assert!(stop.failure().is_none(), "{line}");
        }
    }

    #[test]
    fn colour_is_chosen_although_the_rest_does_not_parse() {
        for (line, when) in [
            ("keybackup --color never --bad", ColorWhen::Never),
            ("keybackup --bad --color=always", ColorWhen::Always),
            ("keybackup --color", ColorWhen::Auto),
            ("keybackup -- --color never", ColorWhen::Auto),
        ] {
            assert_eq!(parsed(line).expect_err(line).color, when, "{line}");
        }
    }

    /// Holds rule 34.
    #[test]
    fn no_option_takes_a_secret() {
        fn arguments(command: &clap::Command) -> Vec<&clap::Arg> {
            let below = command.get_subcommands().flat_map(arguments);
            command.get_arguments().chain(below).collect()
        }
        for argument in arguments(&command()) {
            let id = argument.get_id().as_str();
            let takes_value = argument.get_action().takes_values();
            for word in ["password", "phrase", "pin", "token", "secret"] {
                let is_source = id.ends_with("_file") || id.ends_with("_command");
                assert!(!(takes_value && id.contains(word) && !is_source), "{id}");
            }
        }
    }
}
