//! `keybackup login`: proves the password to the server and itself, and keeps the session.

use serde::Serialize;

use super::context::{Context, Session, cookie, new_device_id, now};
use crate::account::{self, Grant, LoggedIn};
use crate::cli;
use crate::config::{StoreKind, host_name};
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::passwords;
use crate::profile::{Login, Record, keychain};
use crate::records::{DeviceRecord, Name};
use crate::ui;

#[derive(Serialize)]
struct Document<'a> {
    server: &'a str,
    email: &'a str,
    account: String,
    epoch: String,
    device: super::DeviceDocument,
    stored: StoreKind,
    expires_at: i64,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Login) -> CommandResult {
    let Context { ui, settings, .. } = context;
    let profile = context.lock()?;
    let known = profile.record()?;
    let asked = settings.address(arguments.address.as_deref())?;
    let address = match (&known, asked) {
        (Some(record), Some(asked)) if asked != record.email => {
            return Err(Failure::new(
                Code::OtherLogin,
                format!("this profile belongs to {}", record.email.as_str()),
            )
            .hint("another account beside it: --profile NAME"));
        }
        (_, Some(asked)) => asked,
        (known, None) => settings.email_for(known.as_ref().map(|record| &record.email))?,
    };
    let server = settings.server_for(known.as_ref().map(|record| &record.server))?;
    let question = super::password_question(&address, &server);
    let password =
        passwords::current(ui, &context.global.passwords, context.environment, &question)?;
    let remote = context.remote(&server)?;
    let stored =
        known.as_ref().and_then(|record| profile.login_or_none(record, |told| ui.warn(told)));
    let cookie = stored.as_ref().and_then(cookie);
    let device = known.as_ref().map_or_else(new_device_id, |record| record.device_id);
    let logged_in =
        account::login::<PasswordKsf>(&remote, &address, &password, device, cookie.as_ref())?;

    let name = arguments
        .device
        .clone()
        .or_else(|| known.as_ref().map(|record| record.device_name.clone()))
        .unwrap_or_else(host_name);
    let name = super::device_name(&name)?;
    let record = known.unwrap_or_else(|| Record {
        server: server.clone(),
        email: address.clone(),
        account_id: logged_in.account,
        epoch_id: logged_in.epoch,
        device_id: device,
        device_name: name.to_string(),
        keyring: logged_in.sealed_keyring.clone(),
        recovery_slot: logged_in.recovery_slot.clone(),
        newer_recovery_slot: None,
        stored: None,
    });
    let login = to_keep(&logged_in);
    let expires_at = logged_in.grant.expires_at;
    let device_record = logged_in.device_record.clone();
    let mut session = context.adopt(profile, record, remote, logged_in)?;
    session.record.device_name = name.to_string();
    session.remember()?;
    if let Err(failure) = put_device_record(&session, device_record.as_ref(), &name) {
        ui.warn(format!(
            "the account could not be told this device's name: {failure}; the next login tries again"
        ));
    }
    let stored = store(context, &mut session, &login)?;
    if ui.is_json() {
        return ui.json(&Document {
            server: server.as_str(),
            email: address.as_str(),
            account: session.record.account_id.to_string(),
            epoch: session.record.epoch_id.to_string(),
            device: super::DeviceDocument { id: device.to_string(), name: name.to_string() },
            stored,
            expires_at,
        });
    }
    ui.line(format!(
        "logged in to {} as {}",
        ui::escape(server.as_str()),
        ui::escape(address.as_str())
    ))
}

/// What a device keeps of a login, to come back without a password.
pub(super) fn to_keep(logged_in: &LoggedIn) -> Login {
    let Grant { token, expires_at, device_cookie } = &logged_in.grant;
    Login::new(token.expose(), logged_in.root.expose(), *expires_at, device_cookie.expose())
}

/// Keeps the login where `--store` says, and the profile's record with where that was.
pub(super) fn store(
    context: &Context<'_>,
    session: &mut Session,
    login: &Login,
) -> Result<StoreKind, Failure> {
    let kind = session.profile.save_login(
        login,
        context.settings.store,
        &keychain::System::default(),
        |message| context.ui.warn(message),
    )?;
    session.record.stored = Some(kind);
    session.profile.save_record(&session.record)?;
    Ok(kind)
}

/// Tells the account this device's name, sealed, unless it knows it already.
fn put_device_record(
    session: &Session,
    known: Option<&keybackup_protocol::api::DeviceRecord>,
    name: &Name,
) -> CommandResult {
    let vault = &session.vault;
    let open = |record: &keybackup_protocol::api::DeviceRecord| {
        DeviceRecord::open(
            &vault.keyring,
            vault.account,
            record.id,
            record.revision,
            &record.sealed.0,
        )
    };
    // A record of another device says nothing of this one.
    let (revision, created_at) = match known.filter(|record| record.id == vault.device) {
        None => (1, now()),
        // A record that does not open is replaced by one that does.
        Some(record) => match open(record) {
            Ok(opened) if opened.name == *name => return Ok(()),
            Ok(opened) => (record.revision.saturating_add(1), opened.created_at),
            Err(_) => (record.revision.saturating_add(1), now()),
        },
    };
    let record =
        DeviceRecord { name: name.clone(), platform: std::env::consts::OS.to_owned(), created_at };
    let sealed = record
        .seal(&mut rand08::rngs::OsRng, &vault.keyring, vault.account, vault.device, revision)
        .map_err(|error| Failure::of(Code::Internal, &error))?;
    vault.remote.put_device(&keybackup_protocol::api::DeviceRecord {
        id: vault.device,
        revision,
        sealed: keybackup_protocol::B64(sealed.bytes),
    })?;
    Ok(())
}
