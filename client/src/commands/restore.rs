//! `keybackup restore`: a removed persona back out of the trash, or an older version as the newest
//! again. The bytes are at the server already: a new label names them.

use super::context::Context;
use super::persona::Persona;
use super::relabel::{Document, commit, stands, successor};
use super::{find, history};
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::OpenedPersona;
use crate::records::Label;
use crate::ui;
use crate::vault::PastVersion;

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Restore) -> CommandResult {
    let (mut session, opened) = context.look()?;
    let (id, persona) = find::find_any(&opened, &arguments.persona)?;
    let versions = session.vault.history(&opened, id)?;
    let past = wanted(&versions, persona, arguments.version)?;
    let name = persona.label.label.name.clone();
    let of_name = opened.index.by_name(name.as_str());
    if of_name.is_some_and(|(other, _)| other != id) {
        let shown = ui::shell_word(name.as_str());
        return Err(Failure::new(
            Code::Taken,
            format!("another persona is called {} by now", find::quoted(name.as_str())),
        )
        .hint(format!("rename that first: keybackup rename {shown} OTHER-NAME")));
    }
    let Label { nickname, content, content_version, .. } = past.label.label.clone();
    let label = Label {
        removed: false,
        nickname,
        content,
        content_version,
        ..successor(&session, persona)
    };
    let label = commit(&mut session, opened.clone(), id, persona, label)?;
    let as_it_was = persona.with_label(past.label.clone(), past.stored_at);
    let document = stands(Persona::of(id, &as_it_was), &label, &session);
    if context.ui.is_json() {
        return context.ui.json(&Document { personas: [document] });
    }
    let shown = ui::escape(name.as_str());
    let content = label.content_version.unwrap_or_default();
    context.ui.report(format!(
        "{shown} is restored: version {} has the content of version {content}",
        label.version
    ))?;
    context.ui.say(format!("get it: keybackup pull {}", ui::shell_word(name.as_str())));
    Ok(())
}

/// The version to go back to: the one named, or the last one before the removal.
fn wanted<'a>(
    versions: &'a [PastVersion],
    persona: &OpenedPersona,
    version: Option<u64>,
) -> Result<&'a PastVersion, Failure> {
    let newest = &persona.label.label;
    let name = ui::shell_word(newest.name.as_str());
    let version = match version {
        Some(version) if version == newest.version && !persona.trashed && !newest.removed => {
            return Err(Failure::new(Code::Usage, "that is the newest version already"));
        }
        Some(version) => Some(version),
        None if newest.removed || persona.trashed => {
            let mut labels = versions.iter().map(|past| &past.label.label);
            labels.find(|label| !label.removed).map(|label| label.version)
        }
        None => {
            return Err(Failure::new(Code::Usage, "it is not removed")
                .hint(format!("an older version: keybackup restore {name} --version N"))
                .hint(format!("which there are: keybackup history {name}")));
        }
    };
    history::past(versions, version.unwrap_or_default(), persona)
}
