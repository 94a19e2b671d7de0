//! How many registrations and logins one network may begin in an hour, and one known device of an
//! account: against guessing and flooding across many addresses, which the count against
//! each address does not see. An allowance fills up again evenly (a leaky bucket), and its row says
//! when it will be whole.

use crate::store::tx::{Tx, values};
use crate::store::{StoreError, StoreLimits};

const HOUR_US: i64 = 3_600_000_000;

// $2 is now, $3 what one start takes, $4 an hour from now, $5 the least that leaves no room. What
// lies beyond the hour was written before the clock was set back, and counts for nothing.
const FILL: &str = "INSERT INTO starts (who, empty_at_us) VALUES ($1, $2 + $3) \
    ON CONFLICT (who) DO UPDATE SET empty_at_us = $3 + CASE \
    WHEN starts.empty_at_us BETWEEN $2 AND $4 THEN starts.empty_at_us ELSE $2 END \
    WHERE starts.empty_at_us NOT BETWEEN $5 AND $4";
const EMPTY_AT: &str = "SELECT empty_at_us FROM starts WHERE who = $1";

/// Counts a start, or refuses it and says when to come again.
pub(crate) fn count(
    tx: &mut Tx<'_>,
    who: &[u8; 32],
    now: i64,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    take(tx, who, now, limits.starts_per_hour)
}

/// Takes one of so many an hour, or refuses it and says when to come again.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    who: &[u8; 32],
    now: i64,
    per_hour: u64,
) -> Result<(), StoreError> {
    let hour = HOUR_US.unsigned_abs() / per_hour.max(1);
    let interval_us = i64::try_from(hour).unwrap_or(HOUR_US).max(1);
    let now_us = now.saturating_mul(1_000_000);
    let end_us = now_us.saturating_add(HOUR_US);
    let full_us = end_us - interval_us + 1;
    if tx.execute(FILL, values![who, now_us, interval_us, end_us, full_us])? == 1 {
        return Ok(());
    }
    let empty_at_us = tx.row(EMPTY_AT, values![who], |row| row.at::<i64>(0))?.unwrap_or(end_us);
    let wait_us = (empty_at_us + interval_us - end_us).unsigned_abs();
    Err(StoreError::TooMany { retry_after_s: wait_us.div_ceil(1_000_000).max(1) })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn retry_after(result: Result<(), StoreError>) -> Option<u64> {
        match result {
            Ok(()) => None,
            Err(StoreError::TooMany { retry_after_s }) => Some(retry_after_s),
            Err(error) => panic!("{error}"),
        }
    }

    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(include_str!("../schema.sql")).expect("makes the schema");
        connection
    }

    const LIMITS: StoreLimits =
        StoreLimits { quota_bytes: 1, personas: 1, attempts_per_hour: 1, starts_per_hour: 3 };

    /// Holds rule 25.
    #[test]
    fn a_network_has_its_starts_and_gets_them_back() {
        let connection = database();
        let mut tx = Tx::on(&connection);
        let mut start = |who: u8, now| retry_after(count(&mut tx, &[who; 32], now, &LIMITS));
        for _ in 0..3 {
            assert_eq!(start(1, 1000), None);
        }
        assert_eq!(start(1, 1000), Some(1200));
        assert_eq!(start(2, 1000), None, "another's");
        assert_eq!(start(1, 2199), Some(1));
        assert_eq!(start(1, 2200), None);
        assert_eq!(start(1, 2200), Some(1200));
        assert_eq!(start(1, 1_000_000), None);
    }

    /// Holds rule 25.
    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let connection = database();
        let mut tx = Tx::on(&connection);
        let mut start = |now| retry_after(count(&mut tx, &[1; 32], now, &LIMITS));
        assert_eq!(start(1_000_000), None);
        for _ in 0..3 {
            assert_eq!(start(1000), None, "a new hour");
        }
        assert_eq!(start(1000), Some(1200));
    }
}
