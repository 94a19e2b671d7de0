//! Another password: the old one is proven by a login made for this alone, and record and slot of
//! the new one go to the server in one request. The root key stays what it was.

use keybackup_protocol::api::{
    FreshLogin, LoginPurpose, LoginStart, PasswordChange, Slot, SlotKind,
};
use keybackup_protocol::limits::MAX_ORDINAL;
use keybackup_protocol::{AccountId, Address, B64, EpochId};
use opaque_ke::ksf::Ksf;
use rand08::rngs::OsRng;

use super::{AccountError, greet, see_through};
use crate::keys;
use crate::keys::opaque::{LoginClient, RegistrationClient};
use crate::records::slot;
use crate::remote::Remote;
use crate::secret::{DeviceCookie, Password, RootKey};

/// Whose password it is: an open account.
pub struct Owner<'a> {
    /// The account's address.
    pub address: &'a Address,
    /// The account.
    pub account: AccountId,
    /// The epoch whose slot the password opens.
    pub epoch: EpochId,
    /// Its root key, which the new slot seals.
    pub root: &'a RootKey,
    /// Tells this device from strangers.
    pub cookie: Option<&'a DeviceCookie>,
}

/// Changes the password, in the session of `remote`, which stays while all others end. Until the
/// server says so the old password holds; after a lost answer the same is asked again.
///
/// `K` is the key stretching function, [`keys::ksf::PasswordKsf`] outside of tests.
pub fn change_password<K: Ksf>(
    remote: &Remote,
    owner: &Owner<'_>,
    old: &Password,
    new: &Password,
) -> Result<(), AccountError> {
    let (old, new) = (keys::password::prepare(old)?, keys::password::prepare(new)?);
    greet(remote)?;
    let facts = remote.account()?;
    let generation = facts.password.generation;
    let ours = (facts.account_id, facts.epoch) == (owner.account, owner.epoch);
    if !ours || !(1..MAX_ORDINAL).contains(&generation) {
        return Err(AccountError::BadAnswer);
    }

    let (ke1, login) = LoginClient::<K>::start(&mut OsRng, owner.address, &old)?;
    let (request, registration) = RegistrationClient::<K>::start(&mut OsRng, owner.address, &new)?;
    let started = remote.start_login(&LoginStart {
        email: owner.address.as_str().to_owned(),
        ke1: B64(ke1),
        purpose: LoginPurpose::ChangePassword,
        epoch: None,
        previous: false,
        device_cookie: owner.cookie.map(|cookie| cookie.expose().to_owned()),
        registration_request: Some(B64(request)),
    })?;
    let response = started.registration_response.ok_or(AccountError::BadAnswer)?;
    // In this order: nothing of the new password is stretched for a server that is another.
    let proof = login.finish(&mut OsRng, &started.ke2.0)?;
    let (record, export_key) = registration.finish(&mut OsRng, &response.0)?;

    let generation = generation + 1;
    let key = keys::password_slot_key(&export_key);
    let sealed = slot::seal(&mut OsRng, &key, owner.account, owner.epoch, generation, owner.root)
        .map_err(AccountError::Seal)?;
    let change = PasswordChange {
        login: FreshLogin { ticket: started.ticket, ke3: B64(proof.ke3) },
        record: B64(record),
        slot: Slot { kind: SlotKind::Password, generation, sealed: B64(sealed) },
    };
    see_through(|| remote.change_password(&change), AccountError::PasswordInDoubt)?;
    Ok(())
}
