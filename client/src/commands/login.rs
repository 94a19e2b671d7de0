//! `keybackup login`: proves the password to the server and itself, and keeps the session.

use keybackup_protocol::{Address, DeviceId};
use serde::Serialize;

use super::context::{Context, Session, cookie, new_device_id, now};
use crate::account::{self, Grant, LoggedIn};
use crate::cli;
use crate::config::{ServerUrl, StoreKind, host_name};
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::passwords;
use crate::profile::{LockedProfile, Login, Record, Session as KeptSession, keychain};
use crate::records::{DeviceRecord, Name};
use crate::remote::Remote;
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

/// Where a login is, and what makes it.
pub(super) struct Place<'a> {
    /// The server.
    pub(super) server: &'a ServerUrl,
    /// The account's address.
    pub(super) address: &'a Address,
    /// This device.
    pub(super) device: DeviceId,
}

/// A login that this device keeps.
pub(super) struct Settled {
    /// It.
    pub(super) session: Session,
    /// What this device is called.
    pub(super) name: Name,
    /// Where the login is kept.
    pub(super) stored: StoreKind,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Login) -> CommandResult {
    let Context { ui, settings, .. } = context;
    let profile = context.lock()?;
    let known = profile.record()?;
    // Where the address is another one, the account must be the same: [`Context::adopt`] looks.
    let expected = known.as_ref().filter(|_| !arguments.moved);
    let address = address_for(context, expected, arguments.address.as_deref())?;
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
    let expires_at = logged_in.grant.expires_at;
    let place = Place { server: &server, address: &address, device };
    let named = arguments.device.as_deref();
    let Settled { session, name, stored } =
        settle(context, profile, &place, named, remote, logged_in)?;
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

/// The address that a command is about: the profile's own, unless the profile is new.
pub(super) fn address_for(
    context: &Context<'_>,
    known: Option<&Record>,
    named: Option<&str>,
) -> Result<Address, Failure> {
    let settings = &context.settings;
    match (known, settings.address(named)?) {
        (Some(record), Some(asked)) if asked != record.email => Err(Failure::new(
            Code::OtherLogin,
            format!("this profile belongs to {}", record.email.as_str()),
        )
        .hint("another account beside it: --profile NAME")
        .hint("the same account, whose address was changed: keybackup login EMAIL --moved")),
        (_, Some(asked)) => Ok(asked),
        (known, None) => settings.email_for(known.map(|record| &record.email)),
    }
}

/// Makes a login this device's: checked against what the profile has seen, remembered, named to the
/// account, and kept.
pub(super) fn settle(
    context: &Context<'_>,
    profile: LockedProfile,
    place: &Place<'_>,
    named: Option<&str>,
    remote: Remote,
    logged_in: LoggedIn,
) -> Result<Settled, Failure> {
    let known = profile.record()?;
    let was_known = known.is_some();
    let name = named
        .map(str::to_owned)
        .or_else(|| known.as_ref().map(|record| record.device_name.clone()))
        .unwrap_or_else(host_name);
    let name = super::device_name(&name)?;
    let mut record = known.unwrap_or_else(|| Record {
        server: place.server.clone(),
        email: place.address.clone(),
        account_id: logged_in.account,
        epoch_id: logged_in.epoch,
        device_id: place.device,
        device_name: name.to_string(),
        keyring: logged_in.sealed_keyring.clone(),
        recovery_slot: logged_in.recovery_slot.clone(),
        newer_recovery_slot: None,
        former: Vec::new(),
        closed: Vec::new(),
        stored: None,
    });
    record.email.clone_from(place.address);
    let login = to_keep(&logged_in);
    let device_record = logged_in.device_record.clone();
    let mut session = context.adopt(profile, record, remote, logged_in)?;
    session.record.device_name = name.to_string();
    session.remember()?;
    let device_record = match device_record {
        None if was_known => own_record(&session),
        told => told,
    };
    if let Err(failure) = put_device_record(&session, device_record.as_ref(), &name) {
        context.ui.warn(format!(
            "the account could not be told this device's name: {failure}; the next login tries again"
        ));
    }
    let stored = store(context, &mut session, &login)?;
    Ok(Settled { session, name, stored })
}

/// The record that the account has of this device.
fn own_record(session: &Session) -> Option<keybackup_protocol::api::DeviceRecord> {
    let devices = session.vault.remote.devices().ok()?.devices;
    devices.into_iter().find(|record| record.id == session.vault.device)
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
    let mut kept = Login::default();
    kept.device_cookie.clone_from(&login.device_cookie);
    kept.session = login.session.as_ref().map(|of| KeptSession {
        token: of.token.clone(),
        root: of.root.clone(),
        expires_at: of.expires_at,
        former: session.former.clone(),
    });
    let kind = session.profile.save_login(
        &kept,
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
