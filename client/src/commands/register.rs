//! `keybackup register`: a new account, whose recovery phrase is kept before the account exists.

use keybackup_protocol::{DeviceId, api};
use serde::Serialize;

use super::context::{Context, Session, new_device_id, now};
use crate::account::{Codes, Registration};
use crate::cli;
use crate::config::host_name;
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::passwords;
use crate::phrases;
use crate::profile::{LockedProfile, Login, Profile, Record};
use crate::records::{DeviceRecord, LocalState};
use crate::remote::Remote;
use crate::ui;
use crate::vault::Vault;

#[derive(Serialize)]
struct Document<'a> {
    server: &'a str,
    email: &'a str,
    account: String,
    epoch: String,
    device: super::DeviceDocument,
    recovery_phrase: Option<&'a str>,
    recovery_file: Option<String>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Register) -> CommandResult {
    let Context { ui, settings, .. } = context;
    let profile = context.lock()?;
    refuse_known(&profile, arguments)?;
    let address = match settings.address(arguments.address.as_deref())? {
        Some(address) => address,
        None => settings.email_for(None)?,
    };
    let server = settings.server_for(None)?;
    let mut remote = context.remote(&server)?;
    let status = remote.status()?;
    refuse_unwelcome(&status, arguments)?;
    phrases::refuse_unseen(ui, arguments.recovery_file.as_deref())?;
    let confirmation = match &arguments.confirm {
        Some(code) => Some(code.as_str().to_owned()),
        None if status.confirm_email => {
            let word = ui::shell_word(address.as_str());
            let again = format!("keybackup register {word} --confirm CODE");
            Some(mailed_code(ui, &remote, address.as_str(), &again)?)
        }
        None => None,
    };
    let password = passwords::chosen(
        ui,
        &context.global.passwords,
        context.environment,
        &address,
        arguments.allow_weak_password,
    )?;
    let device = new_device_id();
    let device_name = super::device_name(&arguments.device.clone().unwrap_or_else(host_name))?;
    let device_record = DeviceRecord {
        name: device_name.clone(),
        platform: std::env::consts::OS.to_owned(),
        created_at: now(),
    };
    // What can fail here should do so while there is no account, and no phrase yet.
    profile.probe()?;
    let registration = Registration::start::<PasswordKsf>(
        &remote,
        &address,
        &password,
        Codes {
            invite: arguments.invite.as_ref().map(|code| code.as_str().to_owned()),
            confirmation,
        },
        device,
        &device_record,
    )?;
    keep_phrase(
        context,
        arguments,
        &registration,
        server.as_str(),
        address.as_str(),
        &device_name,
        device,
    )?;
    let grant = registration.commit(&remote)?;

    let record = Record {
        server: server.clone(),
        email: address.clone(),
        account_id: registration.account,
        epoch_id: registration.epoch.id,
        device_id: device,
        device_name: device_name.to_string(),
        keyring: registration.epoch.sealed_keyring(),
        recovery_slot: registration.epoch.recovery_slot(),
        newer_recovery_slot: None,
        former: Vec::new(),
        closed: Vec::new(),
        stored: None,
    };
    let login = Login::new(
        grant.token.expose(),
        registration.epoch.root.expose(),
        grant.expires_at,
        grant.device_cookie.expose(),
    );
    remote.authenticate(grant.token);
    let mut session = open(registration, device, remote, profile, record, ui);
    keep(context, &mut session, &login).map_err(|failure| {
        failure
            .context("the account exists, but this device could not keep its login")
            .hint(format!("keybackup login {}", ui::shell_word(address.as_str())))
    })?;
    if !ui.is_json() {
        ui.line(format!(
            "registered {} at {}",
            ui::escape(address.as_str()),
            ui::escape(server.as_str())
        ))?;
    }
    Ok(())
}

/// The new account, open on the device that made it.
fn open(
    registration: Registration,
    device: DeviceId,
    remote: Remote,
    profile: LockedProfile,
    record: Record,
    ui: &ui::Ui,
) -> Session {
    let (account, epoch) = (registration.account, registration.epoch);
    let sealed_keyring = epoch.sealed_keyring();
    let mut state = LocalState::new(epoch.id);
    state.began(sealed_keyring.version, epoch.index_hash, now());
    let vault = Vault {
        remote,
        account,
        epoch: epoch.id,
        device,
        root: epoch.root,
        keyring: epoch.keyring,
        sealed_keyring,
        state,
    };
    Session::new(vault, profile, record, ui.warner())
}

/// Remembers the new account and this device's login to it.
fn keep(context: &Context<'_>, session: &mut Session, login: &Login) -> CommandResult {
    context.set_state_aside(&session.profile)?;
    session.remember()?;
    super::login::store(context, session, login).map(|_| ())
}

/// Refuses what the server would refuse, before a password is thought of.
fn refuse_unwelcome(status: &api::Status, arguments: &cli::Register) -> CommandResult {
    let why = match status.registration {
        api::Registration::Closed => "the server takes no registrations",
        api::Registration::Invite if arguments.invite.is_none() => {
            "the server asks for an invitation"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(Code::RegistrationRefused, why)
        .hint("an invitation of the server's operator: --invite CODE"))
}

/// Has a code mailed, and asks for it where somebody can be asked; else `again` is the command that
/// takes it.
pub(super) fn mailed_code(
    ui: &ui::Ui,
    remote: &Remote,
    email: &str,
    again: &str,
) -> Result<String, Failure> {
    remote.request_confirmation(email)?;
    if !ui.can_ask() {
        return Err(Failure::new(
            Code::CodeNeeded,
            "the server mails a code to the address, good for 15 minutes, unless it has just mailed one \
             (one in 2 minutes, 3 an hour)",
        )
        .hint(again));
    }
    ui.say(format!(
        "the server has mailed a code to {}, good for 15 minutes (it mails at most one in 2 minutes, 3 an hour)",
        ui::escape(email)
    ));
    ui.ask("Code", again)
}

/// Refuses what would lose something: a profile in use, a recovery file over another.
fn refuse_known(profile: &Profile, arguments: &cli::Register) -> CommandResult {
    if let Some(record) = profile.record()? {
        return Err(Failure::new(
            Code::OtherLogin,
            format!("this profile belongs to {} already", record.email.as_str()),
        )
        .hint("another account beside it: --profile NAME")
        .hint("the same account: keybackup login"));
    }
    phrases::refuse_existing(arguments.recovery_file.as_deref())
}

/// Puts the phrase where it was asked for, and has it confirmed: before the account is real.
fn keep_phrase(
    context: &Context<'_>,
    arguments: &cli::Register,
    registration: &Registration,
    server: &str,
    email: &str,
    device_name: &crate::records::Name,
    device: DeviceId,
) -> CommandResult {
    let ui = context.ui;
    let phrase = registration.phrase();
    phrases::keep(ui, &phrase, arguments.recovery_file.as_deref())?;
    if ui.is_json() {
        ui.json(&Document {
            server,
            email,
            account: registration.account.to_string(),
            epoch: registration.epoch.id.to_string(),
            device: super::DeviceDocument { id: device.to_string(), name: device_name.to_string() },
            recovery_phrase: arguments.recovery_file.is_none().then_some(phrase.as_str()),
            recovery_file: arguments.recovery_file.as_ref().map(|file| file.display().to_string()),
        })?;
        ui.flush()?;
    }
    Ok(())
}
