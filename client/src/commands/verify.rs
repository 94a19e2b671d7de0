//! `keybackup verify`: a pull to nothing, as proof that a restore would work.

use serde::Serialize;

use super::context::Context;
use super::failure::archive_failure;
use super::persona::Persona;
use super::pull::{check_summary, fetch};
use super::{batch, find};
use crate::archive;
use crate::cli;
use crate::error::CommandResult;
use crate::ui::{self, Task};

#[derive(Serialize)]
struct Proof {
    #[serde(flatten)]
    persona: Persona,
    verified: bool,
    received: u64,
}

impl batch::Outcome for Proof {
    fn persona(&self) -> &Persona {
        &self.persona
    }
}

#[derive(Serialize)]
struct Document<'a> {
    personas: &'a [Proof],
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Verify) -> CommandResult {
    let ui = context.ui;
    let (session, opened) = context.look()?;
    let wanted = match (&arguments.persona, arguments.all) {
        (_, true) => find::active(&opened),
        (Some(text), _) => vec![find::find(&opened, text)?],
        (None, _) => vec![find::only(ui, &opened)?],
    };
    if wanted.is_empty() {
        ui.say("nothing is backed up yet");
    }
    let (verified, result) = batch::each(
        arguments.all,
        &wanted,
        |(id, persona)| {
            let (blob, audited) = fetch(context, &session, *id, persona, Task::Verifying)?;
            let summary = archive::verify(&mut [blob.another(), blob], &audited, &|_| {})
                .map_err(|error| archive_failure(&error))?;
            let content = persona.label.label.content.as_ref();
            if let Some(content) = content {
                check_summary(content, &summary)?;
            }
            Ok(Proof {
                persona: Persona::of(*id, persona),
                verified: true,
                received: content.map_or(0, |content| content.blob_bytes),
            })
        },
        |(id, persona), failure| Proof {
            persona: Persona::of(*id, persona).failed(failure),
            verified: false,
            received: 0,
        },
    );
    if ui.is_json() {
        if !verified.is_empty() || result.is_ok() {
            ui.json(&Document { personas: &verified })?;
        }
        return result;
    }
    batch::warn_of_failures(ui, &verified);
    for one in verified.iter().filter(|one| one.verified) {
        ui.report(format!(
            "{}  version {}  {}, {}  verified: a pull would work",
            ui::escape(&one.persona.name),
            one.persona.version.unwrap_or_default(),
            ui::count(one.persona.files.unwrap_or_default(), "file"),
            ui::size(one.persona.size.unwrap_or_default()),
        ))?;
    }
    result
}
