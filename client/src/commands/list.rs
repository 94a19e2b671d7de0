//! `keybackup list`: what the account holds.

use serde::Serialize;

use super::context::{Context, now};
use super::persona::{Persona, device_names, name_device};
use crate::error::CommandResult;
use crate::ui;

#[derive(Serialize)]
struct Document {
    personas: Vec<Persona>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>) -> CommandResult {
    let ui = context.ui;
    let (session, opened) = context.look()?;
    let names = device_names(&session.vault);
    let mut personas: Vec<_> =
        opened.personas.iter().map(|(id, persona)| Persona::of(*id, persona)).collect();
    for persona in &mut personas {
        name_device(persona, &names);
    }
    personas.sort_by(|a, b| {
        (a.removed, a.trashed, &a.name, a.id).cmp(&(b.removed, b.trashed, &b.name, b.id))
    });
    if ui.is_json() {
        return ui.json(&Document { personas });
    }
    if personas.is_empty() {
        ui.say("nothing is backed up yet; keybackup push DIR does it");
        return Ok(());
    }
    let rows: Vec<_> = personas.iter().map(row).collect();
    ui.table(&["NAME", "NICKNAME", "VERSION", "FILES", "SIZE", "PUSHED", "BY", "ID"], &rows)
}

fn row(persona: &Persona) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
    let pushed = persona.time.map_or_else(String::new, |time| ui::age(now().saturating_sub(time)));
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
