//! Mailed codes: one live code for an address and a purpose, with some tries.

use subtle::ConstantTimeEq as _;

use super::{addresses, attempts, outbox, starts};
use crate::store::tx::{Tx, values};
use crate::store::{AddressTag, CodePurpose, CodeTag, NewCode, StoreError};

const PUT: &str = "INSERT INTO codes (address, purpose, tag, created_at, expires_at, tries_left) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (address, purpose) DO UPDATE SET \
    tag = excluded.tag, created_at = excluded.created_at, expires_at = excluded.expires_at, \
    tries_left = excluded.tries_left";
const REQUESTED: &str = "INSERT INTO code_requests (id, address, made_at) VALUES ($1, $2, $3)";
// What was written before the clock was set back counts for nothing.
const REQUESTS: &str = "SELECT COUNT(*) FROM code_requests \
    WHERE address = $1 AND made_at > $2 AND made_at <= $3";
const LIVE: &str = "SELECT tag FROM codes \
    WHERE address = $1 AND purpose = $2 AND expires_at > $3 AND tries_left > 0";
const MISS: &str = "UPDATE codes SET tries_left = tries_left - 1 \
    WHERE address = $1 AND purpose = $2 AND tries_left > 0";
const FORGET: &str = "DELETE FROM codes WHERE address = $1 AND purpose = $2 AND tag = $3";

/// Wrong tries that a code bears.
const TRIES: i64 = 5;

/// Codes that one address is mailed: so many in so many seconds.
const ADDRESS_LIMITS: [(i64, u64); 3] = [(2 * 60, 1), (60 * 60, 3), (REQUESTS_KEPT_S, 6)];
/// Codes an hour that one network may ask for, and all together.
const NETWORK_PER_HOUR: u64 = 60;
const ALL_PER_HOUR: u64 = 2_000;
/// Who all are, among those who are counted; no keyed hash is this.
const ALL: [u8; 32] = *b"all codes that are asked for    ";
/// How long it is remembered that one was asked for.
pub(crate) const REQUESTS_KEPT_S: i64 = 24 * 60 * 60;

/// Makes a code the live one of its address, and queues its letter, or the other one where the code
/// is of no use; nothing of that when too many were asked for, which nobody is told.
pub(crate) fn request(tx: &mut Tx<'_>, code: &NewCode) -> Result<(), StoreError> {
    // A disabled account can't be reset, and its address is taken all the same.
    let is_known = match code.purpose {
        CodePurpose::Reset => attempts::enabled_account_of(tx, code.address)?.is_some(),
        CodePurpose::Confirm | CodePurpose::UndoAddress => {
            addresses::is_taken(tx, code.address, None, code.now)?
        }
    };
    if !may_ask(tx, code)? {
        return Ok(());
    }
    tx.execute(REQUESTED, values![&code.id, &code.address.0, code.now])?;
    put(tx, code.address, code.purpose, &code.tag, code.now, code.expires_at)?;
    let is_useful = match code.purpose {
        CodePurpose::Confirm => !is_known,
        CodePurpose::Reset | CodePurpose::UndoAddress => is_known,
    };
    let (mail, to): (_, &[u8]) = match &code.otherwise {
        _ if is_useful => (&code.mail, &code.sealed_address),
        Some(otherwise) => (otherwise, &code.sealed_address),
        None => (&code.mail, &[]),
    };
    outbox::add(tx, code.address, to, mail, code.now)
}

/// Whether there is room in all limits. What an address lacks has counted for network and all.
fn may_ask(tx: &mut Tx<'_>, code: &NewCode) -> Result<bool, StoreError> {
    for (who, per_hour) in [(&code.network.0, NETWORK_PER_HOUR), (&ALL, ALL_PER_HOUR)] {
        match starts::take(tx, who, code.now, per_hour) {
            Ok(()) => {}
            Err(StoreError::TooMany { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    for (seconds, most) in ADDRESS_LIMITS {
        let since = values![&code.address.0, code.now - seconds, code.now];
        if tx.row(REQUESTS, since, |row| row.at::<u64>(0))?.unwrap_or(0) >= most {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a code the live one; the one before holds no longer.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    address: AddressTag,
    purpose: CodePurpose,
    tag: &CodeTag,
    now: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    let values = values![&address.0, purpose.name(), &tag.0, now, expires_at, TRIES];
    tx.execute(PUT, values)?;
    Ok(())
}

/// Whether it is the live code; a wrong one takes a try, which must be kept whatever becomes of the
/// request. The right one holds on. One that is too long to be guessed has tries without end.
pub(crate) fn check(
    tx: &mut Tx<'_>,
    address: AddressTag,
    purpose: CodePurpose,
    tag: &CodeTag,
    now: i64,
) -> Result<bool, StoreError> {
    let live =
        tx.row(LIVE, values![&address.0, purpose.name(), now], |row| row.at::<[u8; 32]>(0))?;
    let right = live.is_some_and(|live| live.ct_eq(&tag.0).into());
    if !right && purpose != CodePurpose::UndoAddress {
        tx.execute(MISS, values![&address.0, purpose.name()])?;
    }
    Ok(right)
}

/// Ends a code that was used. That it is used once is for the attempts to say that [`check`] let
/// begin: a stranger may have had it replaced since, or its time run out.
pub(crate) fn forget(
    tx: &mut Tx<'_>,
    address: AddressTag,
    purpose: CodePurpose,
    tag: &CodeTag,
) -> Result<(), StoreError> {
    tx.execute(FORGET, values![&address.0, purpose.name(), &tag.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    const ALICE: AddressTag = AddressTag([1; 32]);
    const BOB: AddressTag = AddressTag([2; 32]);
    const RESET: CodePurpose = CodePurpose::Reset;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(include_str!("../schema.sql")).expect("makes the schema");
        connection
    }

    /// Holds rule 27.
    #[test]
    fn a_code_bears_five_wrong_tries_until_it_is_over() {
        let connection = database();
        let mut tx = Tx::on(&connection);
        let (right, wrong) = (CodeTag([7; 32]), CodeTag([8; 32]));
        put(&mut tx, ALICE, RESET, &right, 0, 900).expect("puts");
        for _ in 0..4 {
            assert!(!check(&mut tx, ALICE, RESET, &wrong, 10).expect("checks"));
        }
        assert!(check(&mut tx, ALICE, RESET, &right, 10).expect("checks"));
        assert!(!check(&mut tx, BOB, RESET, &right, 10).expect("checks"));
        assert!(!check(&mut tx, ALICE, CodePurpose::Confirm, &right, 10).expect("checks"));
        assert!(!check(&mut tx, ALICE, RESET, &wrong, 10).expect("checks"), "the fifth");
        assert!(!check(&mut tx, ALICE, RESET, &right, 10).expect("checks"), "it is over");

        put(&mut tx, ALICE, RESET, &right, 20, 920).expect("puts");
        assert!(check(&mut tx, ALICE, RESET, &right, 919).expect("checks"));
        assert!(!check(&mut tx, ALICE, RESET, &right, 920).expect("checks"));
        forget(&mut tx, ALICE, RESET, &wrong).expect("forgets another");
        assert!(check(&mut tx, ALICE, RESET, &right, 919).expect("checks"));
        forget(&mut tx, ALICE, RESET, &right).expect("forgets");
        assert!(!check(&mut tx, ALICE, RESET, &right, 919).expect("checks"));
    }

    /// Holds rule 27.
    #[test]
    fn a_new_code_ends_the_one_before() {
        let connection = database();
        let mut tx = Tx::on(&connection);
        let (old, new) = (CodeTag([7; 32]), CodeTag([8; 32]));
        put(&mut tx, ALICE, RESET, &old, 0, 900).expect("puts");
        put(&mut tx, ALICE, RESET, &new, 1, 901).expect("puts");
        assert!(!check(&mut tx, ALICE, RESET, &old, 2).expect("checks"));
        forget(&mut tx, ALICE, RESET, &old).expect("is none");
        assert!(check(&mut tx, ALICE, RESET, &new, 2).expect("checks"));
    }
}
