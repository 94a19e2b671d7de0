//! `keybackup account show`: what the server knows of the account. `keybackup account delete`: its
//! end.

use keybackup_protocol::Address;
use keybackup_protocol::api::AccountAnswer;
use serde::Serialize;

use super::context::{Context, now};
use crate::account;
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::passwords;
use crate::ui;

#[derive(Serialize)]
struct Document<'a> {
    server: &'a str,
    email: &'a str,
    account: String,
    epoch: String,
    created_at: i64,
    password_changed_at: i64,
    personas: u64,
    held_bytes: u64,
    quota_bytes: u64,
}

/// Runs the command.
pub(super) fn show(context: &Context<'_>) -> CommandResult {
    let ui = context.ui;
    let session = context.open()?;
    let AccountAnswer { created_at, password, personas, held_bytes, quota_bytes, .. } =
        session.vault.remote.account()?;
    // Which account it is this device knows itself.
    let document = Document {
        server: session.record.server.as_str(),
        email: session.record.email.as_str(),
        account: session.record.account_id.to_string(),
        epoch: session.record.epoch_id.to_string(),
        created_at,
        password_changed_at: password.changed_at,
        personas,
        held_bytes,
        quota_bytes,
    };
    if ui.is_json() {
        return ui.json(&document);
    }
    let age = |at| ui::age(now().saturating_sub(at));
    for (what, value) in [
        ("email", ui::escape(document.email).into_owned()),
        ("server", ui::escape(document.server).into_owned()),
        ("account", document.account.clone()),
        ("made", age(created_at)),
        ("password", format!("set {}", age(password.changed_at))),
        ("personas", format!("{personas}, removed ones included")),
        ("space", format!("{} of {}", ui::size(held_bytes), ui::size(quota_bytes))),
    ] {
        ui.report(format!("{what:9} {value}"))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Deletion {
    deleted: bool,
    held_until: i64,
    locked_personas: u64,
}

/// Deletes the account. What this device has seen of it is kept; where nothing of it is left at the
/// server the profile is free for another account.
pub(super) fn delete(context: &Context<'_>, arguments: &cli::DeleteAccount) -> CommandResult {
    let Context { ui, global, environment, .. } = context;
    let session = context.open()?;
    let address = &session.record.email;
    if !arguments.yes {
        let shown = ui::escape(address.as_str());
        let question = format!(
            "This deletes the account and its backups at the server, for good. Type {shown} to go on"
        );
        if !ui.ask(&question, "--yes")?.parse::<Address>().is_ok_and(|typed| typed == *address) {
            return Err(Failure::new(Code::Declined, "not confirmed: nothing was done"));
        }
    }
    let question = super::password_question(address, &session.record.server);
    let password = passwords::current(ui, &global.passwords, environment, &question)?;
    let cookie = session.cookie();
    let vault = &session.vault;
    let owner = session.owner(cookie.as_ref());
    let deleted = account::delete_account::<PasswordKsf>(&vault.remote, &owner, &password)?;
    session.profile.end_session(&session.record, |message| ui.warn(message))?;
    let (held_until, locked_personas) = (deleted.held_until, deleted.locked_personas);
    if locked_personas == 0 {
        session.profile.set_account_aside(&session.record).map_err(|error| {
            Failure::from(error)
                .context("the account is deleted, but this profile could not be freed")
        })?;
    }
    if ui.is_json() {
        return ui.json(&Deletion { deleted: true, held_until, locked_personas });
    }
    ui.line("the account is deleted; all devices are logged out")?;
    ui.say(format!("the server keeps its sealed bytes until {}", ui::timestamp(held_until)));
    if locked_personas > 0 {
        ui.say(format!(
            "{} locked by a reset stay at the server, and with them the address",
            ui::count(locked_personas, "persona")
        ));
    }
    Ok(())
}
