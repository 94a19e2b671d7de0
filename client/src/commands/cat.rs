//! `keybackup cat`: one file of a backup to stdout, whole and authenticated or not at all.

use std::io::{self, Seek, Write};

use base64::Engine as _;
use serde::Serialize;

use super::context::Context;
use super::failure::archive_failure;
use super::files::Mtime;
use super::persona::Persona;
use super::{find, history};
use crate::archive;
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::ui::Ui;

/// Files to this size wait in memory until they are known to be whole.
const IN_MEMORY_BYTES: u64 = 8 * 1024 * 1024;
/// Largest file that fits into a JSON document.
const MAX_JSON_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Serialize)]
struct Document {
    persona: Persona,
    path: String,
    size: u64,
    mode: String,
    mtime: Mtime,
    content_base64: String,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Cat) -> CommandResult {
    let ui = context.ui;
    let (session, opened) = context.look()?;
    let (id, persona) = find::find_of(&opened, &arguments.persona, arguments.version)?;
    let persona = &history::as_of(&session, &opened, (id, persona), arguments.version)?;
    let mut blob = session.vault.open_ranged(id, &persona.label.label)?;
    let path = arguments.path.trim_end_matches('/');
    let listed = archive::entries(&mut blob).map_err(|error| archive_failure(&error))?;
    let entry = listed.into_iter().find(|entry| entry.path == path).ok_or_else(|| {
        Failure::new(Code::NotFound, format!("no file {} in the backup", find::quoted(path)))
            .hint(format!("what there is: keybackup files {}", find::quoted(&arguments.persona)))
    })?;
    if entry.kind == archive::Kind::Directory {
        return Err(Failure::new(Code::Usage, format!("{} is a directory", find::quoted(path))));
    }
    if ui.is_json() {
        if entry.size > MAX_JSON_BYTES {
            return Err(Failure::new(
                Code::TooLarge,
                "the file is too large for one JSON document",
            )
            .hint("without --json it is written as it is"));
        }
        let mut bytes = Vec::new();
        archive::copy_entry(&mut blob, path, &mut bytes).map_err(|e| archive_failure(&e))?;
        return ui.json(&Document {
            persona: Persona::of(id, persona),
            path: entry.path,
            size: entry.size,
            mode: format!("{:04o}", entry.mode),
            mtime: Mtime(entry.mtime),
            content_base64: base64::engine::general_purpose::STANDARD.encode(bytes),
        });
    }
    if entry.size <= IN_MEMORY_BYTES {
        let mut bytes = Vec::new();
        archive::copy_entry(&mut blob, path, &mut bytes).map_err(|e| archive_failure(&e))?;
        ui.write(&bytes)?;
        return ui.flush();
    }
    // A pipe can't take back what turns out to be torn. So a large file is read twice: once to
    // nothing, as proof, then to the pipe; nothing of it touches the disk.
    archive::copy_entry(&mut blob, path, &mut std::io::sink()).map_err(|e| archive_failure(&e))?;
    blob.rewind().map_err(|error| Failure::io(&error, "reading the backup"))?;
    let mut out = Stdout::new(ui);
    let copied = archive::copy_entry(&mut blob, path, &mut out);
    out.check()?;
    copied.map_err(|error| archive_failure(&error))?;
    ui.flush()
}

/// Standard output, as the archive writes to it; a failure is kept for what it is.
pub(super) struct Stdout<'a> {
    ui: &'a Ui,
    failure: Option<Failure>,
}

impl<'a> Stdout<'a> {
    pub(super) const fn new(ui: &'a Ui) -> Self {
        Self { ui, failure: None }
    }

    /// The failure of a write, if one failed.
    pub(super) fn check(self) -> CommandResult {
        self.failure.map_or(Ok(()), Err)
    }
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ui.write(bytes).map_err(|failure| {
            self.failure = Some(failure);
            io::Error::from(io::ErrorKind::BrokenPipe)
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
