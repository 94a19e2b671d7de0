//! What is over: how it is found, and how its rows go.
//!
//! A version is *retained* while it is among the newest 20 of its persona, or was superseded
//! less than 30 days ago; of a persona removed over 30 days ago none is. A blob stays while a
//! retained version's label names it. Labels stay for ever.

use keybackup_protocol::{AccountId, PersonaId};

use super::attempts::{self, Acceptance};
use super::{addresses, epochs, sessions, uploads};
use crate::store::reserve::file_bytes;
use crate::store::tx::{Row, Tx, Value, count, values};
use crate::store::{PersonaPurge, ProvenLogin, StoreError};

/// How long a superseded version, or a removed persona, keeps its bytes.
pub(crate) const KEEP_S: i64 = 30 * 24 * 60 * 60;
/// How many of the newest versions keep theirs for ever.
const KEEP_VERSIONS: i64 = 20;
/// How many blobs or uploads one transaction of the sweep looks at: others wait for it.
const BATCH: i64 = 100;

const OVER_UPLOADS: &str = "SELECT id FROM uploads WHERE expires_at <= $1 LIMIT $2";

/// The blobs that are over: `$1` = now - `KEEP_S`, `$2` = `KEEP_VERSIONS`. What is locked goes
/// never by time, so only personas of current epochs are looked at.
///
/// Of the versions that name a blob, the newest is the last to be superseded, so that it alone
/// decides. Everything here is a step or twenty in an index, however many versions there are.
macro_rules! over_blobs {
    () => {
        "FROM blobs b \
        JOIN personas p ON p.account_id = b.account_id AND p.id = b.persona_id \
        JOIN accounts a ON a.id = p.account_id AND a.current_epoch = p.epoch_id \
        JOIN versions newest ON newest.account_id = p.account_id \
        AND newest.persona_id = p.id AND newest.version = p.version \
        WHERE ((p.removed = 1 AND newest.stored_at <= $1) OR NOT EXISTS ( \
          SELECT v.version FROM versions v \
          WHERE v.account_id = b.account_id AND v.persona_id = b.persona_id \
          AND v.version = (SELECT MAX(n.version) FROM versions n \
            WHERE n.account_id = b.account_id AND n.persona_id = b.persona_id \
            AND n.content_version = b.version) \
          AND ((SELECT n.stored_at FROM versions n WHERE n.account_id = v.account_id \
              AND n.persona_id = v.persona_id AND n.version > v.version \
              ORDER BY n.version LIMIT 1) > $1 \
            OR v.version >= COALESCE((SELECT n.version FROM versions n \
              WHERE n.account_id = v.account_id AND n.persona_id = v.persona_id \
              ORDER BY n.version DESC LIMIT 1 OFFSET $2 - 1), 0)))) "
    };
}
/// The last of the blobs that one search looks at.
const SEARCHED: &str = "SELECT account_id, persona_id, version FROM blobs \
    WHERE (account_id, persona_id, version) > ($1, $2, $3) \
    ORDER BY account_id, persona_id, version LIMIT 1 OFFSET $4";
const OVER_BLOBS: &str = concat!(
    "SELECT b.account_id, b.persona_id, b.version ",
    over_blobs!(),
    "AND (b.account_id, b.persona_id, b.version) > ($3, $4, $5) ",
    "AND (b.account_id, b.persona_id, b.version) <= ($6, $7, $8) ",
    "ORDER BY b.account_id, b.persona_id, b.version"
);
const STILL_OVER: &str = concat!(
    "SELECT b.bytes ",
    over_blobs!(),
    "AND b.account_id = $3 AND b.persona_id = $4 AND b.version = $5"
);
const FREE_BLOB: &str = "UPDATE epochs SET held_bytes = held_bytes - $1 \
    WHERE account_id = $2 AND id = (SELECT epoch_id FROM personas p \
    WHERE p.account_id = $2 AND p.id = $3)";
const BLOB_PARTS: &str = "DELETE FROM blob_parts \
    WHERE account_id = $1 AND persona_id = $2 AND version = $3 RETURNING name, bytes";
const BLOB: &str = "DELETE FROM blobs WHERE account_id = $1 AND persona_id = $2 AND version = $3";

const NEWEST: &str = "SELECT p.removed, v.content_version FROM personas p JOIN versions v \
    ON v.account_id = p.account_id AND v.persona_id = p.id AND v.version = p.version \
    WHERE p.account_id = $1 AND p.id = $2 AND p.epoch_id = $3";
const BLOBS_OF: &str = "SELECT version, bytes FROM blobs WHERE account_id = $1 AND persona_id = $2";

const NAMED_PARTS: &str = "SELECT COUNT(*) FROM blob_parts";
const NAMED: &str = "SELECT bytes FROM blob_parts WHERE name = $1";

/// Drops some expired uploads; returns the names of their parts, and whether there may be more.
pub(crate) fn drop_uploads(tx: &mut Tx<'_>, now: i64) -> Result<(Vec<String>, bool), StoreError> {
    let over = tx.rows(OVER_UPLOADS, values![now, BATCH], |row| row.at(0))?;
    let mut parts = Vec::new();
    for id in &over {
        uploads::remove(tx, *id, &mut parts)?;
    }
    Ok((parts, is_batch(over.len())))
}

/// Deletes the rows of parts; notes their names, and returns what they counted for.
pub(crate) fn take_parts(
    tx: &mut Tx<'_>,
    sql: &'static str,
    of: &[Value<'_>],
    names: &mut Vec<String>,
) -> Result<i64, StoreError> {
    let parts = tx.rows(sql, of, |row| Ok((row.at::<String>(0)?, row.at::<u64>(1)?)))?;
    let mut held = 0;
    for (name, bytes) in parts {
        names.push(name);
        held += count(file_bytes(bytes))?;
    }
    Ok(held)
}

/// Names a blob among all.
pub(crate) type BlobKey = (AccountId, PersonaId, u64);

/// Where a search for blobs that are over begins.
pub(crate) const START: BlobKey =
    (AccountId::from_bytes([0; 16]), PersonaId::from_bytes([0; 16]), 0);
/// Where it ends.
const END: BlobKey =
    (AccountId::from_bytes([0xff; 16]), PersonaId::from_bytes([0xff; 16]), u64::MAX);

/// Looks at some blobs, those after a given one; returns which of them retention no longer
/// keeps, and the last that was looked at, unless it was the last of all.
pub(crate) fn over_blobs(
    tx: &mut Tx<'_>,
    now: i64,
    after: BlobKey,
) -> Result<(Vec<BlobKey>, Option<BlobKey>), StoreError> {
    let key = |row: &Row<'_>| Ok((row.at(0)?, row.at(1)?, row.at(2)?));
    let (account, persona, version) = (after.0, after.1, row_version(after.2));
    let last = tx.row(SEARCHED, values![&account, &persona, version, BATCH - 1], key)?;
    let end = last.unwrap_or(END);
    let over = tx.rows(
        OVER_BLOBS,
        values![
            now - KEEP_S,
            KEEP_VERSIONS,
            &account,
            &persona,
            version,
            &end.0,
            &end.1,
            row_version(end.2)
        ],
        key,
    )?;
    Ok((over, last))
}

/// Drops those of the blobs that are still over; returns the names of their parts. What was
/// found in an older snapshot is looked at again, since a commit may have named it meanwhile.
pub(crate) fn drop_blobs(
    tx: &mut Tx<'_>,
    now: i64,
    found: &[BlobKey],
) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for (account, persona, version) in found {
        let blob = values![account, persona, row_version(*version)];
        let still = [values![now - KEEP_S, KEEP_VERSIONS].as_slice(), blob].concat();
        let Some(bytes) = tx.row(STILL_OVER, &still, |row| row.at::<i64>(0))? else { continue };
        drop_blob(tx, (*account, *persona, *version), bytes, &mut names)?;
    }
    Ok(names)
}

/// Drops bytes because their owner says so; returns the names of their parts, and whether there were
/// any.
pub(crate) fn purge(
    tx: &mut Tx<'_>,
    purge: &PersonaPurge,
) -> Result<(Vec<String>, bool), StoreError> {
    let (ProvenLogin { account, epoch, .. }, persona) = (purge.login, &purge.persona);
    sessions::require(tx, purge.session, purge.now)?;
    epochs::require_current(tx, account, epoch)?;
    if attempts::accept(tx, &purge.login, purge.now)? == Acceptance::Repeated {
        return Ok((Vec::new(), true));
    }
    addresses::refuse_while_undoable(tx, account, purge.now)?;
    let (removed, named) = tx
        .row(NEWEST, values![&account, persona, &epoch], |row| {
            Ok((row.at::<bool>(0)?, row.at::<Option<u64>>(1)?))
        })?
        .ok_or(StoreError::Gone)?;
    match purge.version {
        None if !removed => return Err(StoreError::Invalid("it is not removed")),
        Some(version) if named == Some(version) => {
            return Err(StoreError::Invalid("the newest version names these bytes"));
        }
        _ => {}
    }
    let blobs = tx.rows(BLOBS_OF, values![&account, persona], |row| {
        Ok((row.at::<u64>(0)?, row.at::<i64>(1)?))
    })?;
    let (mut names, mut any) = (Vec::new(), false);
    for (version, bytes) in blobs {
        if purge.version.is_none_or(|only| only == version) {
            drop_blob(tx, (account, *persona, version), bytes, &mut names)?;
            any = true;
        }
    }
    Ok((names, any))
}

fn drop_blob(
    tx: &mut Tx<'_>,
    (account, persona, version): BlobKey,
    bytes: i64,
    names: &mut Vec<String>,
) -> Result<(), StoreError> {
    let blob = values![&account, &persona, row_version(version)];
    let in_files = take_parts(tx, BLOB_PARTS, blob, names)?;
    tx.execute(BLOB, blob)?;
    let held = if in_files > 0 { in_files } else { bytes };
    tx.execute(FREE_BLOB, values![held, &account, &persona])?;
    Ok(())
}

/// How many parts rows name.
pub(crate) fn named_parts(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    Ok(tx.row(NAMED_PARTS, &[], |row| row.at(0))?.unwrap_or(0))
}

/// Those of the names that no row has.
pub(crate) fn unnamed(tx: &mut Tx<'_>, names: Vec<String>) -> Result<Vec<String>, StoreError> {
    let mut orphans = Vec::new();
    for name in names {
        if tx.row(NAMED, values![name.as_str()], |_| Ok(()))?.is_none() {
            orphans.push(name);
        }
    }
    Ok(orphans)
}

fn is_batch(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= BATCH)
}

fn row_version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus};

    use super::*;

    /// A persona of as many versions, all of which name the bytes of the first.
    fn renamed(versions: u32) -> Connection {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(include_str!("../schema.sql")).expect("makes the schema");
        connection.pragma_update(None, "foreign_keys", false).expect("sets");
        let sql = format!(
            "INSERT INTO accounts (id, address, sealed_address, current_epoch, created_at) \
               VALUES (zeroblob(16), x'', x'', x'', 0); \
             INSERT INTO personas (account_id, id, epoch_id, kind, version, removed, created_at) \
               VALUES (zeroblob(16), zeroblob(16), x'', 'directory', {versions}, 0, 0); \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {versions}) \
               INSERT INTO versions (account_id, persona_id, version, epoch_id, \
                 keyring_version, device_id, content_version, removed, stored_at, label) \
               SELECT zeroblob(16), zeroblob(16), i, x'', 1, x'', 1, 0, 0, x'' FROM n; \
             INSERT INTO blobs (account_id, persona_id, version, bytes, blake3) \
               VALUES (zeroblob(16), zeroblob(16), 1, 0, x'');"
        );
        connection.execute_batch(&sql).expect("inserts");
        connection
    }

    /// Steps of `SQLite`'s machine that the statement takes when all those versions are old.
    fn steps(versions: u32) -> i32 {
        let connection = renamed(versions);
        let zero = [0_u8; 16];
        let mut statement = connection.prepare(STILL_OVER).expect("prepares");
        let still: Option<i64> = statement
            .query_map(rusqlite::params![1, KEEP_VERSIONS, zero, zero, 1], |row| row.get(0))
            .expect("runs")
            .next()
            .transpose()
            .expect("reads");
        assert_eq!(still, None, "the newest version names it");
        statement.get_status(StatementStatus::VmStep)
    }

    #[test]
    fn looking_at_a_blob_costs_the_same_with_many_versions() {
        let (few, many) = (steps(100), steps(3000));
        assert!(many < 2 * few, "{few} steps with 100 versions, {many} with 3,000");
    }

    #[test]
    fn a_search_looks_at_some_blobs_and_goes_on_after_them() {
        let connection = renamed(1);
        let more = 2 * BATCH + 1;
        let sql = format!(
            "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n LIMIT {more}) \
             INSERT INTO blobs (account_id, persona_id, version, bytes, blake3) \
             SELECT zeroblob(16), zeroblob(16), i, 0, x'' FROM n"
        );
        connection.execute_batch(&sql).expect("inserts");
        let mut tx = Tx::on(&connection);
        let (mut found, mut after) = (0, Some(START));
        let mut searches = 0;
        while let Some(start) = after {
            let (over, last) = over_blobs(&mut tx, KEEP_S, start).expect("searches");
            assert!(over.len() <= 100, "{}", over.len());
            (found, after, searches) = (found + over.len(), last, searches + 1);
        }
        assert_eq!((i64::try_from(found).expect("fits"), searches), (more, 3));
    }
}
