//! `keybackup pull`: fetch, authenticate, unpack beside the target, publish by one rename.

mod failures;
mod fetched;
mod wanted;
mod zip;

use std::path::Path;

use keybackup_protocol::PersonaId;
use serde::Serialize;

use super::context::{Context, Session};
use super::persona::Persona;
use super::scan::How;
use super::{batch, find, history};
use crate::archive::{self, Placement};
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::interrupt;
use crate::records::{self, Content, Digest, Label};
use crate::spool::check_space;
use crate::ui::{self, Task, Unit};
use failures::{different, place_failure, unpack_failure};
use fetched::{Unpacking, content};
pub(super) use fetched::{check_summary, fetch};
use wanted::{absolute, refuse_ours, wanted};

/// A persona that was pulled, or need not be.
#[derive(Serialize)]
struct Pulled {
    #[serde(flatten)]
    persona: Persona,
    kept: Option<String>,
    zip: Option<String>,
    received: u64,
}

impl batch::Outcome for Pulled {
    fn persona(&self) -> &Persona {
        &self.persona
    }
}

#[derive(Serialize)]
struct Document<'a> {
    dry_run: bool,
    personas: &'a [Pulled],
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Pull) -> CommandResult {
    let ui = context.ui;
    let (mut session, opened) = context.look()?;
    let (wanted, directory) = wanted(context, &session, &opened, arguments)?;
    if wanted.is_empty() {
        refuse_locked(&session)?;
        ui.say("nothing is backed up yet");
    }
    // As of the version that was asked for, if one was.
    let mut of_version = Vec::with_capacity(wanted.len());
    for found in &wanted {
        of_version.push(history::as_of(&session, &opened, *found, arguments.version)?);
    }
    let wanted: Vec<find::Found<'_>> =
        wanted.iter().zip(&of_version).map(|((id, _), persona)| (*id, persona)).collect();
    let (pulled, result) = batch::each(
        arguments.all,
        &wanted,
        |found| {
            let directory = directory.as_deref();
            let pull = Pull { context, session: &mut session, arguments, directory };
            match &arguments.zip {
                Some(file) => zip::pull(pull, *found, file),
                None => pull.into_directory(*found),
            }
        },
        |(id, persona), failure| Pulled {
            persona: Persona::of(*id, persona).failed(failure),
            kept: None,
            zip: None,
            received: 0,
        },
    );
    if ui.is_json() && (!pulled.is_empty() || result.is_ok()) {
        ui.json(&Document { dry_run: arguments.dry_run, personas: &pulled })?;
    } else if !ui.is_json() {
        batch::warn_of_failures(ui, &pulled);
        for one in pulled.iter().filter(|one| one.persona.error.is_none()) {
            tell(context, one, arguments)?;
        }
    }
    result
}

/// Where all there is is locked, an empty pull is no success.
fn refuse_locked(session: &Session) -> CommandResult {
    let epochs = session.vault.remote.epochs()?.epochs;
    let elsewhere = epochs.iter().filter(|epoch| epoch.id != session.vault.epoch && !epoch.closed);
    match elsewhere.map(|epoch| epoch.personas).sum() {
        0 => Ok(()),
        locked => Err(Failure::new(
            Code::Locked,
            format!(
                "{} locked by a reset, and nothing else is there",
                ui::count(locked, "persona")
            ),
        )
        .hint("keybackup recovery unlock")),
    }
}

/// One pull under way.
struct Pull<'a, 'b> {
    context: &'a Context<'b>,
    session: &'a mut Session,
    arguments: &'a cli::Pull,
    directory: Option<&'a Path>,
}

/// What stands where a restore would go.
enum Target {
    Absent,
    Same,
    Different,
}

impl Pull<'_, '_> {
    fn into_directory(self, (id, remote): find::Found<'_>) -> Result<Pulled, Failure> {
        let Self { context, session, arguments, directory } = self;
        let label = &remote.label.label;
        let content = content(label)?;
        let elsewhere = directory;
        let directory = match elsewhere {
            Some(directory) => directory.to_owned(),
            None => absolute(&context.settings.personas_dir.join(label.name.as_str()))?,
        };
        let mut pulled = Pulled {
            persona: Persona {
                path: Some(directory.display().to_string()),
                ..Persona::of(id, remote)
            },
            kept: None,
            zip: None,
            received: 0,
        };
        let target = target(session, id, &directory, content.fingerprint)?;
        if matches!(target, Target::Different) && !arguments.force {
            return Err(different(remote, &directory, elsewhere));
        }
        if matches!(target, Target::Different) {
            refuse_ours(context, &directory)?;
        }
        if let Target::Same = target {
            if !arguments.dry_run && arguments.version.is_none() {
                settle(session, id, label, content, &directory);
            }
            return Ok(pulled);
        }
        pulled.persona.changed = true;
        if arguments.dry_run {
            return Ok(pulled);
        }
        let (blob, audited) = fetch(context, session, id, remote, Task::Receiving)?;
        pulled.received = content.blob_bytes;
        if let Some(parent) = directory.parent().filter(|parent| parent.is_dir()) {
            check_space(parent, content.bytes)?;
            // Leftovers of pulls that were killed; failing to remove them harms nobody.
            let _ = archive::sweep(parent);
        }
        // Made and registered in one, or a signal in between would leave it.
        let hold = interrupt::hold();
        let placement = Placement::prepare(&directory).map_err(|e| place_failure(&e))?;
        // A signal removes what is half unpacked; a kill leaves it to the next pull's sweep.
        let guard = interrupt::remove_on_exit([placement.path(), placement.marker_path()]);
        drop(hold);
        let progress = context.ui.progress(
            Task::Unpacking,
            Some(label.name.as_str()),
            Unit::Bytes,
            Some(content.bytes),
        );
        let received = blob.get_ref().clone();
        let watch = Unpacking { progress: &progress, received: &received };
        let mut readers = [blob.another(), blob];
        let summary = archive::unpack(&mut readers, &audited, placement.directory(), &watch)
            .map_err(|error| unpack_failure(&error))?;
        drop((progress, readers, received));
        check_summary(content, &summary)?;
        let hold = interrupt::hold();
        pulled.kept = match target {
            Target::Different => placement
                .commit_replacing(std::time::SystemTime::now())
                .map_err(|error| place_failure(&error))?
                .map(|kept| kept.display().to_string()),
            Target::Absent | Target::Same => {
                placement.commit().map_err(|error| place_failure(&error))?;
                None
            }
        };
        drop(guard);
        drop(hold);
        // An older version is no base of a push: it would look like one that is behind.
        if arguments.version.is_none() {
            settle(session, id, label, content, &directory);
        }
        Ok(pulled)
    }
}

/// Whether a directory is still there, or can't be looked at: only what is gone for certain gives way.
fn is_there(directory: &Path) -> bool {
    match std::fs::metadata(directory) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// What stands where the restore would go.
fn target(
    session: &Session,
    id: PersonaId,
    directory: &Path,
    fingerprint: Digest,
) -> Result<Target, Failure> {
    match std::fs::symlink_metadata(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Target::Absent),
        Err(error) => {
            return Err(Failure::io(&error, format!("looking at {}", directory.display())));
        }
        Ok(metadata) if !metadata.is_dir() => return Ok(Target::Different),
        Ok(_) => {}
    }
    let empty = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
    if empty {
        return Ok(Target::Absent);
    }
    // What can't be backed up can't be in the backup: then it differs, and is not looked into.
    let same = session
        .scan(Some(id), directory, &How::default())
        .is_ok_and(|scan| scan.fingerprint() == fingerprint);
    Ok(if same { Target::Same } else { Target::Different })
}

/// Remembers that `directory` is what stands at the server.
fn settle(
    session: &mut Session,
    id: PersonaId,
    label: &Label,
    content: &Content,
    directory: &Path,
) {
    let directory = directory.display().to_string();
    let known = session.vault.state.personas.get(&id).and_then(|mark| mark.base.as_ref());
    // A copy put elsewhere, to look at it, is not where the persona lives.
    if known
        .is_some_and(|known| known.directory != directory && is_there(Path::new(&known.directory)))
    {
        return;
    }
    let base =
        records::Base { version: label.version, fingerprint: content.fingerprint, directory };
    if session.vault.state.set_base(id, Some(base)) {
        session.keep_state();
    }
}

fn tell(context: &Context<'_>, pulled: &Pulled, arguments: &cli::Pull) -> CommandResult {
    let persona = &pulled.persona;
    let is_zip = arguments.zip.is_some();
    let place = pulled.zip.as_ref().or(persona.path.as_ref()).map_or("", String::as_str);
    let what = match (persona.changed, arguments.dry_run) {
        (false, _) => "is up to date in",
        (true, true) if is_zip => "would be written to",
        (true, true) => "would be restored to",
        (true, false) if is_zip => "written to",
        (true, false) => "restored to",
    };
    let head = format!(
        "{}  version {}  {what}",
        ui::escape(&persona.name),
        persona.version.unwrap_or_default()
    );
    if is_zip && pulled.zip.is_none() {
        // The zip has standard output for itself.
        context.ui.say(format!("{head} standard output"));
        return Ok(());
    }
    context.ui.report(format!("{head} {}", ui::escape(place)))?;
    if let Some(kept) = &pulled.kept {
        context.ui.report(format!("what was there is kept in {}", ui::escape(kept)))?;
    }
    Ok(())
}
