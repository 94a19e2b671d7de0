//! Passwords: the OPAQUE record and the slot of an epoch, replaced together.

use keybackup_protocol::api::SlotKind;
use keybackup_protocol::limits::{MAX_ORDINAL, MAX_SLOT_BYTES};
use keybackup_protocol::suite::{RECORD_LEN, SUITE};
use keybackup_protocol::{AccountId, EpochId};

use super::attempts::{self, Accepted};
use super::{outbox, sessions};
use crate::store::tx::{Tx, count, values};
use crate::store::{PasswordChange, StoreError};

const IS_CURRENT: &str = "SELECT id FROM accounts WHERE id = $1 AND current_epoch = $2";
const REPLACE_RECORD: &str = "UPDATE credentials SET record = $1, setup_id = $2, suite = $3, \
    generation = $4, created_at = $5 \
    WHERE account_id = $6 AND epoch_id = $7 AND kind = 'password' AND generation = $4 - 1";
const REPLACE_SLOT: &str = "UPDATE slots SET sealed = $1, generation = $2 \
    WHERE account_id = $3 AND epoch_id = $4 AND kind = 'password' AND generation = $2 - 1";

/// Replaces record and slot, and ends the other sessions; or does nothing, when this very change
/// was made before.
pub(crate) fn change(tx: &mut Tx<'_>, change: &PasswordChange) -> Result<(), StoreError> {
    check(change)?;
    sessions::require(tx, change.session, change.now)?;
    let (account, epoch) = (change.account, change.epoch);
    require_current(tx, account, epoch)?;
    let login = Accepted {
        attempt: &change.attempt,
        account,
        epoch,
        generation: change.generation,
        digest: Some(&change.digest),
        now: change.now,
    };
    if attempts::was_finished_so(tx, &login)? {
        return Ok(());
    }
    attempts::finish_login(tx, &login)?;
    let generation = count(change.slot.generation)?;
    let record = values![
        &change.record,
        i64::from(change.setup_id),
        i64::from(SUITE),
        generation,
        change.now,
        &account,
        &epoch
    ];
    let slot = values![&change.slot.sealed, generation, &account, &epoch];
    if tx.execute(REPLACE_RECORD, record)? != 1 || tx.execute(REPLACE_SLOT, slot)? != 1 {
        return Err(StoreError::Conflict);
    }
    sessions::revoke_others(tx, account, change.session)?;
    outbox::add_for_account(tx, account, &change.mail, change.now)
}

/// Refuses what belongs to an epoch that is no longer the account's current one.
fn require_current(tx: &mut Tx<'_>, account: AccountId, epoch: EpochId) -> Result<(), StoreError> {
    tx.row(IS_CURRENT, values![&account, &epoch], |_| Ok(()))?.ok_or(StoreError::Stale)
}

fn check(change: &PasswordChange) -> Result<(), StoreError> {
    let holds = |truth, what| if truth { Ok(()) } else { Err(StoreError::Invalid(what)) };
    holds(change.record.0.len() == RECORD_LEN, "the record has another length")?;
    holds(change.slot.kind == SlotKind::Password, "the slot is none of a password")?;
    holds(
        change.slot.generation == change.generation + 1 && change.slot.generation <= MAX_ORDINAL,
        "the slot's generation is not the next one",
    )?;
    let bytes = change.slot.sealed.0.len();
    holds((1..=MAX_SLOT_BYTES).contains(&bytes), "the slot is empty or too large")
}
