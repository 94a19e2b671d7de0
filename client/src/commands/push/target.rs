//! Which directory a push means, and under which name.

use std::path::Path;

use keybackup_protocol::PersonaId;

use super::Pushed;
use crate::cli::Target;
use crate::commands::context::{Context, Session};
use crate::commands::find;
use crate::commands::local::{self, LocalPersona};
use crate::commands::persona::Persona;
use crate::error::{Code, Failure};
use crate::marks::{Opened, OpenedPersona};
use crate::records::Name;
use crate::ui;

/// Which directory is meant.
pub(super) fn target(
    context: &Context<'_>,
    session: &Session,
    opened: &Opened,
    target: Option<&Target>,
) -> Result<LocalPersona, Failure> {
    let personas_dir = &context.settings.personas_dir;
    match target {
        None => local::only(context.ui, personas_dir),
        Some(Target::Path(path)) => local::at(path),
        Some(Target::Persona(text)) => {
            if let Some(found) = local::find_exact(personas_dir, text)? {
                return Ok(found);
            }
            // Not in the personas directory: where was it pushed from? A name that is whole goes
            // before the beginning of another.
            if let Some((id, remote)) = find::exact(opened, text)
                && let Some(found) = pushed_from(session, id, remote)?
            {
                return Ok(found);
            }
            if let Some(found) = local::find(personas_dir, text)? {
                return Ok(found);
            }
            let absent = || {
                Failure::new(
                    Code::NotFound,
                    format!("no persona {} on this device", find::quoted(text)),
                )
                .hint(format!(
                    "looked in {}; a directory is named by its path: ./{text}",
                    ui::escape(&personas_dir.display().to_string())
                ))
            };
            let (id, remote) = find::find(opened, text).map_err(|failure| {
                if failure.code() == Code::NotFound { absent() } else { failure }
            })?;
            pushed_from(session, id, remote)?.ok_or_else(absent)
        }
    }
}

/// The directory that a persona of the account was last pushed from or pulled to, if there was one.
fn pushed_from(
    session: &Session,
    id: PersonaId,
    remote: &OpenedPersona,
) -> Result<Option<LocalPersona>, Failure> {
    let base = session.vault.state.personas.get(&id).and_then(|mark| mark.base.as_ref());
    let Some(base) = base else { return Ok(None) };
    let found = local::at(Path::new(&base.directory))?;
    Ok(Some(LocalPersona { name: remote.label.label.name.to_string(), ..found }))
}

/// What `--all` does not take for a persona, told as one that failed.
pub(super) fn skipped_directory(path: &Path, why: &str) -> Pushed {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let failure = Failure::new(Code::SpecialFile, format!("it is left out: {why}"))
        .hint("any directory is taken by its path: keybackup push DIR --name NAME");
    let persona = Persona { path: Some(path.display().to_string()), ..Persona::local(&name, None) };
    Pushed { persona: persona.failed(&failure), sent: 0 }
}

/// The name of the one persona that was last pushed from this directory or pulled to it. A rename
/// leaves the directory as it is, and ties it to the persona still; one that has the directory's
/// own name goes before.
pub(super) fn tied_name(
    session: &Session,
    opened: &Opened,
    local: &LocalPersona,
) -> Option<String> {
    let is_tied = |(id, _): &find::Found<'_>| {
        let base = session.vault.state.personas.get(id).and_then(|mark| mark.base.as_ref());
        base.is_some_and(|base| Path::new(&base.directory) == local.directory)
    };
    let active = find::active(opened);
    let name = |(_, remote): &find::Found<'_>| remote.label.label.name.to_string();
    if active.iter().any(|found| name(found) == local.name) {
        return None;
    }
    let mut tied = active.iter().filter(|found| is_tied(found));
    let only = tied.next()?;
    tied.next().is_none().then(|| name(only))
}

pub(super) fn name_of(local: &LocalPersona, asked: Option<&str>) -> Result<Name, Failure> {
    asked.unwrap_or(&local.name).parse().map_err(|error| {
        Failure::of(Code::NameRefused, &error)
            .context(format!(
                "{} can't be a persona's name",
                find::quoted(asked.unwrap_or(&local.name))
            ))
            .hint("another one: --name NAME")
    })
}
