//! What an account holds against its quota: blobs and waiting uploads, labels with their rows,
//! the index, and device records. `epochs.held_bytes` is kept up by every write of these.

use keybackup_protocol::AccountId;
use keybackup_protocol::limits::MAX_INDEX_BYTES;

use crate::store::tx::{Tx, values};
use crate::store::{StoreError, StoreLimits};

/// What the row of a version counts for beside its label, in bytes.
pub(crate) const VERSION_ROW_BYTES: i64 = 256;
/// What is kept back for the tombstone of each persona that the limits allow, in bytes.
const TOMBSTONE_BYTES: i64 = 4096;

const HELD: &str = "SELECT e.held_bytes FROM accounts a \
    JOIN epochs e ON e.account_id = a.id AND e.id = a.current_epoch WHERE a.id = $1";
// What takes nothing is allowed over quota too.
const HOLD: &str = "UPDATE epochs SET held_bytes = held_bytes + $1, personas = personas + $2 \
    WHERE account_id = $3 AND id = (SELECT current_epoch FROM accounts WHERE accounts.id = $3) \
    AND ($1 <= 0 OR held_bytes + $1 <= $4) AND ($2 <= 0 OR personas + $2 <= $5)";

/// Bytes that count to the quota of the account's current epoch.
pub(crate) fn held_bytes(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, StoreError> {
    tx.row(HELD, values![&account], |row| row.at(0))?.ok_or(StoreError::Gone)
}

/// What a write adds, or takes away.
#[derive(Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) bytes: i64,
    pub(crate) personas: i64,
    /// Whether it may use what is kept back for removing personas.
    pub(crate) removes: bool,
}

/// Counts a change in the current epoch, if there is room for it.
pub(crate) fn hold(
    tx: &mut Tx<'_>,
    account: AccountId,
    change: Change,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    let reserve = if change.removes { reserve_bytes(limits) } else { 0 };
    let most_bytes = most(limits.quota_bytes).saturating_add(reserve);
    let values =
        values![change.bytes, change.personas, &account, most_bytes, most(limits.personas)];
    if tx.execute(HOLD, values)? == 1 { Ok(()) } else { Err(StoreError::Quota) }
}

/// Room beyond the quota for a tombstone of every persona, and for an index that names them.
fn reserve_bytes(limits: &StoreLimits) -> i64 {
    most(limits.personas)
        .saturating_mul(TOMBSTONE_BYTES)
        .saturating_add(most(MAX_INDEX_BYTES as u64))
}

/// A limit as rows can be compared with it.
fn most(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
