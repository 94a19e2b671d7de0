//! Another address for an account, with the record that has it in it; and, for some days, the way
//! back by a code that was mailed to the former one.

use keybackup_protocol::{AccountId, EpochId};

use super::attempts::{self, Acceptance};
use super::{codes, epochs, outbox, passwords, sessions, starts};
use crate::store::tx::{Tx, values};
use crate::store::{
    AddressChange, AddressTag, AddressUndo, CodePurpose, ProvenLogin, StoreError, StoreLimits,
    UNDO_ADDRESS_TTL_S,
};

const IS_ADDRESS: &str = "SELECT id FROM accounts WHERE id = $1 AND address = $2";
const MOVE: &str = "UPDATE accounts SET address = $1, sealed_address = $2 WHERE id = $3";
const HOLDER: &str =
    "SELECT account_id FROM former_addresses WHERE address = $1 AND expires_at > $2";
const KEPT: &str = "SELECT COUNT(*), COALESCE(MIN(expires_at), 0) FROM former_addresses \
    WHERE account_id = $1 AND expires_at > $2";
const KEEP: &str = "INSERT INTO former_addresses (address, account_id, sealed_address, position, \
    epoch_id, suite, setup_id, generation, record, record_at, slot, expires_at) \
    SELECT a.address, a.id, a.sealed_address, \
    (SELECT COALESCE(MAX(f.position), 0) + 1 FROM former_addresses f WHERE f.account_id = a.id), \
    c.epoch_id, c.suite, c.setup_id, c.generation, c.record, c.created_at, s.sealed, $1 \
    FROM accounts a JOIN credentials c \
    ON c.account_id = a.id AND c.epoch_id = a.current_epoch AND c.kind = 'password' \
    JOIN slots s ON s.account_id = a.id AND s.epoch_id = c.epoch_id AND s.kind = 'password' \
    WHERE a.id = $2";
const KEEP_TIME: &str = "UPDATE credentials SET created_at = \
    (SELECT f.record_at FROM former_addresses f WHERE f.address = $1) \
    WHERE account_id = $2 AND epoch_id = $3 AND kind = 'password'";
const FORMER: &str = "SELECT f.account_id, f.epoch_id, f.position FROM former_addresses f \
    JOIN accounts a ON a.id = f.account_id AND a.disabled_at IS NULL \
    WHERE f.address = $1 AND f.expires_at > $2";
const MOVE_BACK: &str = "UPDATE accounts SET address = f.address, \
    sealed_address = f.sealed_address FROM former_addresses f \
    WHERE f.address = $1 AND accounts.id = f.account_id";
const RESTORE_RECORD: &str = "UPDATE credentials SET suite = f.suite, setup_id = f.setup_id, \
    generation = f.generation, record = f.record, created_at = f.record_at \
    FROM former_addresses f WHERE f.address = $1 AND credentials.account_id = f.account_id \
    AND credentials.epoch_id = f.epoch_id AND credentials.kind = 'password'";
const RESTORE_SLOT: &str = "UPDATE slots SET generation = f.generation, sealed = f.slot \
    FROM former_addresses f WHERE f.address = $1 AND slots.account_id = f.account_id \
    AND slots.epoch_id = f.epoch_id AND slots.kind = 'password'";
const IS_OPEN: &str = "SELECT id FROM epochs \
    WHERE account_id = $1 AND id = $2 AND closed_at IS NULL";
const FORGET: &str = "DELETE FROM former_addresses WHERE account_id = $1 AND position >= $2";
const FORGET_ONE: &str = "DELETE FROM former_addresses WHERE address = $1";

const OPEN_UNTIL: &str = "SELECT MAX(expires_at) FROM former_addresses \
    WHERE account_id = $1 AND expires_at > $2";
const PROLONG: &str = "UPDATE former_addresses SET expires_at = $1 WHERE account_id = $2";
const PROLONG_CODES: &str = "UPDATE codes SET expires_at = $1 WHERE purpose = 'undo address' \
    AND address IN (SELECT address FROM former_addresses WHERE account_id = $2)";
// What was finished at its addresses would be answered again, with a session.
const FORGET_FINISHED: &str = "DELETE FROM attempts WHERE finished_at IS NOT NULL AND address IN \
    (SELECT address FROM accounts WHERE id = $1 \
    UNION ALL SELECT address FROM former_addresses WHERE account_id = $1)";

/// Former addresses that an account has at most.
const MOST_FORMER: u64 = 5;

/// Whether an address is somebody's, or may become so again; `holder` may take back its own.
pub(crate) fn is_taken(
    tx: &mut Tx<'_>,
    address: AddressTag,
    holder: Option<AccountId>,
    now: i64,
) -> Result<bool, StoreError> {
    let former = tx.row(HOLDER, values![&address.0, now], |row| row.at::<AccountId>(0))?;
    Ok(attempts::account_of(tx, address)?.is_some() || former.is_some_and(|of| Some(of) != holder))
}

/// Moves an account to another address; or does nothing, when this very change was made before.
pub(crate) fn change(tx: &mut Tx<'_>, change: &AddressChange) -> Result<(), StoreError> {
    let ProvenLogin { account, epoch, generation, .. } = change.login;
    let now = change.now;
    passwords::check(&change.record, &change.slot, generation)?;
    sessions::require(tx, change.session, now)?;
    epochs::require_current(tx, account, epoch)?;
    if attempts::accept(tx, &change.login, now)? == Acceptance::Repeated {
        return Ok(());
    }
    attempts::registration(tx, &change.attempt, now)?
        .filter(|attempt| attempt.address == change.address.0 && attempt.digest.is_none())
        .ok_or(StoreError::AttemptRefused)?;
    attempts::finish_registration(tx, &change.attempt, &change.login.digest, now)?;
    tx.row(IS_ADDRESS, values![&account, &change.former.0], |_| Ok(()))?
        .ok_or(StoreError::Invalid("the account has another address"))?;
    if epochs::displaced_personas(tx, account)? > 0 {
        return Err(StoreError::AddressHeld);
    }
    if is_taken(tx, change.address, Some(account), now)? {
        return Err(StoreError::Taken);
    }
    refuse_too_many(tx, account, now)?;

    outbox::add_for_account(tx, account, &change.mail_to_former, now)?;
    for address in [change.address, change.former] {
        // Its own of before, or somebody's whose time is over.
        tx.execute(FORGET_ONE, values![&address.0])?;
    }
    let until = now + UNDO_ADDRESS_TTL_S;
    tx.execute(KEEP, values![until, &account])?;
    codes::put(tx, change.former, CodePurpose::UndoAddress, &change.undo, now, until)?;
    tx.execute(MOVE, values![&change.address.0, change.sealed_address.as_slice(), &account])?;
    passwords::replace(tx, account, epoch, change.setup_id, &change.record, &change.slot, now)?;
    // It is the same password.
    tx.execute(KEEP_TIME, values![&change.former.0, &account, &epoch])?;
    if let Some(code) = &change.confirmation {
        codes::forget(tx, change.address, CodePurpose::Confirm, code)?;
    }
    sessions::revoke_others(tx, account, change.session)?;
    outbox::add_for_account(tx, account, &change.mail, now)
}

fn refuse_too_many(tx: &mut Tx<'_>, account: AccountId, now: i64) -> Result<(), StoreError> {
    let (kept, first) = tx
        .row(KEPT, values![&account, now], |row| Ok((row.at::<u64>(0)?, row.at::<i64>(1)?)))?
        .unwrap_or_default();
    if kept < MOST_FORMER {
        return Ok(());
    }
    Err(StoreError::TooMany { retry_after_s: u64::try_from(first - now).unwrap_or(0).max(1) })
}

/// Refuses what an undoing could not bring back: who has changed the address may not be the owner.
pub(crate) fn refuse_while_undoable(
    tx: &mut Tx<'_>,
    account: AccountId,
    now: i64,
) -> Result<(), StoreError> {
    let until = tx.row(OPEN_UNTIL, values![&account, now], |row| row.at::<Option<i64>>(0))?;
    match until.flatten() {
        None => Ok(()),
        Some(until) => {
            Err(StoreError::UndoOpen { retry_after_s: u64::try_from(until - now).unwrap_or(1) })
        }
    }
}

/// Has the days of an account's ways back begin anew: while it was disabled nobody could go them.
pub(crate) fn prolong(tx: &mut Tx<'_>, account: AccountId, now: i64) -> Result<(), StoreError> {
    for sql in [PROLONG, PROLONG_CODES] {
        tx.execute(sql, values![now + UNDO_ADDRESS_TTL_S, &account])?;
    }
    Ok(())
}

/// Moves an account back to a former address, and forgets the addresses that came after that one.
/// The code holds on, so that who repeats it is told that it is done.
pub(crate) fn undo(
    tx: &mut Tx<'_>,
    undo: &AddressUndo,
    limits: &StoreLimits,
) -> Result<bool, StoreError> {
    let (address, now) = (undo.address, undo.now);
    starts::count(tx, &undo.network.0, now, limits)?;
    if !codes::check(tx, address, CodePurpose::UndoAddress, &undo.code, now)? {
        return Err(StoreError::CodeRefused);
    }
    let former = tx.row(FORMER, values![&address.0, now], |row| {
        Ok((row.at::<AccountId>(0)?, row.at::<EpochId>(1)?, row.at::<i64>(2)?))
    })?;
    let Some((account, epoch, position)) = former else {
        let has_it = attempts::enabled_account_of(tx, address)?.is_some();
        return if has_it { Ok(false) } else { Err(StoreError::CodeRefused) };
    };
    outbox::add_for_account(tx, account, &undo.mail, now)?;
    tx.execute(FORGET_FINISHED, values![&account])?;
    tx.execute(MOVE_BACK, values![&address.0])?;
    // Closed by the operator alone: see [`refuse_while_undoable`].
    if tx.row(IS_OPEN, values![&account, &epoch], |_| Ok(()))?.is_some() {
        tx.execute(RESTORE_RECORD, values![&address.0])?;
        tx.execute(RESTORE_SLOT, values![&address.0])?;
        let current = epochs::current(tx, account)?;
        if current != epoch && epochs::chain(tx, account)?.contains(&epoch) {
            epochs::go_back(tx, account, epoch, current, now)?;
        }
    }
    tx.execute(FORGET, values![&account, position])?;
    sessions::revoke_all(tx, account)?;
    outbox::add_for_account(tx, account, &undo.mail_to_former, now)?;
    Ok(true)
}
