//! What was deleted goes in the end, with all that it holds: some rows at a time, each time in a
//! transaction of its own, so that other writes come in between. Rows go before the bytes that
//! they name.

use keybackup_protocol::{AccountId, EpochId, PersonaId};

use super::retention::take_parts;
use crate::store::StoreError;
use crate::store::tx::{Tx, values};

/// Most rows of a kind that one transaction drops.
const BATCH: i64 = 100;

const NEXT: &str = "SELECT account_id, id FROM epochs WHERE purge_at <= $1 \
    ORDER BY purge_at LIMIT 1";
const NEXT_OF: &str = "SELECT account_id, id FROM epochs WHERE account_id = $1 \
    AND purge_at <= $2 LIMIT 1";
const IS_DUE: &str = "SELECT id FROM epochs WHERE account_id = $1 AND id = $2 AND purge_at <= $3";
const UPLOADS: &str = "SELECT id FROM uploads WHERE account_id = $1 AND epoch_id = $2 LIMIT $3";
const UPLOAD_PARTS: &str = "DELETE FROM blob_parts WHERE upload_id = $1 RETURNING name, bytes";
const UPLOAD: &str = "DELETE FROM uploads WHERE id = $1";
const BLOBS: &str = "SELECT b.persona_id, b.version FROM personas p \
    JOIN blobs b ON b.account_id = p.account_id AND b.persona_id = p.id \
    WHERE p.account_id = $1 AND p.epoch_id = $2 LIMIT $3";
const BLOB_PARTS: &str = "DELETE FROM blob_parts \
    WHERE account_id = $1 AND persona_id = $2 AND version = $3 RETURNING name, bytes";
const BLOB: &str = "DELETE FROM blobs WHERE account_id = $1 AND persona_id = $2 AND version = $3";
const VERSIONS: &str = "DELETE FROM versions WHERE (account_id, persona_id, version) IN ( \
    SELECT v.account_id, v.persona_id, v.version FROM personas p \
    JOIN versions v ON v.account_id = p.account_id AND v.persona_id = p.id \
    WHERE p.account_id = $1 AND p.epoch_id = $2 LIMIT $3)";
const PERSONAS: &str = "DELETE FROM personas WHERE (account_id, id) IN ( \
    SELECT account_id, id FROM personas WHERE account_id = $1 AND epoch_id = $2 LIMIT $3)";
const KEYRINGS: &str = "DELETE FROM keyrings WHERE (account_id, epoch_id, version) IN ( \
    SELECT account_id, epoch_id, version FROM keyrings \
    WHERE account_id = $1 AND epoch_id = $2 LIMIT $3)";
/// Few rows each, in an order that the foreign keys allow.
const REST: [&str; 6] = [
    "DELETE FROM session_personas WHERE session_id IN \
      (SELECT id FROM sessions WHERE account_id = $1 AND epoch_id = $2)",
    "DELETE FROM sessions WHERE account_id = $1 AND epoch_id = $2",
    "DELETE FROM indexes WHERE account_id = $1 AND epoch_id = $2",
    "DELETE FROM slots WHERE account_id = $1 AND epoch_id = $2",
    "DELETE FROM credentials WHERE account_id = $1 AND epoch_id = $2",
    "UPDATE devices SET sealed = NULL, epoch_id = NULL WHERE account_id = $1 AND epoch_id = $2",
];
// The current epoch of an account that stays has a row, empty as it is: others are older than it.
const EMPTY: &str = "UPDATE epochs SET purge_at = NULL, held_bytes = 0, personas = 0, \
    listed_bytes = 0, phrase_verifier = $1, root_verifier = $1 \
    WHERE account_id = $2 AND id = $3 AND EXISTS (SELECT id FROM accounts a \
      WHERE a.id = $2 AND a.current_epoch = $3 AND a.sealed_address <> $1)";
// The way back goes through it: without this whoever made it would cut the owner off for good.
const RELINK: &str = "UPDATE epochs SET displaced = \
    (SELECT e.displaced FROM epochs e WHERE e.account_id = $1 AND e.id = $2) \
    WHERE account_id = $1 AND displaced = $2";
const EPOCH: &str = "DELETE FROM epochs WHERE account_id = $1 AND id = $2";
const ANY_EPOCH: &str = "SELECT id FROM epochs WHERE account_id = $1 LIMIT 1";
const DEVICES: &str = "DELETE FROM devices WHERE account_id = $1";
const INVITATIONS: &str = "DELETE FROM device_invitations WHERE account_id = $1";
const FORMER_ADDRESSES: &str = "DELETE FROM former_addresses WHERE account_id = $1";
const ACCOUNT: &str = "DELETE FROM accounts WHERE id = $1";

/// An epoch whose time has come, of any account or of one.
pub(crate) fn next(
    tx: &mut Tx<'_>,
    of: Option<AccountId>,
    now: i64,
) -> Result<Option<(AccountId, EpochId)>, StoreError> {
    match of {
        None => tx.row(NEXT, values![now], |row| Ok((row.at(0)?, row.at(1)?))),
        Some(account) => {
            tx.row(NEXT_OF, values![&account, now], |row| Ok((row.at(0)?, row.at(1)?)))
        }
    }
}

/// Drops some of what an epoch holds, and in the end itself; returns the names of parts that no row
/// names any more, and whether there is more to drop.
pub(crate) fn drop_some(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    now: i64,
) -> Result<(Vec<String>, bool), StoreError> {
    let mut parts = Vec::new();
    // Looked at again: another process may have been faster.
    if tx.row(IS_DUE, values![&account, &epoch, now], |_| Ok(()))?.is_none() {
        return Ok((parts, false));
    }
    let more = drop_uploads(tx, account, epoch, &mut parts)?
        || drop_blobs(tx, account, epoch, &mut parts)?
        || drop_rows(tx, account, epoch)?;
    if !more {
        end(tx, account, epoch)?;
    }
    Ok((parts, more))
}

fn drop_uploads(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    parts: &mut Vec<String>,
) -> Result<bool, StoreError> {
    let some = values![&account, &epoch, BATCH];
    let uploads = tx.rows(UPLOADS, some, |row| row.at::<[u8; 16]>(0))?;
    for id in &uploads {
        take_parts(tx, UPLOAD_PARTS, values![id], parts)?;
        tx.execute(UPLOAD, values![id])?;
    }
    Ok(is_batch(uploads.len()))
}

fn drop_blobs(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    parts: &mut Vec<String>,
) -> Result<bool, StoreError> {
    let some = values![&account, &epoch, BATCH];
    let blobs = tx.rows(BLOBS, some, |row| Ok((row.at::<PersonaId>(0)?, row.at::<i64>(1)?)))?;
    for (persona, version) in &blobs {
        let blob = values![&account, persona, *version];
        take_parts(tx, BLOB_PARTS, blob, parts)?;
        tx.execute(BLOB, blob)?;
    }
    Ok(is_batch(blobs.len()))
}

fn drop_rows(tx: &mut Tx<'_>, account: AccountId, epoch: EpochId) -> Result<bool, StoreError> {
    for sql in [VERSIONS, PERSONAS, KEYRINGS] {
        if is_batch(tx.execute(sql, values![&account, &epoch, BATCH])?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn end(tx: &mut Tx<'_>, account: AccountId, epoch: EpochId) -> Result<(), StoreError> {
    for sql in REST {
        tx.execute(sql, values![&account, &epoch])?;
    }
    let nothing: &[u8] = &[];
    if tx.execute(EMPTY, values![nothing, &account, &epoch])? == 1 {
        return Ok(());
    }
    tx.execute(RELINK, values![&account, &epoch])?;
    tx.execute(EPOCH, values![&account, &epoch])?;
    if tx.row(ANY_EPOCH, values![&account], |_| Ok(()))?.is_none() {
        for sql in [DEVICES, INVITATIONS, FORMER_ADDRESSES, ACCOUNT] {
            tx.execute(sql, values![&account])?;
        }
    }
    Ok(())
}

fn is_batch(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= BATCH)
}
