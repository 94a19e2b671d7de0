//! `keybackup list`: what the account holds.

use serde::Serialize;

use super::context::{Context, Session, now};
use super::persona::{Persona, device_names, name_device};
use crate::error::{CommandResult, Failure};
use crate::remote::RemoteError;
use crate::ui;

#[derive(Serialize)]
struct Document {
    personas: Vec<Persona>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>) -> CommandResult {
    let ui = context.ui;
    let (session, opened) = context.look_anywhere()?;
    if session.displaced {
        let told = session.displacement();
        ui.warn(format!("{told}; not by you? take it back: keybackup recovery undo-reset"));
    }
    let names = device_names(&session.vault);
    let mut personas: Vec<_> =
        opened.personas.iter().map(|(id, persona)| Persona::of(*id, persona)).collect();
    for persona in &mut personas {
        name_device(persona, &names);
    }
    personas.extend(locked(context, &session));
    personas.sort_by(|a, b| {
        let key = |it: &Persona| (it.locked, it.removed, it.trashed, it.name.clone(), it.id);
        key(a).cmp(&key(b))
    });
    if ui.is_json() {
        return ui.json(&Document { personas });
    }
    if personas.is_empty() {
        ui.say("nothing is backed up yet; keybackup push DIR does it");
        return Ok(());
    }
    let rows: Vec<_> = personas.iter().map(row).collect();
    ui.table(&["NAME", "NICKNAME", "VERSION", "FILES", "SIZE", "PUSHED", "BY", "ID"], &rows)?;
    let locked = personas.iter().filter(|persona| persona.locked).count() as u64;
    if locked > 0 {
        ui.say(format!(
            "{} locked by a reset without the recovery phrase, says the server: keybackup recovery unlock",
            ui::count(locked, "persona")
        ));
    }
    Ok(())
}

/// What older epochs hold, by the server's word: no key here opens it, so that it has no names.
fn locked(context: &Context<'_>, session: &Session) -> Vec<Persona> {
    let remote = &session.vault.remote;
    let look = || {
        let mut locked = Vec::new();
        for epoch in remote.epochs()?.epochs {
            let elsewhere = epoch.id != session.vault.epoch && !epoch.current;
            if !elsewhere || epoch.closed || epoch.personas == 0 {
                continue;
            }
            locked.extend(remote.epoch_listing(&epoch.id)?.personas);
        }
        Ok::<_, RemoteError>(locked)
    };
    let found = look().unwrap_or_else(|error| {
        context.ui.warn(format!("what is locked can't be listed: {}", Failure::from(error)));
        Vec::new()
    });
    found
        .into_iter()
        .map(|persona| Persona {
            name: persona.id.to_string(),
            id: Some(persona.id),
            kind: "directory",
            version: Some(persona.version),
            locked: true,
            trashed: persona.trashed,
            time: Some(persona.stored_at),
            ..Persona::default()
        })
        .collect()
}

fn row(persona: &Persona) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
    let pushed = persona.time.map_or_else(String::new, |time| ui::age(now().saturating_sub(time)));
    if persona.locked {
        let id = persona.name[..8].to_owned();
        let version = number(persona.version);
        let none = String::new;
        return vec!["(locked)".to_owned(), none(), version, none(), none(), pushed, none(), id];
    }
    let note = match (persona.removed, persona.trashed) {
        (true, _) => " (removed)",
        (false, true) => " (deleted, says the server)",
        _ => "",
    };
    vec![
        format!("{}{note}", persona.name),
        persona.nickname.clone().unwrap_or_default(),
        number(persona.version),
        number(persona.files),
        persona.size.map_or_else(String::new, ui::size),
        pushed,
        persona.device.clone().unwrap_or_default(),
        persona.id.map_or_else(String::new, |id| id.to_string()[..8].to_owned()),
    ]
}
