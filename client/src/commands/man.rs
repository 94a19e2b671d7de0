//! `keybackup man`: the manual, one page a command.

use std::path::Path;

use clap_mangen::Man as Page;
use serde::Serialize;

use crate::cli::{self, Man};
use crate::error::{CommandResult, Failure};
use crate::ui::{Ui, escape};

#[derive(Serialize)]
struct Document {
    pages: Vec<String>,
}

/// Runs the command.
pub fn run(ui: &Ui, arguments: &Man) -> CommandResult {
    let directory = &arguments.directory;
    let shown = escape(&directory.to_string_lossy()).into_owned();
    std::fs::create_dir_all(directory)
        .map_err(|error| Failure::io(&error, format!("making {shown}")))?;
    let pages = write_pages(directory)
        .map_err(|error| Failure::io(&error, format!("writing manual pages to {shown}")))?;
    if ui.is_json() {
        return ui.json(&Document { pages });
    }
    ui.say(format!("{} manual pages are in {shown}", pages.len()));
    Ok(())
}

fn write_pages(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut root = cli::command();
    // Gives each command its full name, and the options that all have.
    root.build();
    all(&root)
        .into_iter()
        .map(|command| {
            let page = Page::new(command.clone());
            page.generate_to(directory)?;
            Ok(page.get_filename())
        })
        .collect()
}

/// A command, and those below it that people see.
fn all(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(below.flat_map(all)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;

    #[test]
    fn every_command_has_a_page() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = parent.path().join("man1");
        let options = Global { json: true, ..Global::default() };
        let (ui, captured) = Ui::captured_with(&options, &[]);
        run(&ui, &Man { directory: directory.clone() }).expect("written");
        let document: serde_json::Value = serde_json::from_str(&captured.stdout()).expect("JSON");
        let names = document["pages"].as_array().expect("a list");
        assert_eq!(names.len(), all(&cli::command()).len());
        for name in names {
            let page = std::fs::read_to_string(directory.join(name.as_str().expect("text")));
            assert!(page.expect("there").starts_with(".ie \\n(.g"), "{name}");
        }
        assert!(directory.join("keybackup-push.1").exists());
        assert!(directory.join("keybackup-password-change.1").exists());
    }
}
