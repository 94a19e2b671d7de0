//! Another recovery phrase: slot and verifier of an epoch, replaced together.

use keybackup_protocol::api::SlotKind;
use keybackup_protocol::limits::{MAX_ORDINAL, MAX_SLOT_BYTES};

use super::attempts::{self, Acceptance};
use super::{addresses, epochs, outbox, sessions};
use crate::store::tx::{Tx, count, values};
use crate::store::{ProvenLogin, RecoveryRotation, StoreError};

const REPLACE_SLOT: &str = "UPDATE slots SET sealed = $1, generation = $2 \
    WHERE account_id = $3 AND epoch_id = $4 AND kind = 'recovery' AND generation = $2 - 1";
const REPLACE_VERIFIER: &str =
    "UPDATE epochs SET phrase_verifier = $1 WHERE account_id = $2 AND id = $3";

/// Replaces them; or does nothing, when this very rotation was made before.
pub(crate) fn rotate(tx: &mut Tx<'_>, rotation: &RecoveryRotation) -> Result<(), StoreError> {
    check(rotation)?;
    sessions::require(tx, rotation.session, rotation.now)?;
    let ProvenLogin { account, epoch, .. } = rotation.login;
    epochs::require_current(tx, account, epoch)?;
    if attempts::accept(tx, &rotation.login, rotation.now)? == Acceptance::Repeated {
        return Ok(());
    }
    addresses::refuse_while_undoable(tx, account, rotation.now)?;
    let generation = count(rotation.slot.generation)?;
    let slot = values![&rotation.slot.sealed, generation, &account, &epoch];
    let verifier = values![&rotation.phrase_verifier, &account, &epoch];
    if tx.execute(REPLACE_SLOT, slot)? != 1 || tx.execute(REPLACE_VERIFIER, verifier)? != 1 {
        return Err(StoreError::Conflict);
    }
    outbox::add_for_account(tx, account, &rotation.mail, rotation.now)
}

fn check(rotation: &RecoveryRotation) -> Result<(), StoreError> {
    let holds = |truth, what| if truth { Ok(()) } else { Err(StoreError::Invalid(what)) };
    let slot = &rotation.slot;
    holds(slot.kind == SlotKind::Recovery, "the slot is none of a phrase")?;
    holds((2..=MAX_ORDINAL).contains(&slot.generation), "the slot's generation is not a next one")?;
    holds((1..=MAX_SLOT_BYTES).contains(&slot.sealed.0.len()), "the slot is empty or too large")?;
    holds(rotation.phrase_verifier.0.len() == 32, "the phrase verifier has another length")
}
