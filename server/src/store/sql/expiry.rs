//! Rows that are over by time alone and own no bytes: they go some at a time, each time in a
//! transaction of its own, so that other writes come in between.

use keybackup_protocol::limits::REGISTRATION_TICKET_TTL_S;

use super::attempts::WINDOW_S;
use super::codes::REQUESTS_KEPT_S;
use crate::store::tx::{Tx, values};
use crate::store::{MAIL_TTL_S, StoreError};

/// Most rows that one transaction drops.
const BATCH: u16 = 500;

const ATTEMPTS: &str = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts \
    WHERE expires_at <= $1 AND opened_at <= $2 ORDER BY expires_at LIMIT $3)";
const EXPIRED_SESSIONS: &str =
    "SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";
const IDLE_SESSIONS: &str = "SELECT id FROM sessions WHERE last_used_at + idle_ttl_s <= $1 \
    ORDER BY last_used_at + idle_ttl_s LIMIT $2";
const SESSION_PERSONAS: &str = "DELETE FROM session_personas WHERE session_id = $1";
const SESSION: &str = "DELETE FROM sessions WHERE id = $1";
const INVITES: &str = "DELETE FROM invites WHERE id IN (SELECT id FROM invites \
    WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
const CODES: &str = "DELETE FROM codes WHERE (address, purpose) IN (SELECT address, purpose \
    FROM codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

const CODE_REQUESTS: &str = "DELETE FROM code_requests WHERE id IN (SELECT id FROM code_requests \
    WHERE made_at <= $1 ORDER BY made_at LIMIT $2)";
const FORMER_ADDRESSES: &str = "DELETE FROM former_addresses WHERE address IN \
    (SELECT address FROM former_addresses WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
const OUTBOX: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox \
    WHERE created_at <= $1 ORDER BY created_at LIMIT $2)";
const STARTS: &str = "DELETE FROM starts WHERE who IN (SELECT who FROM starts \
    WHERE empty_at_us <= $1 ORDER BY empty_at_us LIMIT $2)";

/// Drops some rows of one kind; returns whether there may be more.
pub(crate) type Drop = fn(&mut Tx<'_>, i64) -> Result<bool, StoreError>;

/// Every kind.
pub(crate) const KINDS: [Drop; 9] = [
    attempts,
    starts,
    expired_sessions,
    idle_sessions,
    invites,
    codes,
    code_requests,
    former_addresses,
    outbox,
];

fn attempts(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(ATTEMPTS, values![now, now - WINDOW_S, i64::from(BATCH)])? == usize::from(BATCH))
}

fn starts(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    let now_us = now.saturating_mul(1_000_000);
    Ok(tx.execute(STARTS, values![now_us, i64::from(BATCH)])? == usize::from(BATCH))
}

fn expired_sessions(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    sessions(tx, EXPIRED_SESSIONS, now)
}

fn idle_sessions(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    sessions(tx, IDLE_SESSIONS, now)
}

fn sessions(tx: &mut Tx<'_>, over: &'static str, now: i64) -> Result<bool, StoreError> {
    let over = tx.rows(over, values![now, i64::from(BATCH)], |row| row.at::<i64>(0))?;
    for id in &over {
        tx.execute(SESSION_PERSONAS, values![*id])?;
        tx.execute(SESSION, values![*id])?;
    }
    Ok(over.len() == usize::from(BATCH))
}

fn invites(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(INVITES, values![now, i64::from(BATCH)])? == usize::from(BATCH))
}

/// What was begun with a code while it held uses it up later.
fn codes(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    let values = values![now - REGISTRATION_TICKET_TTL_S, i64::from(BATCH)];
    Ok(tx.execute(CODES, values)? == usize::from(BATCH))
}

/// What is over here is free for everybody.
fn former_addresses(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    let values = values![now, i64::from(BATCH)];
    Ok(tx.execute(FORMER_ADDRESSES, values)? == usize::from(BATCH))
}

fn code_requests(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    let values = values![now - REQUESTS_KEPT_S, i64::from(BATCH)];
    Ok(tx.execute(CODE_REQUESTS, values)? == usize::from(BATCH))
}

/// A day later than who sends mail gives up and says so: where nobody sends any.
fn outbox(tx: &mut Tx<'_>, now: i64) -> Result<bool, StoreError> {
    let values = values![now - MAIL_TTL_S - 24 * 60 * 60, i64::from(BATCH)];
    Ok(tx.execute(OUTBOX, values)? == usize::from(BATCH))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Rows of every kind that end at 1000, twice as many as a batch and one more.
    fn crowded() -> Connection {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(include_str!("../schema.sql")).expect("makes the schema");
        connection.pragma_update(None, "foreign_keys", false).expect("sets");
        let insert = |table: &str, columns: &str, row: &str| {
            let sql = format!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) \
                 INSERT INTO {table} ({columns}) SELECT {row} FROM n",
                2 * BATCH + 1
            );
            connection.execute_batch(&sql).expect("inserts");
        };
        insert(
            "attempts",
            "id, kind, address, bucket, opened_at, expires_at",
            "CAST(i AS BLOB), 'login', x'', x'', 0, 1000",
        );
        insert(
            "sessions",
            "id, token_hash, account_id, epoch_id, device_id, attempt, kind, scope, once, created_at, \
             last_used_at, idle_ttl_s, expires_at",
            "i, CAST(i AS BLOB), x'', x'', x'', x'', 'session', 'full', 0, 0, 0, 5000, 1000",
        );
        insert("starts", "who, empty_at_us", "CAST(i AS BLOB), 1000000000");
        insert(
            "invites",
            "id, tag, created_at, expires_at, uses_left",
            "i, CAST(i AS BLOB), 0, 1000, 1",
        );
        insert(
            "codes",
            "address, purpose, tag, created_at, expires_at, tries_left",
            "CAST(i AS BLOB), '', x'', 0, 1000, 1",
        );
        connection
    }

    fn rows(connection: &Connection, table: &str) -> usize {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0)).expect("counts");
        usize::try_from(rows).expect("is a count")
    }

    #[test]
    fn goes_in_batches_and_in_the_end_entirely() {
        let connection = crowded();
        let tables = ["attempts", "starts", "sessions", "invites", "codes"];
        let drops = [attempts, starts, expired_sessions, invites, codes];
        for (table, drop) in tables.into_iter().zip(drops) {
            let mut tx = Tx::on(&connection);
            assert!(!drop(&mut tx, 999).expect("drops nothing"), "{table}");
            for left in [usize::from(BATCH) + 1, 1] {
                assert!(drop(&mut tx, 3600).expect("drops some"), "{table}");
                assert_eq!(rows(&connection, table), left, "{table}");
            }
            assert!(!drop(&mut tx, 3600).expect("drops the rest"), "{table}");
            assert_eq!(rows(&connection, table), 0, "{table}");
        }
    }

    #[test]
    fn idle_ones_are_found_by_an_index() {
        let connection = crowded();
        assert!(idle_sessions(&mut Tx::on(&connection), 5000).expect("drops some"));
        for sql in [EXPIRED_SESSIONS, IDLE_SESSIONS] {
            let plan: String = connection
                .query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [0, 0], |row| row.get(3))
                .expect("explains");
            assert!(plan.contains("USING INDEX") || plan.contains("COVERING INDEX"), "{plan}");
        }
    }
}
