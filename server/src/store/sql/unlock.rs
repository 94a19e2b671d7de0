//! Unlocking: keyring, index and personas of a locked epoch become the current one's at once, or
//! nothing does.

use keybackup_protocol::api::MovedLabel;
use keybackup_protocol::limits::{MAX_INDEX_BYTES, MAX_KEYRING_BYTES, MAX_LABEL_BYTES};

use super::commit::ADD_VERSION;
use super::proposal::above;
use super::quota::{self, VERSION_ROW_BYTES};
use super::{addresses, epochs, sessions, uploads};
use crate::store::tx::{Tx, count, length, values};
use crate::store::{StoreError, Unlocking};

/// Most labels that come along: a request holds no more.
const MAX_LABELS: usize = 1000;

const SWAP_KEYRING: &str = "UPDATE epochs SET keyring_version = $1 \
    WHERE account_id = $2 AND id = $3 AND keyring_version < $1 AND closed_at IS NULL";
const ADD_KEYRING: &str = "INSERT INTO keyrings (account_id, epoch_id, version, sealed, stored_at) \
    VALUES ($1, $2, $3, $4, $5)";
const INDEX_BYTES: &str = "SELECT LENGTH(sealed) FROM indexes \
    WHERE account_id = $1 AND epoch_id = $2 AND counter = $3";
const SWAP_INDEX: &str = "UPDATE indexes \
    SET counter = $1, keyring_version = $2, sealed = $3, stored_at = $4 \
    WHERE account_id = $5 AND epoch_id = $6 AND counter = $7";
const SWAP_PERSONA: &str = "UPDATE personas SET version = $1 WHERE account_id = $2 AND id = $3 \
    AND epoch_id = $4 AND version = $5 AND removed = 0";
const LABEL_BYTES: &str = "SELECT LENGTH(v.label) FROM versions v JOIN blobs b \
    ON b.account_id = v.account_id AND b.persona_id = v.persona_id AND b.version = $1 \
    WHERE v.account_id = $2 AND v.persona_id = $3 AND v.version = $4";
const CLOSE: &str = "UPDATE epochs SET closed_at = $1 \
    WHERE account_id = $2 AND id = $3 AND closed_at IS NULL";
const MOVE: &str = "UPDATE personas SET epoch_id = $1 WHERE account_id = $2 AND epoch_id = $3";
const COUNTS: &str =
    "SELECT held_bytes, personas, listed_bytes FROM epochs WHERE account_id = $1 AND id = $2";
const RECORDS: &str = "SELECT CAST(COALESCE(SUM(LENGTH(sealed)), 0) AS BIGINT) FROM devices \
    WHERE account_id = $1 AND epoch_id = $2";
const LEAVE: &str = "UPDATE epochs SET held_bytes = held_bytes - $1, personas = personas - $2, \
    listed_bytes = listed_bytes - $3 WHERE account_id = $4 AND id = $5";

/// Moves them.
pub(crate) fn unlock(tx: &mut Tx<'_>, unlocking: &Unlocking) -> Result<(), StoreError> {
    check(unlocking)?;
    let Unlocking { session, account, epoch, locked, now, .. } = unlocking;
    let (account, epoch, locked, now) = (*account, *epoch, *locked, *now);
    sessions::require(tx, *session, now)?;
    epochs::require_current(tx, account, epoch)?;
    if epoch == locked {
        return Err(StoreError::Invalid("the current epoch is not locked"));
    }
    epochs::require_proof(tx, account, locked, &unlocking.proof)?;
    let index = swap_keyring_and_index(tx, unlocking)?;
    // What the locked epoch's index says, the new one was made from.
    let locked_counter = count(unlocking.locked_counter)?;
    let locked_index = tx
        .row(INDEX_BYTES, values![&account, &locked, locked_counter], |row| row.at::<i64>(0))?
        .ok_or(StoreError::Conflict)?;
    addresses::refuse_while_undoable(tx, account, now)?;
    let mut labels = Grown::default();
    for label in &unlocking.labels {
        labels.add(relabel(tx, unlocking, label)?);
    }
    let moved = leave(tx, unlocking, locked_index)?;
    tx.execute(MOVE, values![&epoch, &account, &locked])?;
    if tx.execute(CLOSE, values![now, &account, &locked])? != 1 {
        return Err(StoreError::Conflict);
    }
    let change = quota::Change {
        bytes: moved.bytes + index + labels.held,
        personas: moved.personas,
        listed: moved.listed + index + labels.listed,
        removes: true,
    };
    quota::take_in(tx, account, change)?;
    // What they saw has moved; the next login finds it.
    sessions::end_of_epoch(tx, account, locked)
}

fn check(unlocking: &Unlocking) -> Result<(), StoreError> {
    let holds = |truth, what| if truth { Ok(()) } else { Err(StoreError::Invalid(what)) };
    let within = |bytes: usize, most| (1..=most).contains(&bytes);
    let keyring = unlocking.keyring.sealed.0.len();
    holds(within(keyring, MAX_KEYRING_BYTES), "the keyring is empty or too large")?;
    let index = unlocking.index.sealed.0.len();
    holds(within(index, MAX_INDEX_BYTES), "the index is empty or too large")?;
    holds(unlocking.labels.len() <= MAX_LABELS, "too many labels come along")?;
    holds(
        unlocking.labels.iter().all(|label| within(label.label.0.len(), MAX_LABEL_BYTES)),
        "a label is empty or too large",
    )
}

/// Returns what the index adds to the bytes held.
fn swap_keyring_and_index(tx: &mut Tx<'_>, unlocking: &Unlocking) -> Result<i64, StoreError> {
    let Unlocking { account, epoch, now, .. } = unlocking;
    let version = count(unlocking.keyring.version)?;
    if tx.execute(SWAP_KEYRING, values![version, account, epoch])? != 1 {
        return Err(StoreError::Stale);
    }
    tx.execute(ADD_KEYRING, values![account, epoch, version, &unlocking.keyring.sealed, *now])?;
    let (index, base) = (&unlocking.index, count(unlocking.index.base)?);
    let counter = above(base, index.counter)?
        .ok_or(StoreError::Invalid("the index counter must be above its base, and not far"))?;
    let old = tx
        .row(INDEX_BYTES, values![account, epoch, base], |row| row.at::<i64>(0))?
        .ok_or(StoreError::Conflict)?;
    let values = values![counter, version, &index.sealed, *now, account, epoch, base];
    if tx.execute(SWAP_INDEX, values)? != 1 {
        return Err(StoreError::Conflict);
    }
    Ok(length(&index.sealed)? - old)
}

/// What labels add.
#[derive(Clone, Copy, Default)]
struct Grown {
    held: i64,
    listed: i64,
}

impl Grown {
    const fn add(&mut self, other: Self) {
        self.held += other.held;
        self.listed += other.listed;
    }
}

/// Adds a label over content that is held, while the persona is still in the locked epoch.
fn relabel(
    tx: &mut Tx<'_>,
    unlocking: &Unlocking,
    label: &MovedLabel,
) -> Result<Grown, StoreError> {
    let Unlocking { account, locked, epoch, device, now, .. } = unlocking;
    let (base, content) = (count(label.base)?, count(label.content_version)?);
    let version = above(base, label.version)?
        .ok_or(StoreError::Invalid("the version must be above its base, and not far"))?;
    let old = tx
        .row(LABEL_BYTES, values![content, account, &label.persona, base], |row| row.at::<i64>(0))?
        .ok_or(StoreError::Gone)?;
    if tx.execute(SWAP_PERSONA, values![version, account, &label.persona, locked, base])? != 1 {
        return Err(StoreError::Conflict);
    }
    let bytes = length(&label.label)?;
    tx.execute(
        ADD_VERSION,
        values![
            account,
            &label.persona,
            version,
            epoch,
            count(unlocking.keyring.version)?,
            device,
            content,
            false,
            *now,
            &label.label
        ],
    )?;
    Ok(Grown { held: bytes + VERSION_ROW_BYTES, listed: bytes - old })
}

/// Takes what the personas count for out of the locked epoch, and returns it: all that it holds but
/// its index, its waiting uploads, and the records of devices.
fn leave(tx: &mut Tx<'_>, unlocking: &Unlocking, index: i64) -> Result<quota::Change, StoreError> {
    let Unlocking { account, locked, .. } = unlocking;
    let (held, personas, listed) = tx
        .row(COUNTS, values![account, locked], |row| {
            Ok((row.at::<i64>(0)?, row.at::<i64>(1)?, row.at::<i64>(2)?))
        })?
        .ok_or(StoreError::Gone)?;
    let waiting = uploads::held(tx, *account, *locked)?;
    let records = tx.row(RECORDS, values![account, locked], |row| row.at::<i64>(0))?.unwrap_or(0);
    let moved = quota::Change {
        bytes: held - index - waiting - records,
        personas,
        listed: listed - index,
        removes: false,
    };
    let values = values![moved.bytes, moved.personas, moved.listed, account, locked];
    tx.execute(LEAVE, values)?;
    Ok(moved)
}
