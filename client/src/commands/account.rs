//! `keybackup account show`: what the server knows of the account.

use keybackup_protocol::api::AccountAnswer;
use serde::Serialize;

use super::context::{Context, now};
use crate::error::CommandResult;
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
