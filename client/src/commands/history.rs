//! `keybackup history`: the versions of a persona. And how other commands get hold of one of them.

use keybackup_protocol::PersonaId;
use serde::Serialize;

use super::context::{Context, Session, now};
use super::find;
use super::persona::device_names;
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::{Opened, OpenedPersona};
use crate::records::Label;
use crate::ui;
use crate::vault::PastVersion;

#[derive(Serialize)]
struct Document {
    id: PersonaId,
    name: String,
    versions: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    version: u64,
    change: Change,
    content_version: Option<u64>,
    name: String,
    time: i64,
    stored_at: i64,
    device: String,
    files: Option<u64>,
    directories: Option<u64>,
    size: Option<u64>,
    stored_size: Option<u64>,
    bytes_held: bool,
}

/// What a version did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// Brought bytes.
    Push,
    /// Gave another name to the same.
    Rename,
    /// Names the bytes of an older version again.
    Restore,
    /// Removed it.
    Remove,
    /// None of these.
    Relabel,
}

impl Change {
    fn of(label: &Label, before: Option<&Label>) -> Self {
        if label.removed {
            Self::Remove
        } else if label.content_version == Some(label.version) {
            Self::Push
        } else if before.is_none_or(|before| before.content_version != label.content_version) {
            Self::Restore
        } else if before.is_some_and(|before| before.name != label.name) {
            Self::Rename
        } else {
            Self::Relabel
        }
    }
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::History) -> CommandResult {
    let ui = context.ui;
    let (session, opened) = context.look()?;
    let (id, persona) = find::find_any(&opened, &arguments.persona)?;
    let history = session.vault.history(&opened, id)?;
    let names = device_names(&session.vault);
    let versions: Vec<_> = history
        .iter()
        .enumerate()
        .map(|(at, past)| {
            let before = history.get(at + 1).map(|past| &past.label.label);
            let device = past.label.label.device;
            let name = names.iter().find(|(id, _)| *id == device);
            version(past, before, name.map_or_else(|| device.to_string(), |(_, it)| it.clone()))
        })
        .collect();
    let name = persona.label.label.name.to_string();
    if ui.is_json() {
        return ui.json(&Document { id, name, versions });
    }
    let rows: Vec<_> = versions
        .iter()
        .enumerate()
        .map(|(at, version)| row(version, versions.get(at + 1)))
        .collect();
    ui.table(&["VERSION", "WHEN", "BY", "WHAT", "FILES", "SIZE"], &rows)
}

fn version(past: &PastVersion, before: Option<&Label>, device: String) -> Entry {
    let label = &past.label.label;
    let content = label.content.as_ref();
    Entry {
        version: label.version,
        change: Change::of(label, before),
        content_version: label.content_version,
        name: label.name.to_string(),
        time: label.time,
        stored_at: past.stored_at,
        device,
        files: content.map(|content| content.files),
        directories: content.map(|content| content.directories),
        size: content.map(|content| content.bytes),
        stored_size: content.map(|content| content.blob_bytes),
        bytes_held: past.bytes_held,
    }
}

fn row(version: &Entry, before: Option<&Entry>) -> Vec<String> {
    let what = match version.change {
        Change::Push => "pushed".to_owned(),
        Change::Remove => "removed".to_owned(),
        Change::Relabel => "labelled anew".to_owned(),
        Change::Restore => {
            format!("restored version {}", version.content_version.unwrap_or_default())
        }
        Change::Rename => {
            format!("renamed from {}", before.map_or("", |before| before.name.as_str()))
        }
    };
    let gone = version.size.is_some() && !version.bytes_held;
    let size = version.size.map_or_else(String::new, ui::size);
    vec![
        version.version.to_string(),
        ui::age(now().saturating_sub(version.time)),
        version.device.clone(),
        what,
        version.files.map_or_else(String::new, |files| files.to_string()),
        if gone { format!("{size} (gone)") } else { size },
    ]
}

/// A persona as its version `version` was, or as it is now where none is named.
pub(super) fn as_of(
    session: &Session,
    opened: &Opened,
    (id, persona): find::Found<'_>,
    version: Option<u64>,
) -> Result<OpenedPersona, Failure> {
    let Some(version) = version else { return Ok(persona.clone()) };
    let history = session.vault.history(opened, id)?;
    let past = past(&history, version, persona)?;
    Ok(persona.with_label(past.label.clone(), past.stored_at))
}

/// The version of a history with this number, if there are bytes to be had of it.
pub(super) fn past<'a>(
    history: &'a [PastVersion],
    version: u64,
    persona: &OpenedPersona,
) -> Result<&'a PastVersion, Failure> {
    let name = persona.label.label.name.as_str();
    let hint = format!("what there is: keybackup history {}", ui::shell_word(name));
    let not_found = |what: String| Failure::new(Code::NotFound, what).hint(&hint);
    let shown = find::quoted(name);
    let past = history
        .iter()
        .find(|past| past.label.label.version == version)
        .ok_or_else(|| not_found(format!("{shown} has no version {version}")))?;
    if past.label.label.removed {
        return Err(not_found(format!("version {version} of {shown} is its removal")));
    }
    if !past.bytes_held {
        return Err(not_found(format!(
            "the bytes of version {version} of {shown} are gone: the newest 20 are kept, and what \
             was replaced less than 30 days ago"
        )));
    }
    Ok(past)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::labels::label;

    #[test]
    fn what_a_version_did_shows_in_what_it_names() {
        let first = label("work", 1, None);
        let of = |change: fn(&mut Label)| {
            let mut next = Label { version: 2, ..first.clone() };
            change(&mut next);
            Change::of(&next, Some(&first))
        };
        assert_eq!(Change::of(&first, None), Change::Push);
        assert_eq!(of(|label| label.content_version = Some(2)), Change::Push);
        assert_eq!(of(|_| {}), Change::Relabel);
        assert_eq!(of(|label| label.name = "play".parse().expect("a name")), Change::Rename);
        assert_eq!(of(|label| label.removed = true), Change::Remove);
        let removed = Label { removed: true, content_version: None, ..first.clone() };
        let back = Label { version: 3, ..first.clone() };
        assert_eq!(Change::of(&back, Some(&removed)), Change::Restore);
    }
}
