//! `keybackup password change`: another password for the same root key.

use serde::Serialize;
use subtle::ConstantTimeEq as _;

use super::context::Context;
use crate::account;
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::passwords;

#[derive(Serialize)]
struct Document {
    changed: bool,
}

/// Runs the command.
pub(super) fn change(context: &Context<'_>, arguments: &cli::ChangePassword) -> CommandResult {
    let Context { ui, global, environment, .. } = context;
    let session = context.open()?;
    let address = &session.record.email;
    let question = super::password_question(address, &session.record.server);
    let old = passwords::current(ui, &global.passwords, environment, &question)?;
    let new = passwords::chosen_anew(ui, &arguments.new, environment, address)?;
    if bool::from(old.expose().as_bytes().ct_eq(new.expose().as_bytes())) {
        return Err(Failure::new(Code::Usage, "the new password is the old one"));
    }
    let cookie = session.cookie();
    let vault = &session.vault;
    let owner = session.owner(cookie.as_ref());
    account::change_password::<PasswordKsf>(&vault.remote, &owner, &old, &new)?;
    if ui.is_json() {
        return ui.json(&Document { changed: true });
    }
    ui.line("the password is changed; other devices are logged out")
}
