//! `keybackup completions`: the script for a shell. Reads and touches nothing.

use crate::cli::{self, Completions};
use crate::error::CommandResult;
use crate::ui::Ui;

/// Runs the command.
pub fn run(ui: &Ui, arguments: &Completions) -> CommandResult {
    let mut script = Vec::new();
    let mut command = cli::command();
    clap_complete::generate(arguments.shell, &mut command, "keybackup", &mut script);
    ui.write(&script)
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let (ui, captured) = Ui::captured(&[]);
            run(&ui, &Completions { shell }).expect("printed");
            let script = captured.stdout();
            for command in cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell} {}", command.get_name());
            }
        }
    }
}
