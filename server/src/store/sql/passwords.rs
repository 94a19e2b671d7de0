//! Passwords: the OPAQUE record and the slot of an epoch, replaced together.

use keybackup_protocol::api::{Slot, SlotKind};
use keybackup_protocol::limits::{MAX_ORDINAL, MAX_SLOT_BYTES};
use keybackup_protocol::suite::{RECORD_LEN, SUITE};
use keybackup_protocol::{AccountId, B64, EpochId};

use super::attempts::{self, Acceptance};
use super::{epochs, outbox, sessions};
use crate::store::tx::{Tx, count, values};
use crate::store::{PasswordChange, ProvenLogin, StoreError};

const REPLACE_RECORD: &str = "UPDATE credentials SET record = $1, setup_id = $2, suite = $3, \
    generation = $4, created_at = $5 \
    WHERE account_id = $6 AND epoch_id = $7 AND kind = 'password' AND generation = $4 - 1";
const REPLACE_SLOT: &str = "UPDATE slots SET sealed = $1, generation = $2 \
    WHERE account_id = $3 AND epoch_id = $4 AND kind = 'password' AND generation = $2 - 1";

/// Replaces record and slot, and ends the other sessions; or does nothing, when this very change
/// was made before.
pub(crate) fn change(tx: &mut Tx<'_>, change: &PasswordChange) -> Result<(), StoreError> {
    let ProvenLogin { account, epoch, generation, .. } = change.login;
    check(&change.record, &change.slot, generation)?;
    sessions::require(tx, change.session, change.now)?;
    epochs::require_current(tx, account, epoch)?;
    if attempts::accept(tx, &change.login, change.now)? == Acceptance::Repeated {
        return Ok(());
    }
    replace(tx, account, epoch, change.setup_id, &change.record, &change.slot, change.now)?;
    sessions::revoke_others(tx, account, change.session)?;
    outbox::add_for_account(tx, account, &change.mail, change.now)
}

/// Replaces record and slot of an epoch together.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    setup_id: u32,
    record: &B64,
    slot: &Slot,
    now: i64,
) -> Result<(), StoreError> {
    let generation = count(slot.generation)?;
    let (setup, suite) = (i64::from(setup_id), i64::from(SUITE));
    let record = values![record, setup, suite, generation, now, &account, &epoch];
    let slot = values![&slot.sealed, generation, &account, &epoch];
    if tx.execute(REPLACE_RECORD, record)? != 1 || tx.execute(REPLACE_SLOT, slot)? != 1 {
        return Err(StoreError::Conflict);
    }
    Ok(())
}

/// Refuses what can't follow the password of a generation.
pub(crate) fn check(record: &B64, slot: &Slot, generation: u64) -> Result<(), StoreError> {
    let holds = |truth, what| if truth { Ok(()) } else { Err(StoreError::Invalid(what)) };
    holds(record.0.len() == RECORD_LEN, "the record has another length")?;
    holds(slot.kind == SlotKind::Password, "the slot is none of a password")?;
    holds(
        slot.generation == generation + 1 && slot.generation <= MAX_ORDINAL,
        "the slot's generation is not the next one",
    )?;
    let bytes = slot.sealed.0.len();
    holds((1..=MAX_SLOT_BYTES).contains(&bytes), "the slot is empty or too large")
}
