//! Whole uploads that wait for their commit: counted to the quota from the moment they are kept.

use keybackup_protocol::UploadId;

use super::proposal::{NewBlob, Proposal};
use super::quota::{self, Change};
use super::sessions;
use crate::store::reserve::file_bytes;
use crate::store::tx::{Tx, count, values};
use crate::store::{NewUpload, StoreError, StoreLimits};

/// Most uploads of one account that wait for their commits.
const MAX_WAITING: i64 = 100;

const WAITING: &str = "SELECT COUNT(*) FROM uploads WHERE account_id = $1";
const ADD: &str = "INSERT INTO uploads (id, account_id, epoch_id, announced_bytes, bytes, \
    blake3, created_at, completed_at, expires_at) \
    SELECT $1, a.id, a.current_epoch, $2, $2, $3, $4, $4, $5 FROM accounts a WHERE a.id = $6";
const ADD_PART: &str = "INSERT INTO blob_parts (name, account_id, upload_id, position, bytes) \
    VALUES ($1, $2, $3, 0, $4)";
const COMPLETE: &str = "SELECT bytes, blake3 FROM uploads WHERE id = $1 AND account_id = $2 \
    AND epoch_id = $3 AND expires_at > $4 AND completed_at IS NOT NULL";
const MOVE_PARTS: &str = "UPDATE blob_parts SET upload_id = NULL, persona_id = $1, version = $2 \
    WHERE upload_id = $3";
const REMOVE: &str = "DELETE FROM uploads WHERE id = $1";

/// Keeps a whole upload.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    upload: &NewUpload,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    sessions::require(tx, upload.session, upload.now)?;
    let waiting = tx.row(WAITING, values![&upload.account], |row| row.at::<i64>(0))?;
    if waiting.is_some_and(|waiting| waiting >= MAX_WAITING) {
        return Err(StoreError::Quota);
    }
    let bytes = count(upload.part.bytes)?;
    let held = count(file_bytes(upload.part.bytes))?;
    quota::hold(tx, upload.account, Change { bytes: held, ..Change::default() }, limits)?;
    tx.execute(
        ADD,
        values![&upload.id, bytes, &upload.blake3, upload.now, upload.expires_at, &upload.account],
    )?;
    let name = upload.part.name.as_str();
    tx.execute(ADD_PART, values![name, &upload.account, &upload.id, bytes])?;
    Ok(())
}

/// Hands the parts of an upload to the blob of a commit.
pub(crate) fn consume(
    tx: &mut Tx<'_>,
    proposal: &Proposal,
    upload: UploadId,
    blob: &NewBlob,
) -> Result<(), StoreError> {
    let values = values![&upload, &proposal.account, &proposal.epoch, proposal.now];
    let held = tx
        .row(COMPLETE, values, |row| Ok((row.at::<i64>(0)?, row.at::<[u8; 32]>(1)?)))?
        .ok_or(StoreError::Gone)?;
    if held != (blob.bytes, blob.blake3) {
        return Err(StoreError::Invalid("the upload has another length or hash"));
    }
    tx.execute(MOVE_PARTS, values![&proposal.persona, proposal.version, &upload])?;
    tx.execute(REMOVE, values![&upload])?;
    Ok(())
}
