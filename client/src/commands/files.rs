//! `keybackup files`: what a backup holds, read by random access.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::context::Context;
use super::failure::archive_failure;
use super::persona::Persona;
use super::{find, history};
use crate::archive::{self, Kind, Ticks};
use crate::cli;
use crate::error::CommandResult;
use crate::ui;

/// One file or directory, as documents show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) r#type: &'static str,
    pub(super) size: Option<u64>,
    pub(super) mode: String,
    pub(super) mtime: Mtime,
}

/// A time in a document: seconds since 1970 with up to seven decimals. Written digit by digit,
/// since a double is too coarse for 100 ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mtime(pub Ticks);

impl Mtime {
    fn to_text(self) -> String {
        let (seconds, nanoseconds) = self.0.to_unix();
        let ticks = nanoseconds / 100;
        let (sign, seconds, ticks) = match (seconds, ticks) {
            (..0, 1..) => ("-", -(seconds + 1), 10_000_000 - ticks),
            _ => ("", seconds, ticks),
        };
        if ticks == 0 {
            return format!("{sign}{seconds}");
        }
        format!("{sign}{seconds}.{ticks:07}").trim_end_matches('0').to_owned()
    }
}

impl Serialize for Mtime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_text())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl Entry {
    /// From what an archive or a walk says of it.
    pub(super) fn new(path: &str, kind: Kind, size: u64, mode: u32, mtime: Ticks) -> Self {
        Self {
            path: path.to_owned(),
            r#type: match kind {
                Kind::File => "file",
                Kind::Directory => "directory",
            },
            size: (kind == Kind::File).then_some(size),
            mode: format!("{mode:04o}"),
            mtime: Mtime(mtime),
        }
    }
}

#[derive(Serialize)]
struct Document {
    persona: Persona,
    entries: Vec<Entry>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Files) -> CommandResult {
    let ui = context.ui;
    let (session, opened) = context.look()?;
    let (id, persona) = find::find_of(&opened, &arguments.persona, arguments.version)?;
    let persona = &history::as_of(&session, &opened, (id, persona), arguments.version)?;
    let mut blob = session.vault.open_ranged(id, &persona.label.label)?;
    let listed = archive::entries(&mut blob).map_err(|error| archive_failure(&error))?;
    if ui.is_json() {
        let entries = listed
            .iter()
            .map(|entry| Entry::new(&entry.path, entry.kind, entry.size, entry.mode, entry.mtime))
            .collect();
        return ui.json(&Document { persona: Persona::of(id, persona), entries });
    }
    let rows: Vec<_> = listed
        .iter()
        .map(|entry| {
            let directory = entry.kind == Kind::Directory;
            vec![
                format!("{}{:04o}", if directory { "d" } else { "-" }, entry.mode),
                if directory { String::new() } else { ui::size(entry.size) },
                ui::timestamp(entry.mtime.to_unix().0),
                entry.path.clone(),
            ]
        })
        .collect();
    ui.table(&["MODE", "SIZE", "MODIFIED", "PATH"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_every_100_ns_on_both_sides_of_1970() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1_763_812_345, 123_456_700, "1763812345.1234567"),
            (1_763_812_345, 500_000_000, "1763812345.5"),
            (-2, 500_000_000, "-1.5"),
            (-1, 999_999_900, "-0.0000001"),
            (-7, 0, "-7"),
        ] {
            let mtime = Mtime(Ticks::from_unix(seconds, nanoseconds));
            assert_eq!(serde_json::to_string(&mtime).expect("a number"), text);
        }
    }
}
