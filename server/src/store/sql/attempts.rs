//! OPRF evaluations: counted before they are made, finished at most once.

use keybackup_protocol::{AccountId, EpochId};
use sha2::{Digest as _, Sha256};

use super::{addresses, codes, devices, invites, starts};
use crate::store::tx::{Row, Tx, count, values};
use crate::store::{
    AddressTag, Bucket, CodePurpose, CodeTag, Credential, EpochChoice, FinishedLogin, NewAttempt,
    NewRegistration, NewReset, ProvenLogin, StoreError, StoreLimits,
};

/// The window in which a bucket's attempts are counted.
pub(crate) const WINDOW_S: i64 = 60 * 60;

/// The bucket of strangers, as rows hold it.
const STRANGERS: &[u8] = &[];

/// Stands in for the account of an unknown address, so that the same statements run for it. No
/// account has this id.
pub(crate) const NOBODY: AccountId = AccountId::from_bytes([0; 16]);

const ACCOUNT_OF: &str = "SELECT id FROM accounts WHERE address = $1";
const ENABLED_ACCOUNT_OF: &str =
    "SELECT id FROM accounts WHERE address = $1 AND disabled_at IS NULL";
// The first account from some place on, and the first of all: two looks into an index, whatever
// there is.
const NEXT_ACCOUNT: &str = "SELECT id FROM accounts WHERE id >= $1 ORDER BY id LIMIT 1";
const COUNT: &str = "SELECT COALESCE(SUM(evaluations), 0), COALESCE(MIN(opened_at), 0) \
    FROM attempts \
    WHERE address = $1 AND bucket = $2 AND opened_at > $3 AND finished_at IS NULL";
const OPEN: &str = "INSERT INTO attempts \
    (id, kind, address, bucket, opened_at, expires_at, evaluations, invite) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const CREDENTIAL: &str = "SELECT c.epoch_id, c.record, c.setup_id, c.generation \
    FROM accounts a JOIN credentials c ON c.account_id = a.id \
    AND c.epoch_id = COALESCE($1, a.current_epoch) AND c.kind = 'password' \
    JOIN epochs e ON e.account_id = a.id AND e.id = c.epoch_id AND e.closed_at IS NULL \
    WHERE a.id = $2 AND a.disabled_at IS NULL";
const FINISH_LOGIN: &str = "UPDATE attempts SET finished_at = $1, digest = $2 \
    WHERE id = $3 AND kind = 'login' AND finished_at IS NULL AND expires_at > $1 \
    AND address = (SELECT address FROM accounts WHERE id = $4)";
const FINISHED_WITH: &str = "SELECT digest FROM attempts \
    WHERE id = $1 AND kind = 'login' AND finished_at IS NOT NULL AND expires_at > $2";
const SAME_RECORD: &str = "SELECT c.generation FROM credentials c \
    JOIN accounts a ON a.id = c.account_id AND a.disabled_at IS NULL \
    JOIN epochs e ON e.account_id = c.account_id AND e.id = c.epoch_id AND e.closed_at IS NULL \
    WHERE c.account_id = $1 AND c.epoch_id = $2 AND c.kind = 'password' AND c.generation = $3";
const CREDENTIAL_BEFORE: &str = "SELECT c.epoch_id, c.record, c.setup_id, c.generation \
    FROM accounts a JOIN epochs now ON now.account_id = a.id AND now.id = a.current_epoch \
    JOIN epochs e ON e.account_id = a.id AND e.id = now.displaced AND e.closed_at IS NULL \
    JOIN credentials c ON c.account_id = a.id AND c.epoch_id = e.id AND c.kind = 'password' \
    WHERE a.id = $1 AND a.disabled_at IS NULL";
const OPENED: &str = "SELECT address, invite, digest FROM attempts \
    WHERE id = $1 AND kind = $2 AND expires_at > $3";
const FINISHED_RESET: &str = "SELECT id FROM attempts \
    WHERE address = $1 AND bucket = $2 AND kind = 'reset' AND finished_at IS NOT NULL";
const FINISH: &str = "UPDATE attempts SET finished_at = $1, digest = $2 \
    WHERE id = $3 AND kind = $4 AND digest IS NULL";

/// Counts and opens a login attempt, then finds the credential.
pub(crate) fn open_login(
    tx: &mut Tx<'_>,
    attempt: &NewAttempt,
    limits: &StoreLimits,
) -> Result<Option<Credential>, StoreError> {
    let found = account_of(tx, attempt.address)?;
    let account = found.unwrap_or(NOBODY);
    let cookie = match &attempt.bucket {
        Bucket::Strangers => STRANGERS,
        Bucket::Device(cookie) => cookie,
    };
    let known = devices::is_known(tx, account, cookie)?;
    // A device has its own allowance: one that is in wrong hands takes nothing from the others.
    let of_device = device_starts(attempt.address, cookie);
    let (bucket, who) = if known { (cookie, &of_device) } else { (STRANGERS, &attempt.network.0) };
    starts::count(tx, who, attempt.now, limits)?;
    devices::note_use(tx, account, cookie)?;
    let evaluations = attempt.evaluations;
    refuse_too_many(tx, attempt.address, bucket, evaluations, attempt.now, limits)?;
    tx.execute(
        OPEN,
        values![
            &attempt.id,
            "login",
            &attempt.address.0,
            bucket,
            attempt.now,
            attempt.expires_at,
            i64::from(evaluations),
            None::<&[u8]>
        ],
    )?;
    // Reading a record takes some microseconds, which would tell that there is one: where there is
    // none somebody else's is read, and left.
    let somebody = somebody(tx, attempt.address)?;
    let read = credential(tx, found.unwrap_or(somebody), attempt.epoch)?;
    Ok(read.filter(|_| found.is_some()))
}

/// Whose starts a known device's are.
fn device_starts(address: AddressTag, cookie: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(address.0).chain_update(cookie).finalize().into()
}

/// An account that an address leads to which has none, the same each time; nobody where there is no
/// account at all.
fn somebody(tx: &mut Tx<'_>, address: AddressTag) -> Result<AccountId, StoreError> {
    let place = address.0.first_chunk().map_or(NOBODY, |place| AccountId::from_bytes(*place));
    let next = tx.row(NEXT_ACCOUNT, values![&place], |row| row.at(0))?;
    let first = tx.row(NEXT_ACCOUNT, values![&NOBODY], |row| row.at(0))?;
    Ok(next.or(first).unwrap_or(NOBODY))
}

/// The credential of an account's epoch, if that opens.
fn credential(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochChoice,
) -> Result<Option<Credential>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(Credential {
            account,
            epoch: row.at(0)?,
            record: row.at(1)?,
            setup_id: row.at(2)?,
            generation: row.at(3)?,
        })
    };
    match epoch {
        EpochChoice::Current => tx.row(CREDENTIAL, values![None::<&[u8]>, &account], read),
        EpochChoice::Named(epoch) => {
            tx.row(CREDENTIAL, values![epoch.as_bytes().as_slice(), &account], read)
        }
        EpochChoice::Previous => tx.row(CREDENTIAL_BEFORE, values![&account], read),
    }
}

/// Whether a login was consumed just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// It was.
    New,
    /// This very request has consumed it before, and its answer was lost.
    Repeated,
}

/// Consumes a login with the request that it is for, unless that has.
pub(crate) fn accept(
    tx: &mut Tx<'_>,
    login: &ProvenLogin,
    now: i64,
) -> Result<Acceptance, StoreError> {
    if was_accepted(tx, login, now)? {
        return Ok(Acceptance::Repeated);
    }
    let ProvenLogin { attempt, digest, account, epoch, generation } = login;
    consume(tx, attempt, Some(digest), now, (*account, *epoch), *generation)?;
    Ok(Acceptance::New)
}

/// Whether this very request has consumed its login. The address that the attempt was counted for
/// may be another's by then.
pub(crate) fn was_accepted(
    tx: &mut Tx<'_>,
    login: &ProvenLogin,
    now: i64,
) -> Result<bool, StoreError> {
    let digest = tx.row(FINISHED_WITH, values![&login.attempt, now], |row| row.at(0))?.flatten();
    Ok(digest == Some(login.digest))
}

/// Consumes a login that ends in a session.
pub(crate) fn finish_login(tx: &mut Tx<'_>, login: &FinishedLogin) -> Result<(), StoreError> {
    let FinishedLogin { attempt, account, epoch, generation, now, .. } = login;
    consume(tx, attempt, None, *now, (*account, *epoch), *generation)
}

/// Consumes a login attempt, if its record is still the one that it began with.
fn consume(
    tx: &mut Tx<'_>,
    attempt: &[u8; 16],
    digest: Option<&[u8; 32]>,
    now: i64,
    (account, epoch): (AccountId, EpochId),
    generation: u64,
) -> Result<(), StoreError> {
    let finished = tx.execute(FINISH_LOGIN, values![now, digest, attempt, &account])?;
    let generation = count(generation)?;
    let same = tx.row(SAME_RECORD, values![&account, &epoch, generation], |_| Ok(()))?.is_some();
    if finished == 1 && same { Ok(()) } else { Err(StoreError::AttemptRefused) }
}

/// Counts and opens a registration attempt. Invitation and code are looked at before the address, so
/// that who has none learns nothing about addresses.
pub(crate) fn open_registration(
    tx: &mut Tx<'_>,
    registration: &NewRegistration,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    starts::count(tx, &registration.network.0, registration.now, limits)?;
    if let Some(invite) = &registration.invite {
        invites::check(tx, invite, registration.now)?;
    }
    if let Some(code) = &registration.confirmation {
        let (address, now) = (registration.address, registration.now);
        if !codes::check(tx, address, CodePurpose::Confirm, code, now)? {
            return Err(StoreError::CodeRefused);
        }
    }
    if addresses::is_taken(tx, registration.address, registration.holder, registration.now)? {
        return Err(StoreError::Taken);
    }
    // The strangers' bucket, shared with logins: the OPRF key of an address is the same before
    // and after it registers.
    refuse_too_many(tx, registration.address, STRANGERS, 1, registration.now, limits)?;
    tx.execute(
        OPEN,
        values![
            &registration.id,
            "registration",
            &registration.address.0,
            STRANGERS,
            registration.now,
            registration.expires_at,
            1,
            registration.invite.as_ref().map(|invite| &invite.0)
        ],
    )?;
    Ok(())
}

/// Counts and opens a reset: in a bucket of its code, which strangers can't fill.
pub(crate) fn open_reset(
    tx: &mut Tx<'_>,
    reset: &NewReset,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    refuse_too_many(tx, reset.address, &reset.code.0, 1, reset.now, limits)?;
    tx.execute(
        OPEN,
        values![
            &reset.id,
            "reset",
            &reset.address.0,
            &reset.code.0,
            reset.now,
            reset.expires_at,
            1,
            None::<&[u8]>
        ],
    )?;
    Ok(())
}

/// An attempt that has not expired, of what ends in an account or an epoch.
pub(crate) struct Opened {
    pub(crate) address: [u8; 32],
    pub(crate) invite: Option<[u8; 32]>,
    /// There once it was finished.
    pub(crate) digest: Option<[u8; 32]>,
}

/// Finds a registration attempt, finished or not.
pub(crate) fn registration(
    tx: &mut Tx<'_>,
    id: &[u8; 16],
    now: i64,
) -> Result<Option<Opened>, StoreError> {
    opened(tx, id, "registration", now)
}

/// Finds the attempt of a reset, finished or not.
pub(crate) fn reset(
    tx: &mut Tx<'_>,
    id: &[u8; 16],
    now: i64,
) -> Result<Option<Opened>, StoreError> {
    opened(tx, id, "reset", now)
}

fn opened(
    tx: &mut Tx<'_>,
    id: &[u8; 16],
    kind: &str,
    now: i64,
) -> Result<Option<Opened>, StoreError> {
    tx.row(OPENED, values![id, kind, now], |row| {
        Ok(Opened { address: row.at(0)?, invite: row.at(1)?, digest: row.at(2)? })
    })
}

/// Consumes a registration attempt and notes what it was finished with.
pub(crate) fn finish_registration(
    tx: &mut Tx<'_>,
    id: &[u8; 16],
    digest: &[u8; 32],
    now: i64,
) -> Result<(), StoreError> {
    finish(tx, id, "registration", digest, now)
}

/// Consumes the attempt of a reset and notes what it was finished with.
pub(crate) fn finish_reset(
    tx: &mut Tx<'_>,
    id: &[u8; 16],
    digest: &[u8; 32],
    now: i64,
) -> Result<(), StoreError> {
    finish(tx, id, "reset", digest, now)
}

/// Whether a code has made a reset already: attempts live longer than its code.
pub(crate) fn has_finished_reset(
    tx: &mut Tx<'_>,
    address: AddressTag,
    code: &CodeTag,
) -> Result<bool, StoreError> {
    let finished = tx.row(FINISHED_RESET, values![&address.0, &code.0], |_| Ok(()))?;
    Ok(finished.is_some())
}

fn finish(
    tx: &mut Tx<'_>,
    id: &[u8; 16],
    kind: &str,
    digest: &[u8; 32],
    now: i64,
) -> Result<(), StoreError> {
    match tx.execute(FINISH, values![now, digest, id, kind])? {
        1 => Ok(()),
        _ => Err(StoreError::AttemptRefused),
    }
}

/// The account with an address.
pub(crate) fn account_of(
    tx: &mut Tx<'_>,
    address: AddressTag,
) -> Result<Option<AccountId>, StoreError> {
    tx.row(ACCOUNT_OF, values![&address.0], |row| row.at(0))
}

/// The same, unless it is disabled: then it is as an unknown one.
pub(crate) fn enabled_account_of(
    tx: &mut Tx<'_>,
    address: AddressTag,
) -> Result<Option<AccountId>, StoreError> {
    tx.row(ENABLED_ACCOUNT_OF, values![&address.0], |row| row.at(0))
}

fn refuse_too_many(
    tx: &mut Tx<'_>,
    address: AddressTag,
    bucket: &[u8],
    evaluations: u8,
    now: i64,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    let (made, oldest) = tx
        .row(COUNT, values![&address.0, bucket, now - WINDOW_S], |row| {
            Ok((row.at::<u64>(0)?, row.at::<i64>(1)?))
        })?
        .unwrap_or_default();
    if made + u64::from(evaluations) <= limits.attempts_per_hour {
        return Ok(());
    }
    let retry_after_s = u64::try_from(oldest + WINDOW_S - now).unwrap_or(0).max(1);
    Err(StoreError::TooMany { retry_after_s })
}
