//! Sessions: opened by logins and registrations, found by the hash of their token.

use keybackup_protocol::api::ListedSession;
use keybackup_protocol::{AccountId, DeviceId, EpochId, SessionId};
use rand08::RngCore;
use rand08::rngs::OsRng;

use crate::store::tx::{RowsError, Tx, values};
use crate::store::{NewSession, Session, StoreError, TokenHash};

/// How old the noted last use may be before it is written again.
const LAST_USE_STEP_S: i64 = 60;

/// Most sessions of one device: each login opens one, and a device needs one or a few.
const MAX_SESSIONS: i64 = 8;

const OPEN: &str = "INSERT INTO sessions (id, token_hash, account_id, epoch_id, device_id, \
    attempt, kind, scope, once, created_at, last_used_at, idle_ttl_s, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, 'session', 'full', 0, $7, $7, $8, $9)";
const BEYOND: &str = "DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s \
    WHERE s.account_id = $1 AND s.device_id = $2 AND s.kind = 'session' \
    ORDER BY s.created_at DESC, s.last_used_at DESC, s.id LIMIT $3 OFFSET $4)";
const END_ATTEMPT: &str = "DELETE FROM sessions \
    WHERE account_id = $1 AND device_id = $2 AND attempt = $3 AND kind = 'session'";
const FIND: &str = "SELECT s.id, s.account_id, s.epoch_id, s.device_id, a.current_epoch, \
    e.keyring_version, s.last_used_at \
    FROM sessions s JOIN accounts a ON a.id = s.account_id AND a.disabled_at IS NULL \
    JOIN epochs e ON e.account_id = s.account_id AND e.id = s.epoch_id \
    WHERE s.token_hash = $1 AND s.kind = 'session' \
    AND s.expires_at > $2 AND s.last_used_at + s.idle_ttl_s > $2";
const HOLDS: &str = "SELECT id FROM sessions \
    WHERE id = $1 AND expires_at > $2 AND last_used_at + idle_ttl_s > $2";
const TOUCH: &str = "UPDATE sessions SET last_used_at = $1 WHERE id = $2 AND last_used_at <= $3";
const END: &str = "DELETE FROM sessions WHERE id = $1";
const LIST: &str = "SELECT id, device_id, epoch_id, created_at, last_used_at, expires_at, \
    idle_ttl_s FROM sessions WHERE account_id = $1 AND kind = 'session' \
    AND expires_at > $2 AND last_used_at + idle_ttl_s > $2 ORDER BY created_at DESC, id LIMIT $3";
const REVOKE: &str = "DELETE FROM sessions \
    WHERE account_id = $1 AND id = $2 AND kind = 'session'";
const REVOKE_OTHERS: &str = "DELETE FROM sessions \
    WHERE account_id = $1 AND id <> $2 AND kind = 'session'";

const REVOKE_ALL: &str = "DELETE FROM sessions WHERE account_id = $1 AND kind = 'session'";
const END_EPOCH: &str =
    "DELETE FROM sessions WHERE account_id = $1 AND epoch_id = $2 AND kind = 'session'";

/// Most sessions that a list has: of each of an account's devices as many as it may have.
const MAX_LISTED: i64 = 100 * MAX_SESSIONS;

/// Opens a session, and ends the oldest of its device beyond a few. Its row number is random, so
/// that none is ever given twice.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    session: &NewSession,
    attempt: &[u8; 16],
    now: i64,
) -> Result<(), StoreError> {
    let beyond = values![&account, &session.device, 100 * MAX_SESSIONS, MAX_SESSIONS - 1];
    tx.execute(BEYOND, beyond)?;
    let mut id = [0; 8];
    OsRng.try_fill_bytes(&mut id).map_err(|_| StoreError::from(RowsError::Random))?;
    let id = i64::from_le_bytes(id) & i64::MAX;
    tx.execute(
        OPEN,
        values![
            id,
            &session.token.0,
            &account,
            &epoch,
            &session.device,
            attempt,
            now,
            session.idle_ttl_s,
            session.expires_at
        ],
    )?;
    Ok(())
}

/// Ends what an attempt has opened for a device.
pub(crate) fn end_of_attempt(
    tx: &mut Tx<'_>,
    account: AccountId,
    device: DeviceId,
    attempt: &[u8; 16],
) -> Result<(), StoreError> {
    tx.execute(END_ATTEMPT, values![&account, &device, attempt])?;
    Ok(())
}

/// The session with a token, if it holds, and whether its last use should be noted again.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    token: &TokenHash,
    now: i64,
) -> Result<Option<(Session, bool)>, StoreError> {
    tx.row(FIND, values![&token.0, now], |row| {
        let session = Session {
            id: row.at(0)?,
            account: row.at(1)?,
            epoch: row.at(2)?,
            device: row.at(3)?,
            current_epoch: row.at(4)?,
            keyring_version: row.at(5)?,
        };
        Ok((session, now - row.at::<i64>(6)? >= LAST_USE_STEP_S))
    })
}

/// Refuses what an ended session asks for: it held when the request came, and a body may come
/// for hours.
pub(crate) fn require(tx: &mut Tx<'_>, id: i64, now: i64) -> Result<(), StoreError> {
    tx.row(HOLDS, values![id, now], |_| Ok(()))?.ok_or(StoreError::SessionEnded)
}

/// Notes the last use, unless another request has.
pub(crate) fn touch(tx: &mut Tx<'_>, id: i64, now: i64) -> Result<(), StoreError> {
    tx.execute(TOUCH, values![now, id, now - LAST_USE_STEP_S])?;
    Ok(())
}

/// The sessions of an account that hold, newest first.
pub(crate) fn list(
    tx: &mut Tx<'_>,
    account: AccountId,
    asking: i64,
    now: i64,
) -> Result<Vec<ListedSession>, StoreError> {
    tx.rows(LIST, values![&account, now, MAX_LISTED], |row| {
        let id: i64 = row.at(0)?;
        Ok(ListedSession {
            id: SessionId::from_bytes(id.to_be_bytes()),
            device_id: row.at(1)?,
            epoch: row.at(2)?,
            created_at: row.at(3)?,
            last_used_at: row.at(4)?,
            expires_at: row.at(5)?,
            idle_ttl_s: row.at(6)?,
            current: id == asking,
        })
    })
}

/// Ends a session of an account; false when there was none.
pub(crate) fn revoke(tx: &mut Tx<'_>, account: AccountId, id: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(REVOKE, values![&account, id])? == 1)
}

/// Ends all sessions of an account but one.
pub(crate) fn revoke_others(
    tx: &mut Tx<'_>,
    account: AccountId,
    kept: i64,
) -> Result<u64, StoreError> {
    Ok(tx.execute(REVOKE_OTHERS, values![&account, kept])? as u64)
}

/// Ends all sessions of an account; returns how many.
pub(crate) fn revoke_all(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, StoreError> {
    Ok(tx.execute(REVOKE_ALL, values![&account])? as u64)
}

/// Ends the sessions of an epoch.
pub(crate) fn end_of_epoch(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
) -> Result<(), StoreError> {
    tx.execute(END_EPOCH, values![&account, &epoch])?;
    Ok(())
}

/// Ends a session; false when there was none.
pub(crate) fn end(tx: &mut Tx<'_>, id: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(END, values![id])? == 1)
}
