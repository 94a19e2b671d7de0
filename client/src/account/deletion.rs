//! The end of an account: asked for in its session, with the password proven by a login made for
//! this alone.

use keybackup_protocol::api::{AccountDeleted, AccountDeletion, LoginPurpose};
use opaque_ke::ksf::Ksf;

use super::login::prove;
use super::{AccountError, Into, Owner, greet, see_through};
use crate::remote::Remote;
use crate::secret::Password;

/// Deletes the account, in the session of `remote`, which ends with all others. After a lost answer
/// the same is asked again.
///
/// `K` is the key stretching function, [`crate::keys::ksf::PasswordKsf`] outside of tests.
pub fn delete_account<K: Ksf>(
    remote: &Remote,
    owner: &Owner<'_>,
    password: &Password,
) -> Result<AccountDeleted, AccountError> {
    greet(remote)?;
    let facts = remote.account()?;
    if (facts.account_id, facts.epoch) != (owner.account, owner.epoch) {
        return Err(AccountError::BadAnswer);
    }
    let purpose = LoginPurpose::DeleteAccount;
    let login = prove::<K>(remote, owner.address, password, purpose, Into::Current, owner.cookie)?;
    let deletion = AccountDeletion { login };
    see_through(|| remote.delete_account(&deletion), AccountError::DeletionInDoubt)
}
