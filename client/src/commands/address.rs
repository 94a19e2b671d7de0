//! `keybackup account email`: another address for the account. `keybackup account undo-email`: back
//! to a former one, by the code that was mailed there.

use keybackup_protocol::Address;
use serde::Serialize;

use super::context::Context;
use super::register::mailed_code;
use crate::account;
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::{passwords, ui};

#[derive(Serialize)]
struct Document<'a> {
    email: &'a str,
    changed: bool,
}

/// Changes the address.
pub(super) fn change(context: &Context<'_>, arguments: &cli::ChangeAddress) -> CommandResult {
    let Context { ui, global, environment, .. } = context;
    let new = parse(&arguments.address)?;
    let mut session = context.open()?;
    let former = session.record.email.clone();
    if new == former {
        return Err(Failure::new(Code::Usage, "that is the account's address already"));
    }
    let remote = &session.vault.remote;
    let confirmation = match &arguments.confirm {
        Some(code) => Some(code.as_str().to_owned()),
        None if remote.status()?.confirm_email => {
            let word = ui::shell_word(new.as_str());
            let again = format!("keybackup account email {word} --confirm CODE");
            Some(mailed_code(ui, remote, new.as_str(), &again)?)
        }
        None => None,
    };
    let question = super::password_question(&former, &session.record.server);
    let password = passwords::current(ui, &global.passwords, environment, &question)?;
    let cookie = session.cookie();
    let vault = &session.vault;
    let owner = session.owner(cookie.as_ref());
    account::change_address::<PasswordKsf>(
        &vault.remote,
        &owner,
        &password,
        &new,
        confirmation.as_deref(),
    )?;
    session.record.email = new.clone();
    session.profile.save_record(&session.record).map_err(|error| {
        Failure::from(error)
            .context("the address is changed, but this device could not note it")
            .hint(format!("keybackup login {} --moved", ui::shell_word(new.as_str())))
    })?;
    tell(ui, &new, true, |ui, shown| {
        ui.line(format!("the account's address is {shown} now; other devices are logged out"))?;
        ui.say(format!("on these: keybackup login {} --moved", ui::shell_word(new.as_str())));
        ui.say(
            "for 7 days the mailbox of the former address can take it back, with the password of now; \
             so long the recovery phrase can't be replaced, nor the account deleted",
        );
        Ok(())
    })
}

/// Goes back to a former address. Needs no login: whoever changed it may have ended them all.
pub(super) fn undo(context: &Context<'_>, arguments: &cli::UndoAddress) -> CommandResult {
    let former = parse(&arguments.address)?;
    let profile = context.lock()?;
    let known = profile.record()?;
    let server = context.settings.server_for(known.as_ref().map(|record| &record.server))?;
    let remote = context.remote(&server)?;
    let undone = account::undo_address(&remote, &former, arguments.code.as_str());
    let changed = undone.map_err(|error| match Failure::from(error) {
        failure if failure.code() == Code::WrongCode => {
            Failure::new(Code::WrongCode, "the code is not what undoes a change from that address")
                .hint("it came with the mail to the former address, and holds for 7 days")
        }
        failure => failure,
    })?;
    tell(context.ui, &former, changed, |ui, shown| {
        let state = if changed { "again; all devices are logged out" } else { "already" };
        ui.line(format!("the account's address is {shown} {state}"))?;
        let moved = known.is_some_and(|record| record.email != former);
        ui.say(format!(
            "with the password of before: keybackup login {}{}",
            ui::shell_word(former.as_str()),
            if moved { " --moved" } else { "" }
        ));
        if !moved {
            ui.say("on a device that knew the other address: the same with --moved");
        }
        Ok(())
    })
}

fn parse(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|error| {
        Failure::of(Code::Usage, &error)
            .context("this is no e-mail address that can have an account")
    })
}

fn tell(
    ui: &ui::Ui,
    address: &Address,
    changed: bool,
    in_words: impl FnOnce(&ui::Ui, &str) -> CommandResult,
) -> CommandResult {
    if ui.is_json() {
        return ui.json(&Document { email: address.as_str(), changed });
    }
    in_words(ui, &ui::escape(address.as_str()))
}
