//! Which personas a pull means, and where they go.

use std::path::{Path, PathBuf};

use crate::cli::{self, Target};
use crate::commands::context::{Context, Session};
use crate::commands::find;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::Opened;

/// Which personas are meant, and where to put them if not in their places.
pub(super) fn wanted<'a>(
    context: &Context<'_>,
    session: &Session,
    opened: &'a Opened,
    arguments: &cli::Pull,
) -> Result<(Vec<find::Found<'a>>, Option<PathBuf>), Failure> {
    let directory = arguments.directory.as_deref().map(absolute).transpose()?;
    if arguments.all {
        return Ok((find::active(opened), None));
    }
    match &arguments.persona {
        Some(Target::Persona(text)) => {
            let found = find::find_of(opened, text, arguments.version)?;
            Ok((vec![found], directory))
        }
        None => Ok((vec![find::only(context.ui, opened)?], None)),
        Some(Target::Path(path)) if directory.is_some() || arguments.zip.is_some() => {
            let path = find::quoted(&path.display().to_string());
            Err(Failure::new(Code::Usage, format!("{path} is a path, and no persona"))
                .hint("keybackup pull PERSONA DIR"))
        }
        Some(Target::Path(path)) => {
            let path = absolute(path)?;
            let was_here = |(id, _): &find::Found<'_>| {
                let mark = session.vault.state.personas.get(id);
                let base = mark.and_then(|mark| mark.base.as_ref());
                base.is_some_and(|base| Path::new(&base.directory) == path)
            };
            let found = match find::active(opened).into_iter().find(was_here) {
                Some(found) => found,
                None => find::only(context.ui, opened)?,
            };
            Ok((vec![found], Some(path)))
        }
    }
}

/// Refuses to set aside what holds more than a persona: a directory that this program's own files
/// or all personas lie in, like a home, or what is neither file nor directory.
pub(super) fn refuse_ours(context: &Context<'_>, directory: &Path) -> CommandResult {
    let settings = &context.settings;
    let holds =
        |path: &Path| std::fs::canonicalize(path).is_ok_and(|path| path.starts_with(directory));
    let plain = std::fs::symlink_metadata(directory)
        .is_ok_and(|metadata| metadata.is_dir() || metadata.is_file() || metadata.is_symlink());
    if plain && !holds(&settings.data_dir) && !holds(&settings.personas_dir) {
        return Ok(());
    }
    let shown = find::quoted(&directory.display().to_string());
    Err(Failure::new(Code::Usage, format!("{shown} is no place for a persona alone"))
        .hint("a directory of its own: keybackup pull PERSONA ./PERSONA"))
}

/// An absolute path, links resolved, so that it means the same tomorrow.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = from_root(path)?;
    Ok(std::fs::canonicalize(&path).unwrap_or_else(|_| in_real_parent(path)))
}

/// The same of a file that is to be replaced: a link is that file, not what it points to.
pub(super) fn absolute_itself(path: &Path) -> Result<PathBuf, Failure> {
    from_root(path).map(in_real_parent)
}

fn from_root(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::io(&error, format!("finding {}", find::quoted(&path.display().to_string())))
    })
}

fn in_real_parent(path: PathBuf) -> PathBuf {
    match (path.parent().map(std::fs::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path,
    }
}
