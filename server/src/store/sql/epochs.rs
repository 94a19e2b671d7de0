//! The epochs of an account: listed, proven, and made the current one.

use keybackup_protocol::api::{EpochOrigin, ListedEpoch, OpenedEpoch, SlotKind};
use keybackup_protocol::{AccountId, EpochId};
use subtle::ConstantTimeEq as _;

use super::accounts;
use crate::store::tx::{Tx, values};
use crate::store::{EpochVerifier, StoreError};

const LIST: &str = "SELECT e.id, e.origin, e.created_at, a.current_epoch, e.closed_at, e.personas, \
    e.held_bytes, s.generation FROM epochs e JOIN accounts a ON a.id = e.account_id \
    JOIN slots s ON s.account_id = e.account_id AND s.epoch_id = e.id AND s.kind = 'recovery' \
    WHERE e.account_id = $1 ORDER BY e.position";
const VERIFIERS: &str = "SELECT phrase_verifier, root_verifier FROM epochs \
    WHERE account_id = $1 AND id = $2 AND closed_at IS NULL";
const LOCKED: &str = "SELECT CAST(COALESCE(SUM(personas), 0) AS BIGINT) FROM epochs \
    WHERE account_id = $1 AND id <> $2 AND closed_at IS NULL";
const PERSONAS: &str = "SELECT personas FROM epochs \
    WHERE account_id = $1 AND id = $2 AND closed_at IS NULL";
const IS_CURRENT: &str = "SELECT id FROM accounts WHERE id = $1 AND current_epoch = $2";
const CURRENT: &str = "SELECT current_epoch FROM accounts WHERE id = $1";
const MAKE_CURRENT: &str = "UPDATE accounts SET current_epoch = $1 \
    WHERE id = $2 AND current_epoch = $3";
const BAR: &str = "UPDATE accounts SET mail_reset_barred_until = $1 \
    WHERE id = $2 AND mail_reset_barred_until < $1";

const DISPLACED: &str = "SELECT displaced FROM epochs WHERE account_id = $1 AND id = $2";

/// Most epochs that are gone back through. Mail alone makes three a month.
const MAX_CHAIN: usize = 1000;

/// How long resets without phrase are barred once one was undone.
const BARRED_S: i64 = 30 * 24 * 60 * 60;

/// The epochs of an account, in the order in which they came.
pub(crate) fn list(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<ListedEpoch>, StoreError> {
    tx.rows(LIST, values![&account], |row| {
        let id = row.at::<EpochId>(0)?;
        let origin = match row.at::<String>(1)?.as_str() {
            "mail" => EpochOrigin::Mail,
            _ => EpochOrigin::Registration,
        };
        Ok(ListedEpoch {
            id,
            origin,
            created_at: row.at(2)?,
            current: row.at::<EpochId>(3)? == id,
            closed: row.at::<Option<i64>>(4)?.is_some(),
            personas: row.at(5)?,
            held_bytes: row.at(6)?,
            recovery_generation: row.at(7)?,
        })
    })
}

/// Refuses what belongs to an epoch that is no longer the account's current one.
pub(crate) fn require_current(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
) -> Result<(), StoreError> {
    tx.row(IS_CURRENT, values![&account, &epoch], |_| Ok(()))?.ok_or(StoreError::Stale)
}

/// The account's current epoch.
pub(crate) fn current(tx: &mut Tx<'_>, account: AccountId) -> Result<EpochId, StoreError> {
    tx.row(CURRENT, values![&account], |row| row.at(0))?.ok_or(StoreError::Gone)
}

/// Refuses who has neither phrase nor root key of an epoch that is not closed.
pub(crate) fn require_proof(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    proof: &EpochVerifier,
) -> Result<(), StoreError> {
    let (phrase, root) = tx
        .row(VERIFIERS, values![&account, &epoch], |row| {
            Ok((row.at::<[u8; 32]>(0)?, row.at::<[u8; 32]>(1)?))
        })?
        .ok_or(StoreError::Gone)?;
    let right = match proof {
        EpochVerifier::Phrase(shown) => phrase.ct_eq(shown),
        EpochVerifier::Root(shown) => root.ct_eq(shown),
    };
    if right.into() { Ok(()) } else { Err(StoreError::ProofRefused) }
}

/// The current epoch, the one that it has displaced, the one that this has, and so on: only to these
/// there is a way back. An epoch whose making was undone is not among them.
pub(crate) fn chain(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<EpochId>, StoreError> {
    let mut chain = vec![current(tx, account)?];
    while let Some(last) = chain.last().filter(|_| chain.len() < MAX_CHAIN) {
        let values = values![&account, last];
        match tx.row(DISPLACED, values, |row| row.at::<Option<EpochId>>(0))?.flatten() {
            Some(displaced) => chain.push(displaced),
            None => break,
        }
    }
    Ok(chain)
}

/// The epoch of the chain whose phrase a proof is of, and whether it is the current one.
pub(crate) fn proven_by_phrase(
    tx: &mut Tx<'_>,
    account: AccountId,
    verifier: &[u8; 32],
) -> Result<Option<(EpochId, bool)>, StoreError> {
    let proof = EpochVerifier::Phrase(*verifier);
    for (place, epoch) in chain(tx, account)?.into_iter().enumerate() {
        match require_proof(tx, account, epoch, &proof) {
            Ok(()) => return Ok(Some((epoch, place == 0))),
            // Another one's, or a closed epoch.
            Err(StoreError::ProofRefused | StoreError::Gone) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What opens an epoch, for who has proven it.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    proof: &EpochVerifier,
) -> Result<OpenedEpoch, StoreError> {
    require_proof(tx, account, epoch, proof)?;
    let slots = accounts::slots(tx, account, epoch)?;
    let recovery_slot = slots.into_iter().find(|slot| slot.kind == SlotKind::Recovery);
    Ok(OpenedEpoch {
        recovery_slot: recovery_slot.ok_or(StoreError::Gone)?,
        keyring: accounts::keyring(tx, account, epoch)?,
    })
}

/// Personas that lie in other epochs than the current one.
pub(crate) fn locked_personas(
    tx: &mut Tx<'_>,
    account: AccountId,
    current: EpochId,
) -> Result<u64, StoreError> {
    Ok(tx.row(LOCKED, values![&account, &current], |row| row.at(0))?.unwrap_or(0))
}

/// Personas that lie in epochs that the current one has displaced, directly or by others between: to
/// these there is a way back by their passwords. To one that was undone there is none.
pub(crate) fn displaced_personas(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, StoreError> {
    let mut personas = 0;
    for epoch in chain(tx, account)?.into_iter().skip(1) {
        let of = tx.row(PERSONAS, values![&account, &epoch], |row| row.at::<u64>(0))?;
        personas += of.unwrap_or(0);
    }
    Ok(personas)
}

/// Makes another epoch the current one.
pub(crate) fn make_current(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    instead_of: EpochId,
) -> Result<(), StoreError> {
    match tx.execute(MAKE_CURRENT, values![&epoch, &account, &instead_of])? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict),
    }
}

/// Goes back to an older epoch. Whoever displaced it had the mailbox, so for a while that alone
/// makes no new one.
pub(crate) fn go_back(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    instead_of: EpochId,
    now: i64,
) -> Result<(), StoreError> {
    make_current(tx, account, epoch, instead_of)?;
    tx.execute(BAR, values![now + BARRED_S, &account])?;
    Ok(())
}
