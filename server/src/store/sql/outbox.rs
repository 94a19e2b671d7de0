//! Mail that waits to be sent. A row is written by the transaction that it tells of, so that
//! nothing happens untold, and nothing is told that did not happen.

use keybackup_protocol::AccountId;

use crate::store::tx::{Tx, values};
use crate::store::{QueuedMail, StoreError};

const ADD_FOR_ACCOUNT: &str = "INSERT INTO outbox (id, account_id, address, sealed_address, kind, \
    sealed_body, created_at, not_before, tries) \
    SELECT $1, id, address, sealed_address, $2, $3, $4, $4, 0 FROM accounts WHERE id = $5";

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
