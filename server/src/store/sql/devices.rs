//! Devices: their sealed records, and the cookies by which logins know them.

use keybackup_protocol::api::DeviceRecord;
use keybackup_protocol::limits::{MAX_LABEL_BYTES, MAX_ORDINAL};
use keybackup_protocol::{AccountId, DeviceId, EpochId};

use super::proposal::above;
use super::quota::{self, Change};
use crate::store::tx::{Row, Tx, count, length, values};
use crate::store::{NewSession, StoreError, StoreLimits};

/// Most devices of one account.
const MAX_DEVICES: i64 = 100;

const ADD: &str = "INSERT INTO devices \
    (account_id, id, cookie, revision, sealed, epoch_id, created_at, last_login_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
// The cookie that the device is known to have stays good until the new one is first used: an
// answer that was lost costs it nothing.
const NOTE_LOGIN: &str = "INSERT INTO devices \
    (account_id, id, cookie, revision, created_at, last_login_at) VALUES ($1, $2, $3, 0, $4, $4) \
    ON CONFLICT (account_id, id) \
    DO UPDATE SET previous_cookie = COALESCE(devices.previous_cookie, devices.cookie), \
    cookie = excluded.cookie, last_login_at = excluded.last_login_at";
// Two looks into an index each: one statement for both would go through all of the account's
// devices, and its time tell whether there are any.
const IS_NEWEST: &str = "SELECT created_at FROM devices WHERE account_id = $1 AND cookie = $2";
const IS_PREVIOUS: &str = "SELECT created_at FROM devices \
    WHERE account_id = $1 AND previous_cookie = $2";
const NOTE_USE: &str = "UPDATE devices SET previous_cookie = NULL \
    WHERE account_id = $1 AND cookie = $2";
const PUT: &str = "UPDATE devices SET revision = $1, sealed = $2, \
    epoch_id = (SELECT current_epoch FROM accounts WHERE accounts.id = $3) \
    WHERE account_id = $3 AND id = $4 AND revision < $1";
const ONE: &str = "SELECT id, revision, sealed FROM devices \
    WHERE account_id = $1 AND id = $2 AND sealed IS NOT NULL";
const STANDING: &str = "SELECT d.revision, COALESCE(LENGTH(d.sealed), 0), d.epoch_id, \
    a.current_epoch FROM devices d JOIN accounts a ON a.id = d.account_id \
    WHERE d.account_id = $1 AND d.id = $2";
const EXISTS: &str = "SELECT id FROM devices WHERE account_id = $1 AND id = $2";
// Those that no session uses go first, then those that have not logged in for longest. Whoever got in
// by the mailbox drives none out that is logged in to the epoch before.
const BEYOND: &str = "SELECT d.id, COALESCE(LENGTH(d.sealed), 0), d.epoch_id FROM devices d \
    WHERE d.account_id = $1 AND d.id <> $2 AND NOT EXISTS (SELECT s.id FROM sessions s \
    JOIN accounts a ON a.id = s.account_id WHERE s.account_id = d.account_id \
    AND s.device_id = d.id AND s.expires_at > $3 AND s.epoch_id <> a.current_epoch) \
    ORDER BY EXISTS (SELECT s.id FROM sessions s \
    WHERE s.account_id = d.account_id AND s.device_id = d.id AND s.expires_at > $3) DESC, \
    d.last_login_at DESC, d.id LIMIT $4 OFFSET $5";
const REMOVE: &str = "DELETE FROM devices WHERE account_id = $1 AND id = $2";
const SESSION_PERSONAS: &str = "DELETE FROM session_personas WHERE session_id IN \
    (SELECT id FROM sessions WHERE account_id = $1 AND device_id = $2)";
const SESSIONS: &str = "DELETE FROM sessions WHERE account_id = $1 AND device_id = $2";
const ALL: &str = "SELECT id, revision, sealed FROM devices \
    WHERE account_id = $1 AND sealed IS NOT NULL ORDER BY created_at, id";
const ALL_BYTES: &str = "SELECT COUNT(*), COALESCE(SUM(LENGTH(sealed)), 0) FROM devices \
    WHERE account_id = $1 AND sealed IS NOT NULL";

/// What a record counts for in the listing of devices beside what is sealed, in bytes of JSON.
const LISTED_ROW_BYTES: u64 = 128;

const TOO_FAR: StoreError = StoreError::Invalid("the revision is far above the one that stands");

/// Refuses a record that can't be right.
pub(crate) fn check(record: &DeviceRecord) -> Result<(), StoreError> {
    if record.revision == 0 {
        return Err(StoreError::Invalid("revisions of a device record count from 1"));
    }
    if record.revision > MAX_ORDINAL {
        return Err(TOO_FAR);
    }
    if record.sealed.0.len() > MAX_LABEL_BYTES {
        return Err(StoreError::Invalid("the device record is too large"));
    }
    Ok(())
}

/// Adds the device that registers.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    account: AccountId,
    record: &DeviceRecord,
    session: &NewSession,
    epoch: EpochId,
    now: i64,
) -> Result<(), StoreError> {
    let revision = above(0, record.revision)?.ok_or(TOO_FAR)?;
    let cookie = &session.device_cookie;
    let values = values![&account, &record.id, cookie, revision, &record.sealed, &epoch, now];
    tx.execute(ADD, values)?;
    Ok(())
}

/// Whether a cookie is of one of the account's devices. The same work whatever the answer.
pub(crate) fn is_known(
    tx: &mut Tx<'_>,
    account: AccountId,
    cookie: &[u8],
) -> Result<bool, StoreError> {
    let newest = tx.row(IS_NEWEST, values![&account, cookie], |_| Ok(()))?.is_some();
    let previous = tx.row(IS_PREVIOUS, values![&account, cookie], |_| Ok(()))?.is_some();
    Ok(newest | previous)
}

/// The newest cookie of a device, once shown, ends the one before it.
pub(crate) fn note_use(
    tx: &mut Tx<'_>,
    account: AccountId,
    cookie: &[u8],
) -> Result<(), StoreError> {
    tx.execute(NOTE_USE, values![&account, cookie])?;
    Ok(())
}

/// Whether an account has a row of a device.
pub(crate) fn exists(
    tx: &mut Tx<'_>,
    account: AccountId,
    device: DeviceId,
) -> Result<bool, StoreError> {
    Ok(tx.row(EXISTS, values![&account, &device], |_| Ok(()))?.is_some())
}

/// Makes or finds the row of a device that logs in, and keeps the hash of its new cookie.
pub(crate) fn note_login(
    tx: &mut Tx<'_>,
    account: AccountId,
    session: &NewSession,
    now: i64,
) -> Result<(), StoreError> {
    tx.execute(NOTE_LOGIN, values![&account, &session.device, &session.device_cookie, now])?;
    drop_beyond(tx, account, session.device, now)
}

/// Forgets devices beyond as many as an account may have, with their sessions. Refusing the
/// login instead would lock an owner out whose scripts log in as ever new devices.
fn drop_beyond(
    tx: &mut Tx<'_>,
    account: AccountId,
    but: DeviceId,
    now: i64,
) -> Result<(), StoreError> {
    let beyond =
        tx.rows(BEYOND, values![&account, &but, now, MAX_DEVICES, MAX_DEVICES - 1], |row| {
            Ok((row.at::<DeviceId>(0)?, row.at(1)?, row.at(2)?))
        })?;
    for (device, bytes, epoch) in beyond {
        tx.execute(SESSION_PERSONAS, values![&account, &device])?;
        tx.execute(SESSIONS, values![&account, &device])?;
        tx.execute(REMOVE, values![&account, &device])?;
        quota::give_back(tx, account, epoch, bytes)?;
    }
    Ok(())
}

/// Stores a record of a higher revision, of a device that has logged in.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    account: AccountId,
    record: &DeviceRecord,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    check(record)?;
    let (standing, held_bytes, epoch, current) = tx
        .row(STANDING, values![&account, &record.id], |row| {
            Ok((
                row.at::<i64>(0)?,
                row.at::<i64>(1)?,
                row.at::<Option<EpochId>>(2)?,
                row.at::<EpochId>(3)?,
            ))
        })?
        .ok_or(StoreError::Gone)?;
    let revision = count(record.revision)?;
    if revision > standing {
        above(standing, record.revision)?.ok_or(TOO_FAR)?;
    }
    if tx.execute(PUT, values![revision, &record.sealed, &account, &record.id])? == 0 {
        return Err(StoreError::Conflict);
    }
    let mut bytes = length(&record.sealed)?;
    if epoch == Some(current) {
        bytes -= held_bytes;
    } else {
        quota::give_back(tx, account, epoch, held_bytes)?;
    }
    quota::hold(tx, account, Change { bytes, ..Change::default() }, limits)
}

/// One device's record, if it has put one.
pub(crate) fn record(
    tx: &mut Tx<'_>,
    account: AccountId,
    device: DeviceId,
) -> Result<Option<DeviceRecord>, StoreError> {
    tx.row(ONE, values![&account, &device], read)
}

/// The records of an account.
pub(crate) fn records(
    tx: &mut Tx<'_>,
    account: AccountId,
) -> Result<Vec<DeviceRecord>, StoreError> {
    tx.rows(ALL, values![&account], read)
}

/// Most bytes of JSON that their list has.
pub(crate) fn records_bytes(tx: &mut Tx<'_>, account: AccountId) -> Result<u64, StoreError> {
    let records =
        tx.row(ALL_BYTES, values![&account], |row| Ok((row.at::<u64>(0)?, row.at::<u64>(1)?)))?;
    let (records, bytes) = records.unwrap_or_default();
    Ok((records + 1) * LISTED_ROW_BYTES + bytes.div_ceil(3) * 4)
}

fn read(row: &Row<'_>) -> Result<DeviceRecord, StoreError> {
    Ok(DeviceRecord { id: row.at(0)?, revision: row.at(1)?, sealed: row.at(2)? })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Neither reads the rows of an account's devices, so that no time tells how many there are.
    #[test]
    fn cookies_are_found_by_both_columns_of_an_index() {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(include_str!("../schema.sql")).expect("makes the schema");
        for sql in [IS_NEWEST, IS_PREVIOUS, NOTE_USE] {
            let plan: String = connection
                .query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [[0; 16], [0; 16]], |row| {
                    row.get(3)
                })
                .expect("explains");
            let both = plan.contains("(account_id=? AND cookie=?)")
                || plan.contains("(account_id=? AND previous_cookie=?)");
            assert!(both, "{plan}");
        }
    }

    /// A record is counted in the epoch in which it was put; an account goes on to others.
    #[test]
    fn a_record_counts_for_one_epoch() {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(include_str!("../schema.sql")).expect("makes the schema");
        connection.pragma_update(None, "foreign_keys", false).expect("sets");
        let (account, epoch) = (AccountId::from_bytes([0; 16]), |n| EpochId::from_bytes([n; 16]));
        let sql = "INSERT INTO accounts \
             (id, address, sealed_address, current_epoch, created_at) \
             VALUES (zeroblob(16), x'', x'', zeroblob(16), 0)";
        connection.execute(sql, []).expect("inserts");
        for n in 0..2 {
            let sql = "INSERT INTO epochs (account_id, id, origin, created_at, \
                 phrase_verifier, root_verifier, keyring_version, position) \
                 VALUES (zeroblob(16), $1, '', 0, x'', x'', 1, $2)";
            connection.execute(sql, rusqlite::params![epoch(n).as_bytes(), n]).expect("inserts");
        }
        let mut tx = Tx::on(&connection);
        let session = |n: u8| NewSession {
            token: crate::store::TokenHash([n; 32]),
            device: DeviceId::from_bytes([n; 16]),
            device_cookie: [n; 32],
            expires_at: 10,
            idle_ttl_s: 10,
        };
        let limits = StoreLimits {
            quota_bytes: 1 << 20,
            personas: 1,
            attempts_per_hour: 1,
            starts_per_hour: 1,
        };
        let record = |n: u8, revision, bytes| DeviceRecord {
            id: DeviceId::from_bytes([n; 16]),
            revision,
            sealed: vec![n; bytes].into(),
        };
        for n in 1..=2 {
            note_login(&mut tx, account, &session(n), i64::from(n)).expect("notes");
            put(&mut tx, account, &record(n, 1, 1000), &limits).expect("puts");
        }
        let held = |n: u8| -> i64 {
            let sql = "SELECT held_bytes FROM epochs WHERE id = $1";
            connection.query_row(sql, [epoch(n).as_bytes()], |row| row.get(0)).expect("is there")
        };
        assert_eq!((held(0), held(1)), (2000, 0));
        let next = "UPDATE accounts SET current_epoch = $1";
        connection.execute(next, [epoch(1).as_bytes()]).expect("updates");
        put(&mut tx, account, &record(1, 2, 300), &limits).expect("puts");
        assert_eq!((held(0), held(1)), (1000, 300));
        // Both are forgotten for newer ones.
        for n in 3..=102 {
            note_login(&mut tx, account, &session(n), i64::from(n)).expect("notes");
        }
        assert_eq!((held(0), held(1)), (0, 0));
    }
}
