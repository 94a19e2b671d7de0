//! Uploads: they begin empty, grow by durable parts, and wait for their commit. What one has
//! announced counts to the quota from its beginning, and what it has beyond that as it comes.

use keybackup_protocol::{AccountId, EpochId, UploadId};

use super::proposal::{NewBlob, Proposal};
use super::quota::{self, Change};
use super::retention::take_parts;
use super::sessions;
use crate::store::reserve::file_bytes;
use crate::store::tx::{Row, Tx, count, values};
use crate::store::{Addition, NewUpload, Part, StoreError, StoreLimits, Upload};

/// Most uploads of one account that wait for their commits.
const MAX_WAITING: i64 = 100;

const WAITING: &str = "SELECT COUNT(*) FROM uploads WHERE account_id = $1";
const ADD: &str = "INSERT INTO uploads (id, account_id, epoch_id, announced_bytes, bytes, \
    stored_bytes, created_at, expires_at) \
    SELECT $1, a.id, a.current_epoch, $2, 0, 0, $3, $4 FROM accounts a WHERE a.id = $5";
const FIND: &str = "SELECT u.epoch_id, u.announced_bytes, u.bytes, u.stored_bytes, u.blake3, \
    u.expires_at FROM uploads u \
    JOIN accounts a ON a.id = u.account_id AND a.current_epoch = u.epoch_id \
    WHERE u.id = $1 AND u.account_id = $2 AND u.expires_at > $3";
const HELD_BY: &str = "SELECT account_id, epoch_id, announced_bytes, bytes, stored_bytes \
    FROM uploads WHERE id = $1";
const OF_EPOCH: &str = "SELECT announced_bytes, bytes, stored_bytes FROM uploads \
    WHERE account_id = $1 AND epoch_id = $2";
const ANNOUNCE: &str = "UPDATE uploads SET announced_bytes = $1 WHERE id = $2";
const GROW: &str = "UPDATE uploads SET bytes = $1, stored_bytes = $2, blake3 = $3, \
    expires_at = $4 WHERE id = $5 AND bytes = $6";
const ADD_PART: &str = "INSERT INTO blob_parts (name, account_id, upload_id, position, bytes) \
    VALUES ($1, $2, $3, $4, $5)";
const PARTS: &str = "SELECT name, bytes FROM blob_parts WHERE upload_id = $1 ORDER BY position";
const SET_HASH: &str = "UPDATE uploads SET blake3 = $1 WHERE id = $2 AND bytes = $3";
const MOVE_PARTS: &str = "UPDATE blob_parts SET upload_id = NULL, persona_id = $1, version = $2 \
    WHERE upload_id = $3";
const TAKE_PARTS: &str = "DELETE FROM blob_parts WHERE upload_id = $1 RETURNING name, bytes";
const REMOVE: &str = "DELETE FROM uploads WHERE id = $1";

/// An upload as its row has it.
struct Found {
    epoch: EpochId,
    size: Size,
    blake3: Option<[u8; 32]>,
    expires_at: i64,
}

/// Bytes that it has announced and has, and what its parts count for.
#[derive(Clone, Copy)]
struct Size {
    announced: Option<i64>,
    bytes: i64,
    stored: i64,
}

impl Size {
    fn read(row: &Row<'_>, column: usize) -> Result<Self, StoreError> {
        let (announced, bytes) = (row.at(column)?, row.at(column + 1)?);
        Ok(Self { announced, bytes, stored: row.at(column + 2)? })
    }

    /// What it counts for: its parts, and the rest as one more.
    fn held(self) -> Result<i64, StoreError> {
        let left = self.announced.map_or(0, |announced| announced - self.bytes);
        let rest = if left > 0 { count(file_bytes(left.unsigned_abs()))? } else { 0 };
        Ok(self.stored + rest)
    }

    fn is_whole(self) -> bool {
        self.announced == Some(self.bytes)
    }
}

/// Begins an upload.
pub(crate) fn create(
    tx: &mut Tx<'_>,
    upload: &NewUpload,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    sessions::require(tx, upload.session, upload.now)?;
    let waiting = tx.row(WAITING, values![&upload.account], |row| row.at::<i64>(0))?;
    if waiting.is_some_and(|waiting| waiting >= MAX_WAITING) {
        return Err(StoreError::Quota);
    }
    let announced = upload.announced_bytes.map(count).transpose()?;
    let size = Size { announced, bytes: 0, stored: 0 };
    hold(tx, upload.account, size.held()?, limits)?;
    let values = values![&upload.id, announced, upload.now, upload.expires_at, &upload.account];
    tx.execute(ADD, values)?;
    Ok(())
}

/// How far one is.
pub(crate) fn look(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: UploadId,
    now: i64,
) -> Result<Upload, StoreError> {
    let Found { size, expires_at, .. } = find(tx, account, id, now)?;
    Ok(Upload {
        bytes: size.bytes.unsigned_abs(),
        announced_bytes: size.announced.map(i64::unsigned_abs),
        expires_at,
    })
}

/// Says how long one is.
pub(crate) fn announce(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: UploadId,
    bytes: i64,
    now: i64,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    let Found { size, .. } = find(tx, account, id, now)?;
    if size.announced == Some(bytes) {
        return Ok(());
    }
    if size.announced.is_some() || size.bytes > bytes {
        return Err(StoreError::Invalid("the upload has another length"));
    }
    let announced = Size { announced: Some(bytes), ..size };
    hold(tx, account, announced.held()? - size.held()?, limits)?;
    tx.execute(ANNOUNCE, values![bytes, &id])?;
    Ok(())
}

/// Appends a part.
pub(crate) fn append(
    tx: &mut Tx<'_>,
    addition: &Addition,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    let Addition { account, id, part, now, .. } = addition;
    sessions::require(tx, addition.session, *now)?;
    let Found { size, .. } = find(tx, *account, *id, *now)?;
    let (offset, bytes) = (count(addition.offset)?, count(part.bytes)?);
    if size.bytes != offset {
        return Err(StoreError::Offset);
    }
    let grown = Size {
        bytes: size.bytes + bytes,
        stored: size.stored + count(file_bytes(part.bytes))?,
        ..size
    };
    if grown.announced.is_some_and(|announced| grown.bytes > announced) {
        return Err(StoreError::Invalid("the upload is longer than it was announced"));
    }
    hold(tx, *account, grown.held()? - size.held()?, limits)?;
    let blake3 = addition.blake3.as_ref().filter(|_| grown.is_whole());
    let expires_at = addition.expires_at;
    let values = values![grown.bytes, grown.stored, blake3, expires_at, id, offset];
    if tx.execute(GROW, values)? != 1 {
        return Err(StoreError::Offset);
    }
    tx.execute(ADD_PART, values![part.name.as_str(), account, id, offset, bytes])?;
    Ok(())
}

/// The parts of a whole upload whose hash is not known; none where it is.
pub(crate) fn to_hash(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: UploadId,
    now: i64,
) -> Result<Option<(u64, Vec<Part>)>, StoreError> {
    let Found { size, blake3, .. } = find(tx, account, id, now)?;
    if !size.is_whole() {
        return Err(UNFINISHED);
    }
    if blake3.is_some() {
        return Ok(None);
    }
    let parts =
        tx.rows(PARTS, values![&id], |row| Ok(Part { name: row.at(0)?, bytes: row.at(1)? }))?;
    Ok(Some((size.bytes.unsigned_abs(), parts)))
}

/// Notes the hash of a whole upload.
pub(crate) fn set_hash(
    tx: &mut Tx<'_>,
    id: UploadId,
    bytes: u64,
    blake3: &[u8; 32],
) -> Result<(), StoreError> {
    tx.execute(SET_HASH, values![blake3, &id, count(bytes)?])?;
    Ok(())
}

/// Drops one; returns the names of its parts.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    session: i64,
    account: AccountId,
    id: UploadId,
    now: i64,
) -> Result<Vec<String>, StoreError> {
    sessions::require(tx, session, now)?;
    find(tx, account, id, now)?;
    let mut names = Vec::new();
    remove(tx, id, &mut names)?;
    Ok(names)
}

/// Removes one and what it counts for; notes the names of its parts.
pub(crate) fn remove(
    tx: &mut Tx<'_>,
    id: UploadId,
    names: &mut Vec<String>,
) -> Result<(), StoreError> {
    let held =
        tx.row(HELD_BY, values![&id], |row| Ok((row.at(0)?, row.at(1)?, Size::read(row, 2)?)))?;
    let Some((account, epoch, size)) = held else { return Ok(()) };
    take_parts(tx, TAKE_PARTS, values![&id], names)?;
    quota::give_back(tx, account, Some(epoch), size.held()?)?;
    tx.execute(REMOVE, values![&id])?;
    Ok(())
}

/// What all uploads of an epoch count for.
pub(crate) fn held(tx: &mut Tx<'_>, account: AccountId, epoch: EpochId) -> Result<i64, StoreError> {
    let sizes = tx.rows(OF_EPOCH, values![&account, &epoch], |row| Size::read(row, 0))?;
    sizes.into_iter().map(Size::held).sum()
}

/// Hands the parts of an upload to the blob of a commit.
pub(crate) fn consume(
    tx: &mut Tx<'_>,
    proposal: &Proposal,
    upload: UploadId,
    blob: &NewBlob,
) -> Result<(), StoreError> {
    let found = find(tx, proposal.account, upload, proposal.now)?;
    if found.epoch != proposal.epoch {
        return Err(StoreError::Gone);
    }
    if !found.size.is_whole() {
        return Err(UNFINISHED);
    }
    if (found.size.bytes, found.blake3) != (blob.bytes, Some(blob.blake3)) {
        return Err(StoreError::Invalid("the upload has another length or hash"));
    }
    tx.execute(MOVE_PARTS, values![&proposal.persona, proposal.version, &upload])?;
    tx.execute(REMOVE, values![&upload])?;
    Ok(())
}

fn find(tx: &mut Tx<'_>, account: AccountId, id: UploadId, now: i64) -> Result<Found, StoreError> {
    let found = tx.row(FIND, values![&id, &account, now], |row| {
        let (epoch, size) = (row.at(0)?, Size::read(row, 1)?);
        Ok(Found { epoch, size, blake3: row.at(4)?, expires_at: row.at(5)? })
    })?;
    found.ok_or(StoreError::Gone)
}

fn hold(
    tx: &mut Tx<'_>,
    account: AccountId,
    bytes: i64,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    quota::hold(tx, account, Change { bytes, ..Change::default() }, limits)
}

const UNFINISHED: StoreError = StoreError::Invalid("the upload is not whole yet");
