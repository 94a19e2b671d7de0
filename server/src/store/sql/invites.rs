//! The operator's invitations: made, looked at, spent, revoked.

use crate::store::tx::{Tx, values};
use crate::store::{Invite, InviteTag, StoreError};

// Revoked invitations keep their row until they expire, so that a number that an operator has
// just read is not given to another one.
const CREATE: &str = "INSERT INTO invites (id, tag, created_at, expires_at, uses_left) \
    SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4 FROM invites";
const CHECK: &str = "SELECT id FROM invites WHERE tag = $1 AND expires_at > $2 AND uses_left > 0";
const SPEND: &str = "UPDATE invites SET uses_left = uses_left - 1 \
    WHERE tag = $1 AND expires_at > $2 AND uses_left > 0";
const LIST: &str = "SELECT id, created_at, expires_at, uses_left FROM invites \
    WHERE expires_at > $1 AND uses_left > 0 ORDER BY id";
const REVOKE: &str = "UPDATE invites SET uses_left = 0 WHERE id = $1 AND uses_left > 0";

/// Makes an invitation for some registrations.
pub(crate) fn create(
    tx: &mut Tx<'_>,
    tag: &InviteTag,
    now: i64,
    expires_at: i64,
    uses: u32,
) -> Result<(), StoreError> {
    tx.execute(CREATE, values![&tag.0, now, expires_at, i64::from(uses)])?;
    Ok(())
}

/// Refuses an invitation that doesn't hold.
pub(crate) fn check(tx: &mut Tx<'_>, tag: &InviteTag, now: i64) -> Result<(), StoreError> {
    tx.row(CHECK, values![&tag.0, now], |_| Ok(()))?.ok_or(StoreError::InviteRefused)
}

/// Takes one use of an invitation.
pub(crate) fn spend(tx: &mut Tx<'_>, tag: &InviteTag, now: i64) -> Result<(), StoreError> {
    match tx.execute(SPEND, values![&tag.0, now])? {
        0 => Err(StoreError::InviteRefused),
        _ => Ok(()),
    }
}

/// The invitations that hold.
pub(crate) fn list(tx: &mut Tx<'_>, now: i64) -> Result<Vec<Invite>, StoreError> {
    tx.rows(LIST, values![now], |row| {
        Ok(Invite {
            id: row.at(0)?,
            created_at: row.at(1)?,
            expires_at: row.at(2)?,
            uses_left: row.at(3)?,
        })
    })
}

/// Revokes an invitation; false when none with this number holds.
pub(crate) fn revoke(tx: &mut Tx<'_>, id: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(REVOKE, values![id])? == 1)
}
