//! `keybackup rename` and `keybackup remove`: a new label, and no bytes.

use serde::Serialize;

use super::context::{Context, Session, now};
use super::persona::Persona;
use super::{find, purge};
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::OpenedPersona;
use crate::records::{Label, Name};
use crate::remote::Base;
use crate::ui;
use crate::vault::Change;

#[derive(Serialize)]
pub(super) struct Document<P> {
    pub(super) personas: [P; 1],
}

#[derive(Serialize)]
struct Renamed {
    #[serde(flatten)]
    persona: Persona,
    old_name: String,
}

/// Runs `keybackup rename`.
pub(super) fn rename(context: &Context<'_>, arguments: &cli::Rename) -> CommandResult {
    let name: Name = arguments.name.parse().map_err(|error| {
        Failure::of(Code::NameRefused, &error).context("this can't be a persona's name")
    })?;
    let (mut session, opened) = context.look()?;
    let (id, persona) = find::find_exact(&opened, &arguments.persona)?;
    let old_name = persona.label.label.name.clone();
    let mut document =
        Renamed { persona: Persona::of(id, persona), old_name: old_name.to_string() };
    if old_name != name {
        if opened.index.by_name(name.as_str()).is_some() {
            return Err(Failure::new(
                Code::Taken,
                format!("there is a persona {} already", find::quoted(name.as_str())),
            ));
        }
        let label = Label { name: name.clone(), ..successor(&session, persona) };
        let label = commit(&mut session, opened.clone(), id, persona, label)?;
        document.persona = stands(document.persona, &label, &session);
    }
    if context.ui.is_json() {
        return context.ui.json(&Document { personas: [document] });
    }
    context.ui.report(format!(
        "{} is now called {}",
        ui::escape(&document.old_name),
        ui::escape(&document.persona.name)
    ))
}

/// Runs `keybackup remove`.
pub(super) fn remove(context: &Context<'_>, arguments: &cli::Remove) -> CommandResult {
    if arguments.purge {
        return purge::run(context, arguments);
    }
    let (mut session, opened) = context.look()?;
    let (id, persona) = find::find_exact(&opened, &arguments.persona)?;
    let name = ui::escape(persona.label.label.name.as_str()).into_owned();
    if !arguments.yes {
        context.ui.confirm(
            &format!(
                "Remove {name} from the backup? For 30 days keybackup restore brings it back."
            ),
            "--yes",
        )?;
    }
    let label = entomb(&mut session, &opened, id, persona)?;
    let mut document = stands(Persona::of(id, persona), &label, &session);
    (document.size, document.stored_size) = (None, None);
    (document.files, document.directories) = (None, None);
    if context.ui.is_json() {
        return context.ui.json(&Document { personas: [document] });
    }
    context.ui.report(format!("removed {name}; the directory on this device is untouched"))?;
    let word = ui::shell_word(persona.label.label.name.as_str());
    context.ui.say(format!("for 30 days it comes back with: keybackup restore {word}"));
    Ok(())
}

/// Commits a tombstone.
pub(super) fn entomb(
    session: &mut Session,
    opened: &crate::marks::Opened,
    id: keybackup_protocol::PersonaId,
    persona: &OpenedPersona,
) -> Result<Label, Failure> {
    let label = Label {
        removed: true,
        content: None,
        content_version: None,
        ..successor(session, persona)
    };
    commit(session, opened.clone(), id, persona, label)
}

/// A persona as the label says that was just committed.
pub(super) fn stands(persona: Persona, label: &Label, session: &Session) -> Persona {
    Persona {
        name: label.name.to_string(),
        version: Some(label.version),
        content_version: label.content_version,
        time: Some(label.time),
        device: Some(session.record.device_name.clone()),
        changed: true,
        removed: label.removed,
        trashed: false,
        ..persona
    }
}

/// The label that follows a persona's newest, by this device, now; with the same content.
pub(super) fn successor(session: &Session, persona: &OpenedPersona) -> Label {
    let newest = &persona.label.label;
    Label {
        version: newest.version + 1,
        device: session.vault.device,
        time: now(),
        previous: Some(persona.label.hash),
        keyring_version: session.vault.keyring.version(),
        supersedes: Vec::new(),
        ..newest.clone()
    }
}

/// Commits a label alone.
pub(super) fn commit(
    session: &mut Session,
    opened: crate::marks::Opened,
    id: keybackup_protocol::PersonaId,
    persona: &OpenedPersona,
    label: Label,
) -> Result<Label, Failure> {
    let base = Base::Version(persona.label.label.version);
    commit_on(session, opened, id, base, label.clone())?;
    Ok(label)
}

/// The same on any base.
pub(super) fn commit_on(
    session: &mut Session,
    opened: crate::marks::Opened,
    id: keybackup_protocol::PersonaId,
    base: Base,
    label: Label,
) -> CommandResult {
    let change = Change { persona: id, base, label, blob: None };
    session.commit(opened, change, &mut |_| {})?;
    session.note_commit()
}
