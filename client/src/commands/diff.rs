//! `keybackup diff`: what a push would change in the backup.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::context::{Context, Session};
use super::failure::archive_failure;
use super::files::Entry;
use super::persona::Persona;
use super::scan::How;
use super::{find, history, local};
use crate::archive::{self, Item};
use crate::cli::{self, Target};
use crate::error::{Code, CommandResult, Failure};
use crate::marks::Opened;
use crate::ui;

#[derive(Serialize)]
struct Document {
    personas: [Differing; 1],
}

#[derive(Serialize)]
struct Differing {
    #[serde(flatten)]
    persona: Persona,
    same: bool,
    changes: Vec<Difference>,
}

/// One difference; `local` is what a push would put in the place of `remote`.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    path: String,
    change: &'static str,
    what: Vec<&'static str>,
    local: Option<Entry>,
    remote: Option<Entry>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Diff) -> CommandResult {
    let ui = context.ui;
    let (session, opened) = context.look()?;
    let (found, directory) = pair(context, &session, &opened, arguments.persona.as_ref())?;
    let (id, _) = found;
    let remote = &history::as_of(&session, &opened, found, arguments.version)?;
    let how = How { skip_special: true, ..How::default() };
    let scan = session.scan(Some(id), &directory, &how)?;
    let label = &remote.label.label;
    let same =
        label.content.as_ref().is_some_and(|content| content.fingerprint == scan.fingerprint());
    let changes = if same {
        Vec::new()
    } else {
        let mut blob = session.vault.open_ranged(id, label)?;
        let items = archive::items(&mut blob).map_err(|error| archive_failure(&error))?;
        changes(scan.tree.items(), &items)
    };
    let persona = Persona {
        path: Some(directory.display().to_string()),
        skipped: scan.tree.skipped.iter().map(Into::into).collect(),
        ..Persona::of(id, remote)
    };
    if ui.is_json() {
        return ui.json(&Document { personas: [Differing { persona, same, changes }] });
    }
    if same {
        return ui.line(format!("{}  no difference", ui::escape(&persona.name)));
    }
    for change in &changes {
        let sign = match change.change {
            "added" => '+',
            "removed" => '-',
            _ => '~',
        };
        let what = match &change.what[..] {
            [] => String::new(),
            what => format!("  ({})", what.join(", ")),
        };
        ui.line(format!("{sign} {}{what}", ui::escape(&change.path)))?;
    }
    Ok(())
}

/// The persona at the server and the directory here that are to be compared.
fn pair<'a>(
    context: &Context<'_>,
    session: &Session,
    opened: &'a Opened,
    target: Option<&Target>,
) -> Result<(find::Found<'a>, std::path::PathBuf), Failure> {
    let personas_dir = &context.settings.personas_dir;
    let remembered = |found: find::Found<'a>| {
        let base = session.vault.state.personas.get(&found.0).and_then(|mark| mark.base.as_ref());
        let name = found.1.label.label.name.as_str();
        let place = Some(personas_dir.join(name)).filter(|place| place.is_dir());
        let place = place.or_else(|| base.map(|base| Path::new(&base.directory).to_owned()));
        place.filter(|place| place.is_dir()).map(|place| (found, place)).ok_or_else(|| {
            Failure::new(Code::NotFound, format!("{} is not on this device", find::quoted(name)))
                .hint(format!("get it: keybackup pull {}", ui::escape(name)))
        })
    };
    match target {
        None => remembered(find::only(context.ui, opened)?),
        Some(Target::Persona(text)) => remembered(find::find(opened, text)?),
        Some(Target::Path(path)) => {
            let local = local::at(path)?;
            let directory = local.directory.display().to_string();
            let pushed_from = opened.personas.iter().find(|(id, persona)| {
                let mark = session.vault.state.personas.get(id);
                let base = mark.and_then(|mark| mark.base.as_ref());
                !persona.label.label.removed && base.is_some_and(|base| base.directory == directory)
            });
            let found = match pushed_from {
                Some((id, persona)) => (*id, persona),
                None => find::find(opened, &local.name)?,
            };
            Ok((found, local.directory))
        }
    }
}

fn entry(item: &Item) -> Entry {
    Entry::new(&item.path, item.kind, item.size, item.mode, item.mtime)
}

/// What differs, by path.
fn changes(local: &[Item], remote: &[Item]) -> Vec<Difference> {
    let mut left: BTreeMap<&str, &Item> =
        remote.iter().map(|item| (item.path.as_str(), item)).collect();
    let mut changes = Vec::new();
    for here in local {
        let there = left.remove(here.path.as_str());
        let what = there.map(|there| differences(here, there));
        if what.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        changes.push(Difference {
            path: here.path.clone(),
            change: if there.is_some() { "modified" } else { "added" },
            what: what.unwrap_or_default(),
            local: Some(entry(here)),
            remote: there.map(entry),
        });
    }
    changes.extend(left.into_values().map(|there| Difference {
        path: there.path.clone(),
        change: "removed",
        what: Vec::new(),
        local: None,
        remote: Some(entry(there)),
    }));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

/// In what two entries of one path differ; a directory's time does not count, as in the
/// fingerprint.
fn differences(a: &Item, b: &Item) -> Vec<&'static str> {
    let file = a.kind == archive::Kind::File;
    [
        ("type", a.kind != b.kind),
        ("content", a.kind == b.kind && a.content != b.content),
        ("mode", a.mode != b.mode),
        ("mtime", a.kind == b.kind && file && a.mtime != b.mtime),
    ]
    .into_iter()
    .filter_map(|(what, differs)| differs.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Kind, Ticks};

    fn item(path: &str, kind: Kind, mode: u32, mtime: u64, content: u8) -> Item {
        Item { path: path.into(), kind, mode, mtime: Ticks(mtime), size: 1, content: [content; 32] }
    }

    #[test]
    fn tells_what_a_push_would_change_and_ignores_a_directorys_time() {
        let local = [
            item("d", Kind::Directory, 0o755, 1, 0),
            item("new", Kind::File, 0o600, 1, 1),
            item("same", Kind::File, 0o600, 1, 1),
            item("touched", Kind::File, 0o644, 2, 1),
        ];
        let remote = [
            item("d", Kind::Directory, 0o755, 9, 0),
            item("gone", Kind::File, 0o600, 1, 1),
            item("same", Kind::File, 0o600, 1, 1),
            item("touched", Kind::File, 0o600, 1, 2),
        ];
        let changes = changes(&local, &remote);
        let told: Vec<_> =
            changes.iter().map(|c| (c.path.as_str(), c.change, c.what.clone())).collect();
        assert_eq!(
            told,
            [
                ("gone", "removed", vec![]),
                ("new", "added", vec![]),
                ("touched", "modified", vec!["content", "mode", "mtime"]),
            ]
        );
    }
}
