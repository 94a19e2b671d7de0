//! Another address for the account. The address is mixed into the password's record, so record and
//! slot are made anew under it, from the same password and for the same root key; and the way back
//! by a code that the former address is mailed.

use keybackup_protocol::api::{
    AddressChange, AddressChangeStart, AddressUndo, LoginPurpose, Slot, SlotKind,
};
use keybackup_protocol::limits::MAX_ORDINAL;
use keybackup_protocol::suite::SUITE;
use keybackup_protocol::{Address, B64};
use opaque_ke::ksf::Ksf;
use rand08::rngs::OsRng;

use super::login::prove;
use super::{AccountError, Into, Owner, greet, see_through};
use crate::keys;
use crate::keys::opaque::RegistrationClient;
use crate::records::slot;
use crate::remote::Remote;
use crate::secret::Password;

/// Changes the address, in the session of `remote`, which stays while all others end. Until the
/// server says so the old one holds; after a lost answer the same is asked again. `confirmation` is
/// the code mailed to the new address, where the server asks for one.
///
/// `K` is the key stretching function, [`keys::ksf::PasswordKsf`] outside of tests.
pub fn change_address<K: Ksf>(
    remote: &Remote,
    owner: &Owner<'_>,
    password: &Password,
    address: &Address,
    confirmation: Option<&str>,
) -> Result<(), AccountError> {
    let prepared = keys::password::prepare(password)?;
    greet(remote)?;
    let facts = remote.account()?;
    let generation = facts.password.generation;
    let ours = (facts.account_id, facts.epoch) == (owner.account, owner.epoch);
    if !ours || !(1..MAX_ORDINAL).contains(&generation) {
        return Err(AccountError::BadAnswer);
    }
    let (request, registration) = RegistrationClient::<K>::start(&mut OsRng, address, &prepared)?;
    let started = remote.start_address_change(&AddressChangeStart {
        new_email: address.as_str().to_owned(),
        suite: SUITE,
        registration_request: B64(request),
        confirmation: confirmation.map(str::to_owned),
    })?;
    // In this order: the login proves the server, before anything is stretched for another one.
    let purpose = LoginPurpose::ChangeAddress;
    let login = prove::<K>(remote, owner.address, password, purpose, Into::Current, owner.cookie)?;
    let (record, export_key) = registration.finish(&mut OsRng, &started.registration_response.0)?;

    let generation = generation + 1;
    let key = keys::password_slot_key(&export_key);
    let sealed = slot::seal(&mut OsRng, &key, owner.account, owner.epoch, generation, owner.root)
        .map_err(AccountError::Seal)?;
    let change = AddressChange {
        ticket: started.ticket,
        email: owner.address.as_str().to_owned(),
        login,
        record: B64(record),
        slot: Slot { kind: SlotKind::Password, generation, sealed: B64(sealed) },
    };
    see_through(|| remote.change_address(&change), AccountError::AddressInDoubt)?;
    Ok(())
}

/// Gives the account a former address back. False when it had it already.
pub fn undo_address(remote: &Remote, former: &Address, code: &str) -> Result<bool, AccountError> {
    greet(remote)?;
    let undo = AddressUndo { email: former.as_str().to_owned(), code: code.to_owned() };
    let done = see_through(|| remote.undo_address(&undo), AccountError::UndoInDoubt)?;
    Ok(done.changed)
}
