//! What an account holds against its quota: blobs and waiting uploads, labels with their rows,
//! the index, and device records. `epochs.held_bytes` is kept up by every write of these. Beside
//! it, what the listing takes, which no client reads without bound.

use keybackup_protocol::limits::{MAX_ANSWER_BYTES, MAX_INDEX_BYTES, MAX_PERSONAS};
use keybackup_protocol::{AccountId, EpochId};

use crate::store::tx::{Tx, values};
use crate::store::{StoreError, StoreLimits};

/// What the row of a version counts for beside its label, in bytes.
pub(crate) const VERSION_ROW_BYTES: i64 = 256;
/// What a persona counts for in the listing beside its label, in bytes before base64.
pub(crate) const LISTED_ROW_BYTES: i64 = 128;
/// Room for what is around the personas of a listing, in bytes of JSON.
const LISTING_HEAD_BYTES: u64 = 1024;
/// What is kept back for the tombstone of each persona that the limits allow, in bytes.
const TOMBSTONE_BYTES: i64 = 4096;

const HELD: &str = "SELECT e.held_bytes FROM accounts a \
    JOIN epochs e ON e.account_id = a.id AND e.id = a.current_epoch WHERE a.id = $1";
// What takes nothing is allowed over quota too.
const HOLD: &str = "UPDATE epochs SET held_bytes = held_bytes + $1, personas = personas + $2, \
    listed_bytes = listed_bytes + $3 \
    WHERE account_id = $4 AND id = (SELECT current_epoch FROM accounts WHERE accounts.id = $4) \
    AND ($1 <= 0 OR held_bytes + $1 <= $5) AND ($2 <= 0 OR personas + $2 <= $6) \
    AND ($3 <= 0 OR listed_bytes + $3 <= $7)";
const GIVE_BACK: &str = "UPDATE epochs SET held_bytes = held_bytes - $1 \
    WHERE account_id = $2 AND id = $3";
const LISTED: &str = "SELECT listed_bytes FROM epochs WHERE account_id = $1 AND id = $2";

/// Bytes that count to the quota of the account's current epoch.
pub(crate) fn held_bytes(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, StoreError> {
    tx.row(HELD, values![&account], |row| row.at(0))?.ok_or(StoreError::Gone)
}

/// What a write adds, or takes away.
#[derive(Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) bytes: i64,
    pub(crate) personas: i64,
    /// Of the listing.
    pub(crate) listed: i64,
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
    let values = values![
        change.bytes,
        change.personas,
        change.listed,
        &account,
        most_bytes,
        most(limits.personas),
        most_listed(change.removes)
    ];
    if tx.execute(HOLD, values)? == 1 { Ok(()) } else { Err(StoreError::Quota) }
}

/// Counts what comes out of a locked epoch: whatever the quota says, since it is the account's own;
/// but no more than one listing may have.
pub(crate) fn take_in(
    tx: &mut Tx<'_>,
    account: AccountId,
    change: Change,
) -> Result<(), StoreError> {
    let values = values![
        change.bytes,
        change.personas,
        change.listed,
        &account,
        i64::MAX,
        most(MAX_PERSONAS as u64),
        most_listed(true)
    ];
    if tx.execute(HOLD, values)? == 1 { Ok(()) } else { Err(StoreError::Quota) }
}

/// Gives bytes back to the epoch that counts them, which need no longer be the current one.
pub(crate) fn give_back(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: Option<EpochId>,
    bytes: i64,
) -> Result<(), StoreError> {
    if let Some(epoch) = epoch {
        tx.execute(GIVE_BACK, values![bytes, &account, &epoch])?;
    }
    Ok(())
}

/// Most bytes of JSON that the listing of an epoch has.
pub(crate) fn listing_bytes(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
) -> Result<u64, StoreError> {
    let listed: u64 =
        tx.row(LISTED, values![&account, &epoch], |row| row.at(0))?.ok_or(StoreError::Gone)?;
    Ok(listed.div_ceil(3).saturating_mul(4).saturating_add(LISTING_HEAD_BYTES))
}

/// Clients read no answer without bound, so no listing may outgrow it; the last quarter is kept
/// back for the labels of tombstones.
fn most_listed(removes: bool) -> i64 {
    let json = MAX_ANSWER_BYTES as u64 - LISTING_HEAD_BYTES;
    let json = if removes { json } else { json / 4 * 3 };
    most(json / 4 * 3)
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

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    const LIMITS: StoreLimits = StoreLimits {
        quota_bytes: 1 << 40,
        personas: 100_000,
        attempts_per_hour: 1,
        starts_per_hour: 1,
    };

    /// A listing that no client would read is refused when it would come to be.
    ///
    /// Holds rules 2 and 35.
    #[test]
    fn a_listing_stays_within_an_answer() {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(include_str!("../schema.sql")).expect("makes the schema");
        connection
            .execute_batch(
                "INSERT INTO accounts (id, address, sealed_address, current_epoch, created_at) \
                   VALUES (zeroblob(16), x'', x'', zeroblob(16), 0); \
                 INSERT INTO epochs (account_id, id, origin, created_at, phrase_verifier, \
                   root_verifier, keyring_version, position) \
                   VALUES (zeroblob(16), zeroblob(16), '', 0, x'', x'', 1, 1);",
            )
            .expect("inserts");
        let (account, epoch) = (AccountId::from_bytes([0; 16]), EpochId::from_bytes([0; 16]));
        let mut tx = Tx::on(&connection);
        let label = Change { listed: 64 * 1024 + 128, personas: 1, ..Change::default() };
        let mut labels = 0;
        while hold(&mut tx, account, label, &LIMITS).is_ok() {
            labels += 1;
        }
        assert!(labels > 2000, "{labels}");
        let json = listing_bytes(&mut tx, account, epoch).expect("is there");
        assert!(json <= MAX_ANSWER_BYTES as u64 / 4 * 3, "{json}");
        let same = Change { listed: 0, ..label };
        hold(&mut tx, account, same, &LIMITS).expect("what lists no more goes on");
        let tombstone = Change { listed: 1024, removes: true, ..Change::default() };
        while hold(&mut tx, account, tombstone, &LIMITS).is_ok() {}
        let json = listing_bytes(&mut tx, account, epoch).expect("is there");
        assert!(json <= MAX_ANSWER_BYTES as u64, "{json}");
    }
}
