//! `keybackup pull --zip`: an ordinary zip, as a file or on standard output.

use std::io::{self, Seek as _};
use std::path::Path;

use super::failures::export_failure;
use super::wanted::absolute_itself;
use super::{Pull, Pulled, check_summary, content, fetch};
use crate::archive;
use crate::commands::cat::Stdout;
use crate::commands::find;
use crate::commands::persona::Persona;
use crate::commands::whole_file::WholeFile;
use crate::error::{Code, CommandResult, Failure};
use crate::received::Received;
use crate::records::Content;
use crate::seal::BlobReader;
use crate::ui::{Task, Ui};

/// Pulls one persona into a zip; `-` is standard output.
pub(super) fn pull(
    pull: Pull<'_, '_>,
    (id, remote): find::Found<'_>,
    file: &Path,
) -> Result<Pulled, Failure> {
    let Pull { context, session, arguments, .. } = pull;
    let content = content(&remote.label.label)?;
    let file = (file != Path::new("-")).then(|| absolute_itself(file)).transpose()?;
    match &file {
        Some(file) => check_place(file, arguments.force)?,
        None => check_stdout(context.ui)?,
    }
    let mut pulled = Pulled {
        persona: Persona { changed: true, ..Persona::of(id, remote) },
        kept: None,
        zip: file.as_ref().map(|file| file.display().to_string()),
        received: 0,
    };
    if arguments.dry_run {
        return Ok(pulled);
    }
    let (blob, _) = fetch(context, session, id, remote, Task::Receiving)?;
    pulled.received = content.blob_bytes;
    match &file {
        Some(file) => into_file(blob, content, file, arguments.force)?,
        None => onto_stdout(blob, content, context.ui)?,
    }
    Ok(pulled)
}

fn check_place(file: &Path, force: bool) -> CommandResult {
    match std::fs::symlink_metadata(file) {
        Ok(there) if there.is_dir() => Err(is_directory(file)),
        Ok(_) if !force => Err(exists(file)),
        _ => Ok(()),
    }
}

fn check_stdout(ui: &Ui) -> CommandResult {
    if ui.is_json() {
        return Err(Failure::new(Code::Usage, "standard output can't hold both the zip and JSON")
            .hint("a file: --zip FILE"));
    }
    if io::IsTerminal::is_terminal(&io::stdout()) {
        return Err(Failure::new(Code::Usage, "a terminal is no place for a zip")
            .hint("a file: --zip FILE"));
    }
    Ok(())
}

fn into_file(
    mut blob: BlobReader<Received>,
    content: &Content,
    file: &Path,
    force: bool,
) -> CommandResult {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(file),
        _ => Failure::io(&error, format!("writing {}", file.display())),
    };
    let mut out = WholeFile::create(file).map_err(failed)?;
    let summary = archive::export(&mut blob, &mut out, &mut |_| {})
        .map_err(|error| export_failure(&error))?;
    check_summary(content, &summary)?;
    out.publish(force).map_err(failed)
}

/// A pipe can't take back what turns out to be torn: so it is read twice, the first time to
/// nothing, as proof.
fn onto_stdout(mut blob: BlobReader<Received>, content: &Content, ui: &Ui) -> CommandResult {
    let proof = archive::export(&mut blob, io::sink(), &mut |_| {})
        .map_err(|error| export_failure(&error))?;
    check_summary(content, &proof)?;
    blob.rewind().map_err(|error| Failure::io(&error, "reading the backup"))?;
    let mut out = Stdout::new(ui);
    let exported = archive::export(&mut blob, &mut out, &mut |_| {});
    out.check()?;
    exported.map_err(|error| export_failure(&error))?;
    ui.flush()
}

/// Something is where a zip would go.
fn exists(file: &Path) -> Failure {
    let file = find::quoted(&file.display().to_string());
    Failure::new(Code::Conflict, format!("{file} exists already")).hint("replace it: --force")
}

/// A directory is where a zip would go. No zip replaces it.
fn is_directory(file: &Path) -> Failure {
    let file = find::quoted(&file.display().to_string());
    Failure::new(Code::Conflict, format!("{file} is a directory"))
        .hint("name the zip that shall be made: --zip DIRECTORY/NAME.zip")
}
