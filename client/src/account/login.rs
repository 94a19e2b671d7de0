//! Login: prove the password, open the slot, open the keyring.

use keybackup_protocol::api::{self, FreshLogin, LoginFinish, LoginPurpose, LoginStart, SlotKind};
use keybackup_protocol::{AccountId, Address, B64, DeviceId, EpochId};
use opaque_ke::ksf::Ksf;
use rand08::rngs::OsRng;

use super::{AccountError, Grant, greet};
use crate::keys;
use crate::keys::opaque::LoginClient;
use crate::records::{Keyring, slot};
use crate::remote::Remote;
use crate::secret::{DeviceCookie, Password, RootKey};

/// An account, logged in to.
pub struct LoggedIn {
    /// The account, bound into the slot that opened.
    pub account: AccountId,
    /// The epoch logged in to, bound likewise.
    pub epoch: EpochId,
    /// Its root key.
    pub root: RootKey,
    /// Its newest keyring, by the server's word; marks tell whether it is.
    pub keyring: Keyring,
    /// The same, sealed.
    pub sealed_keyring: api::Keyring,
    /// The root key sealed under the phrase, to be kept on the device.
    pub recovery_slot: api::Slot,
    /// This device's own record, if it has one.
    pub device_record: Option<api::DeviceRecord>,
    /// The session.
    pub grant: Grant,
}

/// Which epoch of an account a password is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// The current one.
    Current,
    /// This one.
    Named(EpochId),
    /// The one that the current one has displaced.
    Previous,
}

impl Into {
    pub(super) const fn named(self) -> Option<EpochId> {
        match self {
            Self::Named(epoch) => Some(epoch),
            Self::Current | Self::Previous => None,
        }
    }
}

/// Logs in to the account's current epoch. `K` is the key stretching function, [`keys::ksf::PasswordKsf`] outside of tests.
pub fn login<K: Ksf>(
    remote: &Remote,
    address: &Address,
    password: &Password,
    device: DeviceId,
    cookie: Option<&DeviceCookie>,
) -> Result<LoggedIn, AccountError> {
    login_into::<K>(remote, address, password, Into::Current, device, cookie)
}

/// Logs in to an epoch. A session of another one than the current one can look, and nothing else.
pub fn login_into<K: Ksf>(
    remote: &Remote,
    address: &Address,
    password: &Password,
    into: Into,
    device: DeviceId,
    cookie: Option<&DeviceCookie>,
) -> Result<LoggedIn, AccountError> {
    let prepared = keys::password::prepare(password)?;
    greet(remote)?;
    let (ke1, client) = LoginClient::<K>::start(&mut OsRng, address, &prepared)?;
    let started = remote.start_login(&LoginStart {
        email: address.as_str().to_owned(),
        ke1: B64(ke1),
        purpose: LoginPurpose::Session,
        epoch: into.named(),
        previous: into == Into::Previous,
        device_cookie: cookie.map(|cookie| cookie.expose().to_owned()),
        registration_request: None,
    })?;
    let finished = client.finish(&mut OsRng, &started.ke2.0)?;
    let answer = remote.finish_login(&LoginFinish {
        ticket: started.ticket,
        ke3: B64(finished.ke3),
        device_id: device,
    })?;

    let of_kind = |kind| answer.slots.iter().find(|slot| slot.kind == kind);
    let password_slot =
        of_kind(SlotKind::Password).ok_or(AccountError::MissingSlot { slot: "password" })?;
    let recovery_slot =
        of_kind(SlotKind::Recovery).ok_or(AccountError::MissingSlot { slot: "recovery" })?.clone();
    slot::check_recovery(&recovery_slot.sealed.0).map_err(AccountError::Damaged)?;
    let root = slot::open(
        &keys::password_slot_key(&finished.export_key),
        answer.account_id,
        answer.epoch,
        password_slot.generation,
        &password_slot.sealed.0,
    )
    .map_err(AccountError::Damaged)?;
    let api::Keyring { version, sealed } = &answer.keyring;
    let keyring = Keyring::open(&root, answer.account_id, answer.epoch, *version, &sealed.0)
        .map_err(AccountError::Damaged)?;
    Ok(LoggedIn {
        account: answer.account_id,
        epoch: answer.epoch,
        root,
        keyring,
        sealed_keyring: answer.keyring,
        recovery_slot,
        device_record: answer.device,
        grant: Grant::parse(answer.session)?,
    })
}

/// A login for one request alone.
pub(super) fn prove<K: Ksf>(
    remote: &Remote,
    address: &Address,
    password: &Password,
    purpose: LoginPurpose,
    into: Into,
    cookie: Option<&DeviceCookie>,
) -> Result<FreshLogin, AccountError> {
    let prepared = keys::password::prepare(password)?;
    let (ke1, login) = LoginClient::<K>::start(&mut OsRng, address, &prepared)?;
    let started = remote.start_login(&LoginStart {
        email: address.as_str().to_owned(),
        ke1: B64(ke1),
        purpose,
        epoch: into.named(),
        previous: into == Into::Previous,
        device_cookie: cookie.map(|cookie| cookie.expose().to_owned()),
        registration_request: None,
    })?;
    let proof = login.finish(&mut OsRng, &started.ke2.0)?;
    Ok(FreshLogin { ticket: started.ticket, ke3: B64(proof.ke3) })
}
