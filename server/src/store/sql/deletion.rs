//! The end of an account: its current epoch is closed, and its address is free unless something
//! is locked. What is closed is purged later, see [`super::purge`].

use keybackup_protocol::{AccountId, EpochId};
use rand08::RngCore as _;
use rand08::rngs::OsRng;

use super::retention::KEEP_S;
use super::{addresses, attempts, epochs, outbox, sessions};
use crate::store::tx::{RowsError, Tx, values};
use crate::store::{AccountDeletion, Deleted, ProvenLogin, QueuedMail, StoreError};

const CURRENT: &str = "SELECT current_epoch FROM accounts WHERE id = $1";
const IS_OPEN: &str = "SELECT id FROM epochs \
    WHERE account_id = $1 AND id = $2 AND closed_at IS NULL";
const CLOSE: &str = "UPDATE epochs SET closed_at = $1, purge_at = $2 \
    WHERE account_id = $3 AND id = $4 AND closed_at IS NULL";
const CLOSE_ALL: &str = "UPDATE epochs SET closed_at = COALESCE(closed_at, $1), \
    purge_at = COALESCE(purge_at, $2) WHERE account_id = $3";
const PURGE_NOW: &str = "UPDATE epochs SET closed_at = COALESCE(closed_at, $1), purge_at = $1 \
    WHERE account_id = $2";
const CODES: &str =
    "DELETE FROM codes WHERE address = (SELECT address FROM accounts WHERE id = $1)";
const FORMER_CODES: &str = "DELETE FROM codes WHERE purpose = 'undo address' \
    AND address IN (SELECT address FROM former_addresses WHERE account_id = $1)";
const FORMER: &str = "DELETE FROM former_addresses WHERE account_id = $1";
const FREE_ADDRESS: &str = "UPDATE accounts SET address = $1, sealed_address = $2 \
    WHERE id = $3 AND sealed_address <> $2";
const SESSION_PERSONAS: &str = "DELETE FROM session_personas \
    WHERE session_id IN (SELECT id FROM sessions WHERE account_id = $1)";
const SESSIONS: &str = "DELETE FROM sessions WHERE account_id = $1";
const INVITATIONS: &str = "DELETE FROM device_invitations WHERE account_id = $1";
const PURGE_AT: &str =
    "SELECT COALESCE(purge_at, closed_at) FROM epochs WHERE account_id = $1 AND id = $2";

/// Deletes an account for its owner; or tells what became of it, when this very request has.
pub(crate) fn delete(tx: &mut Tx<'_>, deletion: &AccountDeletion) -> Result<Deleted, StoreError> {
    let (login, now) = (&deletion.login, deletion.now);
    let ProvenLogin { account, epoch, .. } = *login;
    // Before the session: it has ended by then.
    if attempts::was_accepted(tx, login, now)? {
        return deleted(tx, account, epoch);
    }
    sessions::require(tx, deletion.session.ok_or(StoreError::SessionEnded)?, now)?;
    if tx.row(CURRENT, values![&account], |row| row.at::<EpochId>(0))? != Some(epoch) {
        return Err(StoreError::Stale);
    }
    attempts::accept(tx, login, now)?;
    addresses::refuse_while_undoable(tx, account, now)?;
    close(tx, account, &deletion.mail, now)
}

/// Deletes an account as its owner would. One that is deleted stays as it is.
pub(crate) fn close(
    tx: &mut Tx<'_>,
    account: AccountId,
    mail: &QueuedMail,
    now: i64,
) -> Result<Deleted, StoreError> {
    let current =
        tx.row(CURRENT, values![&account], |row| row.at::<EpochId>(0))?.ok_or(StoreError::Gone)?;
    if tx.row(IS_OPEN, values![&account, &current], |_| Ok(()))?.is_none() {
        return deleted(tx, account, current);
    }
    // While the account has its address.
    outbox::add_for_account(tx, account, mail, now)?;
    if epochs::locked_personas(tx, account, current)? > 0 {
        tx.execute(CLOSE, values![now, now + KEEP_S, &account, &current])?;
    } else {
        free_address(tx, account)?;
        tx.execute(CLOSE_ALL, values![now, now + KEEP_S, &account])?;
    }
    end_access(tx, account)?;
    deleted(tx, account, current)
}

/// Deletes an account and what is locked in it, and leaves nothing for later.
pub(crate) fn close_for_good(
    tx: &mut Tx<'_>,
    account: AccountId,
    mail: &QueuedMail,
    now: i64,
) -> Result<(), StoreError> {
    // While the account has its address; without one the mail is to nobody.
    outbox::add_for_account(tx, account, mail, now)?;
    free_address(tx, account)?;
    end_access(tx, account)?;
    match tx.execute(PURGE_NOW, values![now, &account])? {
        0 => Err(StoreError::Gone),
        _ => Ok(()),
    }
}

/// Whoever registers the address next shares nothing with this account, nor do codes mailed to it.
fn free_address(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StoreError> {
    let mut random = [0; 32];
    OsRng.try_fill_bytes(&mut random).map_err(|_| StoreError::from(RowsError::Random))?;
    let nothing: &[u8] = &[];
    for sql in [FORMER_CODES, FORMER, CODES] {
        tx.execute(sql, values![&account])?;
    }
    tx.execute(FREE_ADDRESS, values![&random, nothing, &account])?;
    Ok(())
}

fn end_access(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StoreError> {
    for sql in [SESSION_PERSONAS, SESSIONS, INVITATIONS] {
        tx.execute(sql, values![&account])?;
    }
    Ok(())
}

fn deleted(tx: &mut Tx<'_>, account: AccountId, epoch: EpochId) -> Result<Deleted, StoreError> {
    let purge_at = tx.row(PURGE_AT, values![&account, &epoch], |row| row.at(0))?.flatten();
    let held_until = purge_at.ok_or(StoreError::Gone)?;
    Ok(Deleted { held_until, locked_personas: epochs::locked_personas(tx, account, epoch)? })
}
