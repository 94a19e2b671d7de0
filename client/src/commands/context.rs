//! What every command that needs an account starts from: settings, the locked profile, a login.

use std::cmp::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use keybackup_protocol::{DeviceId, api};
use rand08::RngCore;
use rand08::rngs::OsRng;

use crate::account::{self, LoggedIn};
use crate::cli::Global;
use crate::config::{Environment, Rate, ServerUrl, Settings, StoreKind};
use crate::error::{Code, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::marks::Opened;
use crate::passwords;
use crate::profile::{self, FormerRoot, LockedProfile, Login, Profile, Record};
use crate::records::{Keyring, LocalState};
use crate::remote::{Endpoint, Remote};
use crate::secret::{DeviceCookie, RootKey, Token};
use crate::ui::{Ui, escape};
use crate::vault::Vault;

mod session;

pub use session::Session;

/// What every command gets.
pub struct Context<'a> {
    /// Prints and asks.
    pub ui: &'a Ui,
    /// Options before the command.
    pub global: &'a Global,
    /// Environment variables.
    pub environment: &'a Environment,
    /// All of it resolved.
    pub settings: Settings,
}

/// Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A new device id.
pub fn new_device_id() -> DeviceId {
    let mut bytes = [0; DeviceId::LEN];
    OsRng.fill_bytes(&mut bytes);
    DeviceId::from_bytes(bytes)
}

impl<'a> Context<'a> {
    /// Resolves the settings.
    pub fn new(
        ui: &'a Ui,
        global: &'a Global,
        environment: &'a Environment,
    ) -> Result<Self, Failure> {
        let settings = Settings::load(global, environment)?;
        Ok(Self { ui, global, environment, settings })
    }

    /// The profile that the settings name.
    pub fn profile(&self) -> Profile {
        Profile::at(&self.settings.data_dir, &self.settings.profile)
    }

    /// The same, locked against other processes.
    pub fn lock(&self) -> Result<LockedProfile, Failure> {
        let waiting = || self.ui.say("waiting for another keybackup that uses this profile");
        Ok(self.profile().lock(self.settings.timeout, waiting)?)
    }

    /// A client of `server`. Nothing is sent yet.
    pub fn remote(&self, server: &ServerUrl) -> Result<Remote, Failure> {
        Ok(Remote::new(&Endpoint {
            url: server.url().clone(),
            ca_file: self.settings.ca_file.clone(),
            idle: self.settings.timeout,
            limit: self.settings.limit_rate.map(Rate::bytes_per_s),
        })?)
    }

    /// Opens the account of the profile and looks at it, where this device is in its current epoch.
    pub fn look(&self) -> Result<(Session, Opened), Failure> {
        let (session, opened) = self.look_anywhere()?;
        if session.displaced { Err(session.displacement()) } else { Ok((session, opened)) }
    }

    /// The same in whichever epoch this device is. A stored login that the server no longer takes
    /// gives way to a password, if one is given without asking.
    pub fn look_anywhere(&self) -> Result<(Session, Opened), Failure> {
        let mut session = self.open()?;
        match session.snapshot() {
            Err(failure) if failure.code() == Code::LoginNeeded && self.has_password() => {
                drop(session);
                let profile = self.lock()?;
                let record = profile.record()?.ok_or_else(|| self.not_logged_in())?;
                let mut session = self.log_in(profile, record, true)?;
                let opened = session.snapshot()?;
                Ok((session, opened))
            }
            looked => Ok((session, looked?)),
        }
    }

    /// Opens the account of the profile: with the stored login, or, when there is none, with a
    /// password that a flag, a variable or (where logins are not stored) a person gives.
    pub fn open(&self) -> Result<Session, Failure> {
        let profile = self.lock()?;
        let record = profile.record()?.ok_or_else(|| self.not_logged_in())?;
        // Both refuse a server or address other than the one the profile belongs to.
        let server = self.settings.server_for(Some(&record.server))?;
        self.settings.email_for(Some(&record.email))?;
        let login = profile.login_or_none(&record, |told| self.ui.warn(told));
        let stored = login.as_ref().and_then(|login| login.session.as_ref());
        let live = stored.filter(|session| session.expires_at > now());
        if let Some((token, root)) = live.and_then(credentials) {
            let mut remote = self.remote(&server)?;
            remote.authenticate(token);
            let api = &record.keyring;
            let keyring = Keyring::open(
                &root,
                record.account_id,
                record.epoch_id,
                api.version,
                &api.sealed.0,
            )
            .map_err(|error| {
                Failure::of(Code::Integrity, &error)
                    .context("the keyring kept on this device does not open")
                    .hint("keybackup login")
            })?;
            let state = open_state(&profile, &record, &keyring)?.ok_or_else(|| {
                Failure::new(
                    Code::ProfileDamaged,
                    "what this device has seen is missing from its profile",
                )
                .hint("keybackup login")
            })?;
            let vault = Vault {
                remote,
                account: record.account_id,
                epoch: record.epoch_id,
                device: record.device_id,
                root,
                keyring,
                sealed_keyring: record.keyring.clone(),
                state,
            };
            let mut session = Session::new(vault, profile, record, self.ui.warner());
            session.former = live.map_or_else(Vec::new, |live| live.former.clone());
            return Ok(session);
        }
        let asked = record.stored == Some(StoreKind::None) && self.ui.can_ask();
        if !self.has_password() && !asked {
            return Err(self.not_logged_in());
        }
        let renews = stored.is_some();
        self.log_in(profile, record, renews)
    }

    pub(super) fn not_logged_in(&self) -> Failure {
        let profile = match self.settings.profile.as_str() {
            "default" => String::new(),
            profile => format!(" in the profile {profile}"),
        };
        Failure::new(Code::LoginNeeded, format!("nobody is logged in on this device{profile}"))
            .hint("keybackup login EMAIL, or, for a new account, keybackup register EMAIL")
    }

    /// Whether a password can be had without asking.
    fn has_password(&self) -> bool {
        self.global.passwords.given(self.environment)
    }

    /// Opens the account with its password. The login is kept where it `renews` a stored one that
    /// has ended; else it is for this command alone, and ends with it.
    fn log_in(
        &self,
        profile: LockedProfile,
        record: Record,
        renews: bool,
    ) -> Result<Session, Failure> {
        let server = self.settings.server_for(Some(&record.server))?;
        let remote = self.remote(&server)?;
        let login = profile.login_or_none(&record, |told| self.ui.warn(told));
        let question = super::password_question(&record.email, &server);
        let password =
            passwords::current(self.ui, &self.global.passwords, self.environment, &question)?;
        let cookie = login.as_ref().and_then(cookie);
        let logged_in = account::login::<PasswordKsf>(
            &remote,
            &record.email,
            &password,
            record.device_id,
            cookie.as_ref(),
        )?;
        let login = super::login::to_keep(&logged_in);
        let mut session = self.adopt(profile, record, remote, logged_in)?;
        session.remember().unwrap_or_else(|failure| session.warn_unkept(&failure));
        session.ends_with_command = !renews;
        if renews && let Err(failure) = super::login::store(self, &mut session, &login) {
            session.ends_with_command = true;
            self.ui.warn(format!("the new login could not be kept: {failure}"));
        }
        Ok(session)
    }

    /// Makes a fresh login this profile's session: checks it against what the profile has seen.
    /// Nothing is remembered yet ([`Session::remember`]).
    pub fn adopt(
        &self,
        profile: LockedProfile,
        mut record: Record,
        mut remote: Remote,
        logged_in: LoggedIn,
    ) -> Result<Session, Failure> {
        let standing = profile.record()?;
        let login = standing.as_ref().and_then(|it| profile.login_or_none(it, |_| {}));
        let mut former = login.and_then(|login| login.session).map_or_else(Vec::new, |session| {
            let mut former = session.former;
            if record.epoch_id != logged_in.epoch {
                former.push(FormerRoot { epoch: record.epoch_id, root: session.root });
            }
            former
        });
        former.retain(|root| root.epoch != logged_in.epoch && !record.closed.contains(&root.epoch));
        refuse_strange_account(&record, &logged_in)?;
        let moved = standing.is_some() && record.epoch_id != logged_in.epoch;
        let state = if moved {
            self.enter_epoch(&profile, &mut record, &logged_in)?
        } else if standing.is_some() {
            open_state(&profile, &record, &logged_in.keyring)?.unwrap_or_else(|| {
                self.ui.warn(
                    "what this device had seen is gone: it can't notice a server that went back",
                );
                LocalState::new(logged_in.epoch)
            })
        } else {
            self.set_state_aside(&profile)?;
            LocalState::new(logged_in.epoch)
        };
        refuse_strange_keys(&record, &logged_in)?;
        record.keyring = logged_in.sealed_keyring.clone();
        record.keep_recovery_slot(logged_in.recovery_slot);
        remote.authenticate(logged_in.grant.token);
        let vault = Vault {
            remote,
            account: logged_in.account,
            epoch: logged_in.epoch,
            device: record.device_id,
            root: logged_in.root,
            keyring: logged_in.keyring,
            sealed_keyring: logged_in.sealed_keyring,
            state,
        };
        let mut session = Session::new(vault, profile, record, self.ui.warner());
        session.former = former;
        Ok(session)
    }

    /// Moves the profile to another epoch of its account, which the password has opened: what was
    /// seen in the one before is kept for it.
    fn enter_epoch(
        &self,
        profile: &LockedProfile,
        record: &mut Record,
        logged_in: &LoggedIn,
    ) -> Result<LocalState, Failure> {
        let (before, after) = (record.epoch_id, logged_in.epoch);
        profile.leave_epoch(&before)?;
        let slot = logged_in.recovery_slot.clone();
        record.move_to(after, logged_in.sealed_keyring.clone(), slot);
        profile.save_record(record)?;
        self.ui.warn(
            "the account is in another epoch than this device was: its password was reset without \
             the recovery phrase, or such a reset undone; what was backed up before is locked, not \
             lost: keybackup recovery unlock",
        );
        let state = profile.former_state(&after)?;
        let state = state.map(|sealed| open_sealed_state(record, &logged_in.keyring, &sealed));
        Ok(state.transpose()?.unwrap_or_else(|| LocalState::new(after)))
    }

    /// Makes way for the state of a new device, in a profile that has no record.
    pub fn set_state_aside(&self, profile: &LockedProfile) -> Result<(), Failure> {
        if let Some(aside) = profile.set_state_aside()? {
            self.ui.warn(format!(
                "the profile's record is gone, so this is a new device; what the old one had seen \
                 is kept in {}",
                escape(&aside.display().to_string())
            ));
        }
        Ok(())
    }
}

/// The device cookie of an earlier login.
pub fn cookie(login: &Login) -> Option<DeviceCookie> {
    let text = login.device_cookie.as_ref()?.as_str().to_owned();
    // One that does not parse costs only the device's own bucket.
    DeviceCookie::parse(text).ok()
}

/// A server that answers a known address with another account than this device has seen has lost
/// something, or lies; so does one that goes back to an epoch whose personas have moved on. Either
/// way nothing here gives way. Another epoch of the account is none of that: the password was reset,
/// and whoever has opened its slot knew the new one.
fn refuse_strange_account(record: &Record, logged_in: &LoggedIn) -> Result<(), Failure> {
    if record.account_id == logged_in.account && !record.closed.contains(&logged_in.epoch) {
        return Ok(());
    }
    Err(Failure::new(
        Code::Rollback,
        "the server has another account or epoch under this address than this device has seen",
    )
    .hint("what this device has seen is kept; the other account beside it: --profile NAME, then keybackup login EMAIL"))
}

/// The same for keyring and recovery slot, within an epoch.
fn refuse_strange_keys(record: &Record, logged_in: &LoggedIn) -> Result<(), Failure> {
    if logged_in.sealed_keyring.version < record.keyring.version {
        return Err(Failure::new(
            Code::Rollback,
            format!(
                "the server has keyring {}, and this device has seen {}",
                logged_in.sealed_keyring.version, record.keyring.version
            ),
        )
        .hint("ask whoever runs the server whether it was restored from an older backup")
        .hint("what this device has seen is kept; the older account beside it: --profile NAME, then keybackup login EMAIL"));
    }
    refuse_strange_slot(&record.recovery_slot, &logged_in.recovery_slot)
}

/// The phrase opens this device's own copy of the recovery slot also when the server is gone; a
/// server that can't prove what it serves must not put something else in its place. One of a higher
/// generation comes of a new phrase: it is kept beside ([`Record::keep_recovery_slot`]).
fn refuse_strange_slot(kept: &api::Slot, served: &api::Slot) -> Result<(), Failure> {
    match served.generation.cmp(&kept.generation) {
        Ordering::Less => Err(Failure::new(
            Code::Rollback,
            format!(
                "the server has recovery slot {}, and this device has seen {}",
                served.generation, kept.generation
            ),
        )
        .hint("what this device has is kept")),
        Ordering::Equal if served.sealed != kept.sealed => Err(Failure::new(
            Code::Integrity,
            "the server's recovery slot is another than the one that this device keeps",
        )
        .hint("what this device has is kept")),
        Ordering::Equal | Ordering::Greater => Ok(()),
    }
}

fn open_state(
    profile: &Profile,
    record: &Record,
    keyring: &Keyring,
) -> Result<Option<LocalState>, Failure> {
    let Some(sealed) = profile.state(&record.epoch_id)? else { return Ok(None) };
    open_sealed_state(record, keyring, &sealed).map(Some)
}

fn open_sealed_state(
    record: &Record,
    keyring: &Keyring,
    sealed: &[u8],
) -> Result<LocalState, Failure> {
    LocalState::open(keyring, record.account_id, record.device_id, sealed).map_err(|error| {
        Failure::of(Code::Integrity, &error)
            .context("what this device has seen (state.sealed) does not open")
            .hint("keybackup login; if that does not help, a new device knows nothing yet: --profile NAME, then keybackup login")
    })
}

/// What a stored session consists of; one that does not parse is none.
fn credentials(session: &profile::Session) -> Option<(Token, RootKey)> {
    let token = Token::parse(session.token.as_str().to_owned()).ok()?;
    Some((token, RootKey::from_slice(&session.root[..])?))
}

#[cfg(test)]
mod tests;
