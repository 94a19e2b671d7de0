//! `keybackup remove --purge`: bytes that the server drops at once, for good.

use serde::Serialize;

use super::context::Context;
use super::relabel::entomb;
use super::{find, history};
use crate::account;
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::{passwords, ui};

#[derive(Serialize)]
struct Document {
    id: keybackup_protocol::PersonaId,
    name: String,
    version: Option<u64>,
    removed: bool,
    purged: bool,
}

/// Removes the persona if it is not, and purges it; or purges one version.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Remove) -> CommandResult {
    let Context { ui, global, environment, .. } = context;
    let (mut session, opened) = context.look()?;
    let (id, persona) = find::find_any(&opened, &arguments.persona)?;
    let newest = &persona.label.label;
    let name = newest.name.clone();
    let shown = ui::escape(name.as_str()).into_owned();
    if let Some(version) = arguments.version {
        let versions = session.vault.history(&opened, id)?;
        let past = history::past(&versions, version, persona)?;
        let content = past.label.label.content_version;
        if content != Some(version) {
            let of = content.unwrap_or_default();
            return Err(Failure::new(
                Code::Usage,
                format!("version {version} brought no bytes: it has those of version {of}"),
            ));
        }
        if newest.content_version == content {
            return Err(Failure::new(Code::Usage, "the newest version has these bytes")
                .hint("push or restore another first, or remove the persona"));
        }
    }
    if !arguments.yes {
        let what = match arguments.version {
            Some(version) => format!("the bytes of version {version} of {shown}"),
            None => format!("{shown} and all its versions"),
        };
        ui.confirm(&format!("Destroy {what} at the server? Nothing brings it back."), "--yes")?;
    }
    let question = super::password_question(&session.record.email, &session.record.server);
    let password = passwords::current(ui, &global.passwords, environment, &question)?;
    let removes = arguments.version.is_none() && !newest.removed;
    if removes {
        entomb(&mut session, &opened, id, persona)?;
    }
    let cookie = session.cookie();
    let vault = &session.vault;
    let owner = session.owner(cookie.as_ref());
    let remote = &vault.remote;
    let purged = account::purge::<PasswordKsf>(remote, &owner, &password, id, arguments.version)
        .map_err(|error| {
            let failure = Failure::from(error);
            if removes {
                failure.context("it is removed, but its bytes are still there")
            } else {
                failure
            }
        })?;
    if ui.is_json() {
        let (name, version) = (name.to_string(), arguments.version);
        let removed = removes || newest.removed;
        return ui.json(&Document { id, name, version, removed, purged });
    }
    ui.report(match (arguments.version, purged) {
        (_, false) => format!("there were no bytes of {shown} any more"),
        (Some(version), true) => format!("the bytes of version {version} of {shown} are gone"),
        (None, true) => format!("removed {shown}, and its bytes are gone"),
    })
}
