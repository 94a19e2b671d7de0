//! `keybackup register`: a new account, whose recovery phrase is kept before the account exists.

use keybackup_protocol::api;
use serde::Serialize;

use super::context::{Context, Session, new_device_id, now};
use crate::account::Registration;
use crate::cli;
use crate::config::host_name;
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::passwords;
use crate::phrases;
use crate::profile::{Login, Profile, Record};
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
    refuse_unwelcome(&remote, arguments)?;
    phrases::refuse_unseen(ui, arguments.recovery_file.as_deref())?;
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
        arguments.invite.clone(),
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
    let sealed_keyring = registration.epoch.sealed_keyring();
    let mut state = LocalState::new(registration.epoch.id);
    state.began(sealed_keyring.version, registration.epoch.index_hash, now());
    let mut session = Session::new(
        Vault {
            remote,
            account: registration.account,
            epoch: registration.epoch.id,
            device,
            root: registration.epoch.root,
            keyring: registration.epoch.keyring,
            sealed_keyring,
            state,
        },
        profile,
        record,
        ui.warner(),
    );
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

/// Remembers the new account and this device's login to it.
fn keep(context: &Context<'_>, session: &mut Session, login: &Login) -> CommandResult {
    context.set_state_aside(&session.profile)?;
    session.remember()?;
    super::login::store(context, session, login).map(|_| ())
}

/// Refuses what the server would refuse, before a password is thought of.
fn refuse_unwelcome(remote: &Remote, arguments: &cli::Register) -> CommandResult {
    let why = match remote.status()?.registration {
        api::Registration::Closed => "the server takes no registrations",
        api::Registration::Invite if arguments.invite.is_none() => {
            "the server asks for an invitation"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(Code::RegistrationRefused, why)
        .hint("an invitation of the server's operator: --invite CODE"))
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
    device: keybackup_protocol::DeviceId,
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
