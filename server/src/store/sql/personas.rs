//! Personas as they are read: the listing, labels, and where a blob is; and the bare delete.

use keybackup_protocol::api::{Index, Labels, ListedLabel, ListedPersona, Listing};
use keybackup_protocol::limits::MAX_LABELS_PER_ANSWER;
use keybackup_protocol::{AccountId, B64, EpochId, PersonaId};

use crate::store::tx::{Row, Tx, count, values};
use crate::store::{Blob, BlobSource, Part, StoreError};

/// Most bytes of labels that one answer holds, if it holds more than one label.
pub(crate) const LABELS_BYTES: usize = 1024 * 1024;

const EPOCH: &str = "SELECT e.keyring_version, i.counter, i.sealed FROM epochs e \
    JOIN indexes i ON i.account_id = e.account_id AND i.epoch_id = e.id \
    WHERE e.account_id = $1 AND e.id = $2";
const NEWEST_LABELS: &str = "SELECT p.id, p.version, v.label, v.stored_at, p.trashed_at \
    FROM personas p JOIN versions v \
    ON v.account_id = p.account_id AND v.persona_id = p.id AND v.version = p.version \
    WHERE p.account_id = $1 AND p.epoch_id = $2 ORDER BY p.id";
const EXISTS: &str = "SELECT version FROM personas WHERE account_id = $1 AND id = $2";
const LABELS: &str = "SELECT v.version, v.label, v.stored_at, b.version \
    FROM versions v LEFT JOIN blobs b \
    ON b.account_id = v.account_id AND b.persona_id = v.persona_id AND b.version = v.version \
    WHERE v.account_id = $1 AND v.persona_id = $2 AND v.version >= $3 \
    ORDER BY v.version LIMIT $4";
const BLOB: &str = "SELECT version, bytes, blake3, content FROM blobs \
    WHERE account_id = $1 AND persona_id = $2 AND version = $3";
const NEWEST_BLOB: &str = "SELECT b.version, b.bytes, b.blake3, b.content \
    FROM personas p JOIN versions v \
    ON v.account_id = p.account_id AND v.persona_id = p.id AND v.version = p.version \
    JOIN blobs b ON b.account_id = p.account_id AND b.persona_id = p.id \
    AND b.version = v.content_version \
    WHERE p.account_id = $1 AND p.id = $2 AND p.trashed_at IS NULL";
const PARTS: &str = "SELECT name, bytes FROM blob_parts \
    WHERE account_id = $1 AND persona_id = $2 AND version = $3 ORDER BY position";
const TRASH: &str = "UPDATE personas SET trashed_at = $1 \
    WHERE account_id = $2 AND id = $3 AND trashed_at IS NULL AND removed = 0 \
    AND epoch_id = (SELECT current_epoch FROM accounts WHERE id = $2)";

/// Index and newest labels of an epoch; one snapshot, since a transaction is one.
pub(crate) fn listing(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
) -> Result<Listing, StoreError> {
    let (keyring_version, index) = tx
        .row(EPOCH, values![&account, &epoch], |row| {
            Ok((row.at(0)?, Index { counter: row.at(1)?, sealed: row.at(2)? }))
        })?
        .ok_or(StoreError::Gone)?;
    let personas = tx.rows(NEWEST_LABELS, values![&account, &epoch], |row| {
        Ok(ListedPersona {
            id: row.at(0)?,
            version: row.at(1)?,
            label: row.at(2)?,
            stored_at: row.at(3)?,
            trashed: row.at::<Option<i64>>(4)?.is_some(),
        })
    })?;
    Ok(Listing { account_id: account, epoch, keyring_version, index, personas })
}

/// Labels from a version on, oldest first, as many as one answer holds.
pub(crate) fn labels(
    tx: &mut Tx<'_>,
    account: AccountId,
    persona: PersonaId,
    from: u64,
) -> Result<Labels, StoreError> {
    tx.row(EXISTS, values![&account, &persona], |_| Ok(()))?.ok_or(StoreError::Gone)?;
    // Beyond what rows can hold there is no version, and so no label.
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let one_beyond = count(MAX_LABELS_PER_ANSWER as u64 + 1)?;
    let (mut count, mut bytes, mut more) = (0, 0, false);
    let labels = tx.rows_while(LABELS, values![&account, &persona, from, one_beyond], |row| {
        let label: B64 = row.at(1)?;
        bytes += label.0.len();
        more = count == MAX_LABELS_PER_ANSWER || (count > 0 && bytes > LABELS_BYTES);
        if more {
            return Ok(None);
        }
        count += 1;
        Ok(Some(ListedLabel {
            version: row.at(0)?,
            label,
            stored_at: row.at(2)?,
            bytes_held: row.at::<Option<i64>>(3)?.is_some(),
        }))
    })?;
    Ok(Labels { labels, more })
}

/// The blob of a version, or the content of the newest label.
pub(crate) fn blob(
    tx: &mut Tx<'_>,
    account: AccountId,
    persona: PersonaId,
    version: Option<u64>,
) -> Result<Blob, StoreError> {
    let found = match version {
        None => tx.row(NEWEST_BLOB, values![&account, &persona], blob_row)?,
        Some(version) => {
            let version = i64::try_from(version).map_err(|_| StoreError::Gone)?;
            tx.row(BLOB, values![&account, &persona, version], blob_row)?
        }
    };
    let (version, bytes, blake3, content) = found.ok_or(StoreError::Gone)?;
    let source = match content {
        Some(content) => BlobSource::Row(content),
        None => BlobSource::Parts(parts(tx, account, persona, version)?),
    };
    Ok(Blob { version, bytes, blake3, source })
}

type BlobRow = (u64, u64, [u8; 32], Option<bytes::Bytes>);

fn blob_row(row: &Row<'_>) -> Result<BlobRow, StoreError> {
    Ok((row.at(0)?, row.at(1)?, row.at(2)?, row.at(3)?))
}

/// The parts of a blob, in order.
pub(crate) fn parts(
    tx: &mut Tx<'_>,
    account: AccountId,
    persona: PersonaId,
    version: u64,
) -> Result<Vec<Part>, StoreError> {
    tx.rows(PARTS, values![&account, &persona, count(version)?], |row| {
        Ok(Part { name: row.at(0)?, bytes: row.at(1)? })
    })
}

/// Moves a persona to the trash; false when it is absent, removed, locked or there already.
pub(crate) fn trash(
    tx: &mut Tx<'_>,
    account: AccountId,
    persona: PersonaId,
    now: i64,
) -> Result<bool, StoreError> {
    Ok(tx.execute(TRASH, values![now, &account, &persona])? == 1)
}
