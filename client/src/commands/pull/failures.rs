//! What a pull that fails says, and with which exit code.

use std::path::Path;

use crate::archive;
use crate::commands::failure::archive_failure;
use crate::commands::find;
use crate::error::{Code, Failure};
use crate::marks::OpenedPersona;
use crate::ui;

pub(super) fn not_as_labelled() -> Failure {
    Failure::new(Code::Integrity, "what the backup holds is not what its label says")
        .hint("nothing was written")
}

pub(super) fn export_failure(error: &archive::ExportError) -> Failure {
    match error {
        archive::ExportError::Write(source)
        | archive::ExportError::Start(source)
        | archive::ExportError::Content(archive::ContentError::Write { source, .. }) => {
            Failure::io(source, "writing the zip")
        }
        _ => archive_failure(error),
    }
}

pub(super) fn unpack_failure(error: &archive::UnpackError) -> Failure {
    match error {
        archive::UnpackError::Write { source, .. }
        | archive::UnpackError::Sync(source)
        | archive::UnpackError::Probe(source)
        | archive::UnpackError::Start(source)
        | archive::UnpackError::Content(archive::ContentError::Write { source, .. }) => {
            Failure::io(source, error.to_string())
        }
        _ => archive_failure(error),
    }
}

pub(super) fn place_failure(error: &archive::PlaceError) -> Failure {
    use archive::PlaceError;
    match error {
        PlaceError::Occupied(_) => Failure::of(Code::Conflict, error)
            .hint("replace it, and keep the old one aside: --force"),
        PlaceError::Io { source, .. } => Failure::io(source, error.to_string()),
        _ => Failure::of(Code::Io, error),
    }
}

pub(super) fn different(
    remote: &OpenedPersona,
    directory: &Path,
    elsewhere: Option<&Path>,
) -> Failure {
    let name = remote.label.label.name.as_str();
    let place = elsewhere.map_or_else(String::new, |directory| {
        format!(" {}", ui::shell_word(&directory.display().to_string()))
    });
    let failure = Failure::new(
        Code::Conflict,
        format!(
            "{} holds something else than the backup",
            find::quoted(&directory.display().to_string())
        ),
    );
    // `diff` looks where the persona lives.
    let failure = match elsewhere {
        None => failure.hint(format!("see what differs: keybackup diff {}", ui::shell_word(name))),
        Some(_) => failure,
    };
    failure.hint(format!(
        "replace it, and keep the old one aside: keybackup pull --force {}{place}",
        ui::shell_word(name),
    ))
}
