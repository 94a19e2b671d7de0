//! Bytes that go at once: asked for in the session, with the password proven by a login made for this
//! alone.

use keybackup_protocol::PersonaId;
use keybackup_protocol::api::{LoginPurpose, Purge};
use opaque_ke::ksf::Ksf;

use super::login::prove;
use super::{AccountError, Into, Owner, greet, see_through};
use crate::remote::Remote;
use crate::secret::Password;

/// Drops the bytes of a version, or of all versions of a removed persona. False when there were none.
/// After a lost answer the same is asked again.
///
/// `K` is the key stretching function, [`crate::keys::ksf::PasswordKsf`] outside of tests.
pub fn purge<K: Ksf>(
    remote: &Remote,
    owner: &Owner<'_>,
    password: &Password,
    persona: PersonaId,
    version: Option<u64>,
) -> Result<bool, AccountError> {
    greet(remote)?;
    let purpose = LoginPurpose::Purge;
    let login = prove::<K>(remote, owner.address, password, purpose, Into::Current, owner.cookie)?;
    let purge = Purge { login, version };
    let done = see_through(|| remote.purge(&persona, &purge), AccountError::UndoInDoubt)?;
    Ok(done.changed)
}
