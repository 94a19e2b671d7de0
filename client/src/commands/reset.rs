//! `keybackup password reset`: has a code mailed; with the code, another password, and with the
//! recovery phrase everything back.

use keybackup_protocol::Address;
use serde::Serialize;
use zeroize::Zeroizing;

use super::context::{Context, new_device_id, now};
use super::login::{self, Place};
use crate::account::{LoggedIn, Reset};
use crate::cli;
use crate::config::ServerUrl;
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::profile::LockedProfile;
use crate::records::Digest;
use crate::remote::Remote;
use crate::{passwords, phrases, ui};

#[derive(Serialize)]
struct Mailed<'a> {
    email: &'a str,
    mailed: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    server: &'a str,
    email: &'a str,
    account: String,
    epoch: String,
    device: String,
    with_phrase: bool,
    locked_personas: u64,
    recovery_phrase: Option<&'a str>,
    recovery_file: Option<String>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::ResetPassword) -> CommandResult {
    let profile = context.lock()?;
    let known = profile.record()?;
    let address = login::address_for(context, known.as_ref(), arguments.address.as_deref())?;
    let server = context.settings.server_for(known.as_ref().map(|record| &record.server))?;
    let remote = context.remote(&server)?;
    match &arguments.code {
        None => request(context, &remote, &address),
        Some(code) => {
            let place = Where { remote, server, address };
            reset(context, arguments, code.as_str(), profile, place)
        }
    }
}

/// Whom it is about, and where.
struct Where {
    remote: Remote,
    server: ServerUrl,
    address: Address,
}

fn request(context: &Context<'_>, remote: &Remote, address: &Address) -> CommandResult {
    let ui = context.ui;
    if !remote.status()?.mail {
        return Err(Failure::new(Code::Server, "the server sends no mail, and so no codes")
            .hint("tell the server's operator: it needs an SMTP server"));
    }
    remote.request_reset(address.as_str())?;
    if ui.is_json() {
        return ui.json(&Mailed { email: address.as_str(), mailed: true });
    }
    let word = ui::shell_word(address.as_str());
    ui.line(format!(
        "if {} has an account there, a code is on its way to it, unless one was just \
         mailed (one in 2 minutes, 3 an hour, 6 a day); it holds for 15 minutes",
        ui::escape(address.as_str())
    ))?;
    ui.line(format!("then: keybackup password reset {word} --code CODE"))
}

fn reset(
    context: &Context<'_>,
    arguments: &cli::ResetPassword,
    code: &str,
    profile: LockedProfile,
    place: Where,
) -> CommandResult {
    let Context { ui, environment, .. } = context;
    let Where { remote, server, address } = place;
    let recovery_file = arguments.recovery_file.as_deref();
    let phrase = if arguments.without_phrase {
        None
    } else {
        let instead = "--phrase-file or --phrase-stdin, or, if it is lost, --without-phrase";
        phrases::current_if_any(ui, &arguments.phrase, instead)?
    };
    if phrase.is_none() {
        phrases::refuse_unseen(ui, recovery_file)?;
        phrases::refuse_existing(recovery_file)?;
    }
    let password = passwords::chosen_anew(ui, &arguments.new, environment, &address)?;
    let known = profile.record()?;
    let device = known.as_ref().map_or_else(new_device_id, |record| record.device_id);
    // What can fail here should do so before anything is changed.
    profile.probe()?;
    let reset = Reset::<PasswordKsf>::start(&remote, &address, code, phrase.as_ref(), &password)?;
    let text: Zeroizing<String>;
    let mut document = Document {
        server: server.as_str(),
        email: address.as_str(),
        account: String::new(),
        epoch: String::new(),
        device: device.to_string(),
        with_phrase: phrase.is_some(),
        locked_personas: 0,
        recovery_phrase: None,
        recovery_file: None,
    };
    let (logged_in, began) = if phrase.is_some() {
        (reset.with_phrase(&remote, device)?, None)
    } else {
        document.locked_personas = reset.would_lock();
        warn(context, arguments, reset.would_lock())?;
        let fresh = reset.alone(device)?;
        text = fresh.phrase();
        document.account = fresh.account.to_string();
        document.epoch = fresh.epoch.id.to_string();
        document.recovery_phrase = recovery_file.is_none().then_some(text.as_str());
        document.recovery_file = recovery_file.map(|file| file.display().to_string());
        // Kept before it is real.
        phrases::keep(ui, &text, recovery_file)?;
        if ui.is_json() {
            ui.json(&document)?;
            ui.flush()?;
        }
        let index_hash = fresh.epoch.index_hash;
        (fresh.commit(&remote)?, Some(index_hash))
    };
    document.account = logged_in.account.to_string();
    document.epoch = logged_in.epoch.to_string();
    let place = Place { server: &server, address: &address, device };
    keep(context, profile, &place, arguments.device.as_deref(), remote, logged_in, began).map_err(
        |failure| {
            failure
                .context("the password is the new one, but this device could not keep the login")
                .hint(format!("keybackup login {}", ui::shell_word(address.as_str())))
        },
    )?;
    match (ui.is_json(), phrase.is_some()) {
        (true, true) => ui.json(&document),
        (true, false) => Ok(()),
        (false, true) => ui.line("the password is the new one, and everything is there"),
        (false, false) => {
            ui.line("the password is the new one; what was backed up before is locked, not lost")?;
            ui.say(
                "found the old phrase, or a device that was logged in? keybackup recovery unlock",
            );
            Ok(())
        }
    }
}

/// What a reset without phrase means, and whether to go on.
fn warn(context: &Context<'_>, arguments: &cli::ResetPassword, personas: u64) -> CommandResult {
    let ui = context.ui;
    let what = match personas {
        // The server's word, on which it does not depend whether to ask.
        0 => "what there may be is locked (nothing, says the server)".to_owned(),
        1 => "1 persona will be locked".to_owned(),
        personas => format!("{personas} personas will be locked"),
    };
    ui.say(format!(
        "Without the recovery phrase {what}: the server keeps what is backed up, but nobody can read \
         it until the phrase turns up, or a device that was logged in. Neither the operator nor \
         anybody else can help. Removed personas are counted, too."
    ));
    if arguments.yes {
        return Ok(());
    }
    ui.confirm("Go on without the phrase?", "--yes, or the phrase with --phrase-file")
}

/// Makes the login this device's, with what it began.
fn keep(
    context: &Context<'_>,
    profile: LockedProfile,
    place: &Place<'_>,
    named: Option<&str>,
    remote: Remote,
    logged_in: LoggedIn,
    began: Option<Digest>,
) -> CommandResult {
    let mut settled = login::settle(context, profile, place, named, remote, logged_in)?;
    if let Some(index) = began {
        let session = &mut settled.session;
        session.vault.state.began(session.vault.keyring.version(), index, now());
        session.save_state()?;
    }
    Ok(())
}
