//! Accounts as the operator sees them: listed, disabled, enabled.

use keybackup_protocol::AccountId;

use super::{addresses, attempts, sessions};
use crate::store::tx::{Row, Tx, values};
use crate::store::{AccountEntry, AccountName, Held, StoreError};

/// Accounts that one answer has.
const PAGE: i64 = 500;

macro_rules! entries {
    ($which:literal) => {
        concat!(
            "SELECT a.id, a.sealed_address, a.created_at, a.disabled_at, \
            (SELECT MAX(d.last_login_at) FROM devices d WHERE d.account_id = a.id), \
            COALESCE(c.personas, 0), COALESCE(c.held_bytes, 0), \
            c.closed_at, (SELECT MAX(e.purge_at) FROM epochs e WHERE e.account_id = a.id), \
            (SELECT CAST(COALESCE(SUM(e.personas), 0) AS BIGINT) FROM epochs e \
              WHERE e.account_id = a.id AND e.id <> a.current_epoch), \
            (SELECT CAST(COALESCE(SUM(e.held_bytes), 0) AS BIGINT) FROM epochs e \
              WHERE e.account_id = a.id AND e.id <> a.current_epoch) \
            FROM accounts a LEFT JOIN epochs c ON c.account_id = a.id AND c.id = a.current_epoch ",
            $which
        )
    };
}
const ENTRIES: &str = entries!("WHERE a.id > $1 ORDER BY a.id LIMIT $2");
const ENTRY: &str = entries!("WHERE a.id = $1");
const DISABLE: &str = "UPDATE accounts SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL";
const ENABLE: &str =
    "UPDATE accounts SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL";

/// Some accounts, those after a given one.
pub(crate) fn entries(
    tx: &mut Tx<'_>,
    after: Option<AccountId>,
) -> Result<Vec<AccountEntry>, StoreError> {
    // Nobody's id is the least, and no account has it.
    let after = after.unwrap_or(attempts::NOBODY);
    tx.rows(ENTRIES, values![&after, PAGE], read)
}

/// One account.
pub(crate) fn entry(
    tx: &mut Tx<'_>,
    name: AccountName,
) -> Result<Option<AccountEntry>, StoreError> {
    let account = match name {
        AccountName::Id(account) => Some(account),
        AccountName::Address(address) => attempts::account_of(tx, address)?,
    };
    let entry = account.map(|account| tx.row(ENTRY, values![&account], read)).transpose()?;
    Ok(entry.flatten())
}

fn read(row: &Row<'_>) -> Result<AccountEntry, StoreError> {
    Ok(AccountEntry {
        account: row.at(0)?,
        sealed_address: row.at(1)?,
        created_at: row.at(2)?,
        disabled_at: row.at(3)?,
        last_login_at: row.at(4)?,
        held: Held { personas: row.at(5)?, bytes: row.at(6)? },
        closed_at: row.at(7)?,
        purge_at: row.at(8)?,
        locked: Held { personas: row.at(9)?, bytes: row.at(10)? },
    })
}

/// Disables an account and ends its sessions.
pub(crate) fn disable(tx: &mut Tx<'_>, account: AccountId, now: i64) -> Result<bool, StoreError> {
    let disabled = tx.execute(DISABLE, values![now, &account])? == 1;
    sessions::revoke_all(tx, account)?;
    Ok(disabled)
}

/// Enables it again.
pub(crate) fn enable(tx: &mut Tx<'_>, account: AccountId, now: i64) -> Result<bool, StoreError> {
    let enabled = tx.execute(ENABLE, values![&account])? == 1;
    if enabled {
        addresses::prolong(tx, account, now)?;
    }
    Ok(enabled)
}
