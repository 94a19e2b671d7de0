//! The end of an account: asked for in its session, with the password proven by a login made for
//! this alone.

use keybackup_protocol::B64;
use keybackup_protocol::api::{
    AccountDeleted, AccountDeletion, FreshLogin, LoginPurpose, LoginStart,
};
use opaque_ke::ksf::Ksf;
use rand08::rngs::OsRng;

use super::{AccountError, Owner, greet, see_through};
use crate::keys;
use crate::keys::opaque::LoginClient;
use crate::remote::Remote;
use crate::secret::Password;

/// Deletes the account, in the session of `remote`, which ends with all others. After a lost answer
/// the same is asked again.
///
/// `K` is the key stretching function, [`keys::ksf::PasswordKsf`] outside of tests.
pub fn delete_account<K: Ksf>(
    remote: &Remote,
    owner: &Owner<'_>,
    password: &Password,
) -> Result<AccountDeleted, AccountError> {
    let password = keys::password::prepare(password)?;
    greet(remote)?;
    let facts = remote.account()?;
    if (facts.account_id, facts.epoch) != (owner.account, owner.epoch) {
        return Err(AccountError::BadAnswer);
    }
    let (ke1, login) = LoginClient::<K>::start(&mut OsRng, owner.address, &password)?;
    let start = LoginStart {
        email: owner.address.as_str().to_owned(),
        ke1: B64(ke1),
        purpose: LoginPurpose::DeleteAccount,
        epoch: None,
        previous: false,
        device_cookie: owner.cookie.map(|cookie| cookie.expose().to_owned()),
        registration_request: None,
    };
    let started = remote.start_login(&start)?;
    let proof = login.finish(&mut OsRng, &started.ke2.0)?;
    let login = FreshLogin { ticket: started.ticket, ke3: B64(proof.ke3) };
    let deletion = AccountDeletion { login };
    see_through(|| remote.delete_account(&deletion), AccountError::DeletionInDoubt)
}
