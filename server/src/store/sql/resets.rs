//! Resets: a mailed code, and the phrase of an epoch or else a new epoch. Nothing is removed.

use keybackup_protocol::api::{ProvenEpoch, SlotKind};
use keybackup_protocol::{AccountId, EpochId};

use super::epochs::{go_back, make_current};
use super::{accounts, attempts, codes, devices, epochs, outbox, passwords, sessions, starts};
use crate::store::tx::{Tx, count, values};
use crate::store::{CodePurpose, NewReset, OpenedReset, Reset, ResetWith, StoreError, StoreLimits};

/// Most epochs that mail alone makes in [`MAIL_WINDOW_S`].
const MAX_MAIL_EPOCHS: i64 = 3;
const MAIL_WINDOW_S: i64 = 30 * 24 * 60 * 60;

const GENERATION: &str = "SELECT generation FROM credentials \
    WHERE account_id = $1 AND epoch_id = $2 AND kind = 'password'";
const WOULD_LOCK: &str = "SELECT e.personas FROM accounts a JOIN epochs e \
    ON e.account_id = a.id AND e.id = a.current_epoch WHERE a.id = $1 AND e.closed_at IS NULL";
const BARRED_UNTIL: &str = "SELECT mail_reset_barred_until FROM accounts WHERE id = $1";
const BY_MAIL: &str = "SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM epochs \
    WHERE account_id = $1 AND origin = 'mail' AND created_at > $2";
const LOCKED_BYTES: &str = "SELECT CAST(COALESCE(SUM(e.held_bytes), 0) AS BIGINT) FROM epochs e \
    JOIN accounts a ON a.id = e.account_id \
    WHERE e.account_id = $1 AND e.id <> a.current_epoch AND e.closed_at IS NULL";
const UNCHANGED_SINCE: &str = "SELECT c.generation FROM accounts a JOIN credentials c \
    ON c.account_id = a.id AND c.epoch_id = a.current_epoch AND c.kind = 'password' \
    WHERE a.id = $1 AND a.current_epoch = $2 AND c.generation = $3";

/// Counts a start, checks code and phrase, and opens the attempt: all before the OPRF is evaluated.
/// What a wrong code has cost stays counted when this refuses.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    reset: &NewReset,
    limits: &StoreLimits,
) -> Result<OpenedReset, StoreError> {
    starts::count(tx, &reset.network.0, reset.now, limits)?;
    if !codes::check(tx, reset.address, CodePurpose::Reset, &reset.code, reset.now)? {
        return Err(StoreError::CodeRefused);
    }
    let account =
        attempts::enabled_account_of(tx, reset.address)?.ok_or(StoreError::CodeRefused)?;
    let proven = reset.phrase.map(|verifier| prove(tx, account, &verifier)).transpose()?;
    if proven.is_none() {
        refuse_barred(tx, account, reset.now, limits)?;
    }
    attempts::open_reset(tx, reset, limits)?;
    let would_lock = tx.row(WOULD_LOCK, values![&account], |row| row.at(0))?.unwrap_or(0);
    Ok(OpenedReset { account, would_lock, proven })
}

/// The epoch that a phrase's proof is of: the current one, or one that it has displaced.
fn prove(
    tx: &mut Tx<'_>,
    account: AccountId,
    verifier: &[u8; 32],
) -> Result<ProvenEpoch, StoreError> {
    let (epoch, current) =
        epochs::proven_by_phrase(tx, account, verifier)?.ok_or(StoreError::ProofRefused)?;
    let password_generation =
        tx.row(GENERATION, values![&account, &epoch], |row| row.at(0))?.ok_or(StoreError::Gone)?;
    let slots = accounts::slots(tx, account, epoch)?;
    let recovery_slot = slots.into_iter().find(|slot| slot.kind == SlotKind::Recovery);
    Ok(ProvenEpoch {
        epoch,
        current,
        password_generation,
        recovery_slot: recovery_slot.ok_or(StoreError::Gone)?,
        keyring: accounts::keyring(tx, account, epoch)?,
    })
}

/// Refuses a reset without phrase while the owner has barred them, or after too many.
fn refuse_barred(
    tx: &mut Tx<'_>,
    account: AccountId,
    now: i64,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    let until = tx.row(BARRED_UNTIL, values![&account], |row| row.at::<i64>(0))?.unwrap_or(0);
    let (made, oldest) = tx
        .row(BY_MAIL, values![&account, now - MAIL_WINDOW_S], |row| {
            Ok((row.at::<i64>(0)?, row.at::<i64>(1)?))
        })?
        .unwrap_or_default();
    let until = if made < MAX_MAIL_EPOCHS { until } else { until.max(oldest + MAIL_WINDOW_S) };
    if until > now {
        let wait_s = u64::try_from(until - now).unwrap_or(1);
        return Err(StoreError::ResetBarred { retry_after_s: Some(wait_s) });
    }
    let locked = tx.row(LOCKED_BYTES, values![&account], |row| row.at::<u64>(0))?.unwrap_or(0);
    if locked > limits.quota_bytes.saturating_mul(2) {
        return Err(StoreError::ResetBarred { retry_after_s: None });
    }
    Ok(())
}

/// Makes the reset and opens its session; or, when the same was asked before, opens the session
/// again.
pub(crate) fn finish(
    tx: &mut Tx<'_>,
    reset: &Reset,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    let attempt = attempts::reset(tx, &reset.attempt, reset.now)?
        .filter(|attempt| attempt.address == reset.address.0)
        .ok_or(StoreError::AttemptRefused)?;
    let epoch = epoch_of(&reset.with);
    match attempt.digest {
        None => make(tx, reset, limits)?,
        Some(digest) if digest == reset.digest => {
            refuse_if_changed_since(tx, reset)?;
            // Whose answer was lost, so that repeating doesn't heap sessions up.
            sessions::end_of_attempt(tx, reset.account, reset.session.device, &reset.attempt)?;
        }
        Some(_) => return Err(StoreError::AttemptRefused),
    }
    devices::note_login(tx, reset.account, &reset.session, reset.now)?;
    sessions::open(tx, reset.account, epoch, &reset.session, &reset.attempt, reset.now)
}

fn make(tx: &mut Tx<'_>, reset: &Reset, limits: &StoreLimits) -> Result<(), StoreError> {
    let (account, now) = (reset.account, reset.now);
    // Of two resets with one code, one is made.
    if attempts::has_finished_reset(tx, reset.address, &reset.code)? {
        return Err(StoreError::CodeRefused);
    }
    attempts::finish_reset(tx, &reset.attempt, &reset.digest, now)?;
    codes::forget(tx, reset.address, CodePurpose::Reset, &reset.code)?;
    if attempts::enabled_account_of(tx, reset.address)? != Some(account) {
        return Err(StoreError::AttemptRefused);
    }
    let current = epochs::current(tx, account)?;
    match &reset.with {
        ResetWith::Phrase { epoch, verifier, generation, record, slot } => {
            let proven = epochs::proven_by_phrase(tx, account, verifier)?;
            if proven.is_none_or(|(proven, _)| proven != *epoch) {
                return Err(StoreError::ProofRefused);
            }
            passwords::check(record, slot, *generation)?;
            passwords::replace(tx, account, *epoch, reset.setup_id, record, slot, now)?;
            sessions::revoke_all(tx, account)?;
            if current != *epoch {
                go_back(tx, account, *epoch, current, now)?;
            }
        }
        ResetWith::MailAlone(epoch) => {
            refuse_barred(tx, account, now, limits)?;
            accounts::check_epoch(epoch)?;
            let origin = accounts::Origin {
                name: "mail",
                setup_id: reset.setup_id,
                more_bytes: 0,
                displaces: Some(current),
            };
            accounts::add_epoch(tx, account, epoch, origin, now)?;
            make_current(tx, account, epoch.id, current)?;
        }
    }
    outbox::add_for_account(tx, account, &reset.mail, now)
}

const fn epoch_of(with: &ResetWith) -> EpochId {
    match with {
        ResetWith::Phrase { epoch, .. } => *epoch,
        ResetWith::MailAlone(epoch) => epoch.id,
    }
}

/// A repeated reset must not be a way around what was changed since.
fn refuse_if_changed_since(tx: &mut Tx<'_>, reset: &Reset) -> Result<(), StoreError> {
    let generation = match &reset.with {
        ResetWith::Phrase { slot, .. } => slot.generation,
        ResetWith::MailAlone(_) => 1,
    };
    let epoch = epoch_of(&reset.with);
    let values = values![&reset.account, &epoch, count(generation)?];
    tx.row(UNCHANGED_SINCE, values, |_| Ok(()))?.ok_or(StoreError::AttemptRefused)
}
