//! Mail that waits to be sent. A row is written by the transaction that it tells of, so that
//! nothing happens untold, and nothing is told that did not happen.

use keybackup_protocol::AccountId;

use super::attempts::NOBODY;
use crate::store::tx::{Tx, values};
use crate::store::{AddressTag, QueuedMail, StoreError, WaitingMail};

const ADD_FOR_ACCOUNT: &str = "INSERT INTO outbox (id, account_id, address, sealed_address, kind, \
    sealed_body, created_at, not_before, tries) \
    SELECT $1, id, address, sealed_address, $2, $3, $4, $4, 0 FROM accounts WHERE id = $5";

const ADD: &str = "INSERT INTO outbox (id, account_id, address, sealed_address, kind, \
    sealed_body, created_at, not_before, tries) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0)";
const NEXT_AT: &str = "SELECT MIN(not_before) FROM outbox";
const DUE: &str = "SELECT id, account_id, sealed_address, sealed_body, created_at, tries + 1 \
    FROM outbox WHERE not_before <= $1 ORDER BY not_before LIMIT 1";
const CLAIM: &str = "UPDATE outbox SET not_before = $1, tries = tries + 1 \
    WHERE id = $2 AND not_before <= $3";
const FORGET: &str = "DELETE FROM outbox WHERE id = $1";
const PUT_OFF: &str = "UPDATE outbox SET not_before = $1, last_error = $2 WHERE id = $3";

/// Queues mail to an address, sealed for nobody's account; an empty one is to nobody.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    address: AddressTag,
    sealed_address: &[u8],
    mail: &QueuedMail,
    now: i64,
) -> Result<(), StoreError> {
    let body = mail.sealed_body.as_slice();
    let values = values![&mail.id, &NOBODY, &address.0, sealed_address, mail.kind, body, now];
    tx.execute(ADD, values)?;
    Ok(())
}

/// Takes the mail that has been due for longest, until `until`.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    now: i64,
    until: i64,
) -> Result<Option<WaitingMail>, StoreError> {
    let due = tx.row(DUE, values![now], |row| {
        Ok(WaitingMail {
            id: row.at(0)?,
            account: row.at(1)?,
            sealed_address: row.at(2)?,
            sealed_body: row.at(3)?,
            created_at: row.at(4)?,
            tries: row.at(5)?,
        })
    })?;
    match due {
        Some(mail) if tx.execute(CLAIM, values![until, &mail.id, now])? == 1 => Ok(Some(mail)),
        _ => Ok(None),
    }
}

/// When the next mail is due.
pub(crate) fn next_at(tx: &mut Tx<'_>) -> Result<Option<i64>, StoreError> {
    Ok(tx.row(NEXT_AT, values![], |row| row.at::<Option<i64>>(0))?.flatten())
}

/// Forgets mail.
pub(crate) fn forget(tx: &mut Tx<'_>, id: &[u8; 16]) -> Result<(), StoreError> {
    tx.execute(FORGET, values![id])?;
    Ok(())
}

/// Puts mail off, and notes why.
pub(crate) fn put_off(
    tx: &mut Tx<'_>,
    id: &[u8; 16],
    not_before: i64,
    why: &str,
) -> Result<(), StoreError> {
    tx.execute(PUT_OFF, values![not_before, why, id])?;
    Ok(())
}

/// Queues mail to the owner of an account, at the address that it has now.
pub(crate) fn add_for_account(
    tx: &mut Tx<'_>,
    account: AccountId,
    mail: &QueuedMail,
    now: i64,
) -> Result<(), StoreError> {
    let values = values![&mail.id, mail.kind, mail.sealed_body.as_slice(), now, &account];
    match tx.execute(ADD_FOR_ACCOUNT, values)? {
        1 => Ok(()),
        _ => Err(StoreError::Gone),
    }
}
