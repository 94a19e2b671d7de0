//! Accounts and what an epoch begins with: record, slots, verifiers, keyring, index.

use keybackup_protocol::api::{AccountAnswer, Keyring, NewEpoch, PasswordFacts, Slot, SlotKind};
use keybackup_protocol::limits::{MAX_INDEX_BYTES, MAX_KEYRING_BYTES, MAX_SLOT_BYTES};
use keybackup_protocol::suite::{RECORD_LEN, SUITE};
use keybackup_protocol::{AccountId, EpochId};

use super::{addresses, attempts, codes, devices, invites, sessions};
use crate::store::tx::{Tx, count, length, values};
use crate::store::{CodePurpose, InviteTag, NewAccount, REQUIRED_SLOTS, StoreError, StoreLimits};

const SCHEMA: &str = "SELECT number FROM meta WHERE name = 'schema'";
const PROBE: &str = "INSERT INTO meta (name, number) VALUES ('probe', 1) \
    ON CONFLICT (name) DO UPDATE SET number = meta.number + 1";
const ADD_ACCOUNT: &str = "INSERT INTO accounts \
    (id, address, sealed_address, current_epoch, created_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT DO NOTHING";
const ADD_EPOCH: &str = "INSERT INTO epochs (account_id, id, origin, created_at, \
    phrase_verifier, root_verifier, keyring_version, held_bytes, listed_bytes, displaced, position) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, COALESCE(MAX(position), 0) + 1 FROM epochs \
    WHERE account_id = $1 ON CONFLICT DO NOTHING";
const ADD_CREDENTIAL: &str = "INSERT INTO credentials (account_id, epoch_id, kind, device_id, \
    suite, setup_id, generation, record, created_at) \
    VALUES ($1, $2, 'password', $3, $4, $5, 1, $6, $7)";
const ADD_SLOT: &str = "INSERT INTO slots (account_id, epoch_id, kind, generation, sealed) \
    VALUES ($1, $2, $3, $4, $5)";
const ADD_KEYRING: &str = "INSERT INTO keyrings (account_id, epoch_id, version, sealed, stored_at) \
    VALUES ($1, $2, $3, $4, $5)";
const ADD_INDEX: &str = "INSERT INTO indexes \
    (account_id, epoch_id, counter, keyring_version, sealed, stored_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const UNCHANGED_SINCE: &str = "SELECT c.generation FROM accounts a JOIN credentials c \
    ON c.account_id = a.id AND c.epoch_id = $1 AND c.kind = 'password' \
    JOIN epochs e ON e.account_id = a.id AND e.id = $1 AND e.closed_at IS NULL \
    WHERE a.id = $2 AND a.current_epoch = $1 AND a.disabled_at IS NULL AND c.generation = 1";
const KEYRING: &str = "SELECT k.version, k.sealed FROM epochs e JOIN keyrings k \
    ON k.account_id = e.account_id AND k.epoch_id = e.id AND k.version = e.keyring_version \
    WHERE e.account_id = $1 AND e.id = $2";
const FACTS: &str = "SELECT a.created_at, c.generation, c.created_at, e.held_bytes, e.personas, \
    a.current_epoch, s.generation \
    FROM accounts a JOIN epochs e ON e.account_id = a.id AND e.id = $1 \
    JOIN credentials c ON c.account_id = a.id AND c.epoch_id = e.id AND c.kind = 'password' \
    JOIN slots s ON s.account_id = a.id AND s.epoch_id = e.id AND s.kind = 'recovery' \
    WHERE a.id = $2";
const SLOTS: &str = "SELECT kind, generation, sealed FROM slots \
    WHERE account_id = $1 AND epoch_id = $2 ORDER BY kind";

/// Makes an account with its first epoch, device and session; or, when the same was asked
/// before, opens the session again.
pub(crate) fn register(tx: &mut Tx<'_>, new: &NewAccount) -> Result<(), StoreError> {
    let attempt = attempts::registration(tx, &new.attempt, new.now)?
        .filter(|attempt| attempt.address == new.address.0)
        .ok_or(StoreError::AttemptRefused)?;
    match attempt.digest {
        None => make(tx, new, attempt.invite)?,
        Some(digest) if digest == new.digest => {
            refuse_if_changed_since(tx, new)?;
            // Whose answer was lost, so that repeating doesn't heap sessions up.
            sessions::end_of_attempt(tx, new.account, new.session.device, &new.attempt)?;
        }
        Some(_) => return Err(StoreError::AttemptRefused),
    }
    devices::note_login(tx, new.account, &new.session, new.now)?;
    sessions::open(tx, new.account, new.epoch.id, &new.session, &new.attempt, new.now)
}

fn make(tx: &mut Tx<'_>, new: &NewAccount, invite: Option<[u8; 32]>) -> Result<(), StoreError> {
    if new.account == attempts::NOBODY {
        return Err(StoreError::Invalid("an account id is random"));
    }
    check_epoch(&new.epoch)?;
    devices::check(&new.device)?;
    if new.device.id != new.session.device {
        return Err(StoreError::Invalid("the session is for another device"));
    }
    attempts::finish_registration(tx, &new.attempt, &new.digest, new.now)?;
    let values = values![
        &new.account,
        &new.address.0,
        new.sealed_address.as_slice(),
        &new.epoch.id,
        new.now
    ];
    let taken = addresses::is_taken(tx, new.address, None, new.now)?;
    if taken || tx.execute(ADD_ACCOUNT, values)? == 0 {
        return Err(StoreError::Taken);
    }
    if let Some(code) = &new.confirmation {
        // Used once, since an address has one account.
        codes::forget(tx, new.address, CodePurpose::Confirm, code)?;
    }
    if let Some(tag) = invite {
        invites::spend(tx, &InviteTag(tag), new.now)?;
    }
    let origin = Origin {
        name: "registration",
        setup_id: new.setup_id,
        more_bytes: length(&new.device.sealed)?,
        displaces: None,
    };
    add_epoch(tx, new.account, &new.epoch, origin, new.now)?;
    devices::add(tx, new.account, &new.device, &new.session, new.epoch.id, new.now)
}

/// Where an epoch comes from.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    /// As rows hold it.
    pub(crate) name: &'static str,
    /// AKE key pair that its record was made with.
    pub(crate) setup_id: u32,
    /// What it holds besides its index.
    pub(crate) more_bytes: i64,
    /// The epoch that it displaces.
    pub(crate) displaces: Option<EpochId>,
}

/// Adds an epoch to an account: record, slots, keyring and index.
pub(crate) fn add_epoch(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: &NewEpoch,
    origin: Origin,
    now: i64,
) -> Result<(), StoreError> {
    let version = count(epoch.keyring.version)?;
    let listed_bytes = length(&epoch.index.sealed)?;
    let added = tx.execute(
        ADD_EPOCH,
        values![
            &account,
            &epoch.id,
            origin.name,
            now,
            &epoch.phrase_verifier,
            &epoch.root_verifier,
            version,
            listed_bytes + origin.more_bytes,
            listed_bytes,
            origin.displaces.as_ref()
        ],
    )?;
    if added != 1 {
        return Err(StoreError::Conflict);
    }
    let no_device: &[u8] = &[];
    let (suite, setup) = (i64::from(SUITE), i64::from(origin.setup_id));
    let record = values![&account, &epoch.id, no_device, suite, setup, &epoch.record, now];
    tx.execute(ADD_CREDENTIAL, record)?;
    for slot in &epoch.slots {
        let generation = count(slot.generation)?;
        let values = values![&account, &epoch.id, slot_name(slot.kind), generation, &slot.sealed];
        tx.execute(ADD_SLOT, values)?;
    }
    tx.execute(ADD_KEYRING, values![&account, &epoch.id, version, &epoch.keyring.sealed, now])?;
    let counter = count(epoch.index.counter)?;
    let index = values![&account, &epoch.id, counter, version, &epoch.index.sealed, now];
    tx.execute(ADD_INDEX, index)?;
    Ok(())
}

/// A repeated registration must not be a way around a password that was changed since.
fn refuse_if_changed_since(tx: &mut Tx<'_>, new: &NewAccount) -> Result<(), StoreError> {
    tx.row(UNCHANGED_SINCE, values![&new.epoch.id, &new.account], |_| Ok(()))?
        .ok_or(StoreError::AttemptRefused)
}

/// Refuses an epoch that is incomplete, or too large.
pub(crate) fn check_epoch(epoch: &NewEpoch) -> Result<(), StoreError> {
    let holds = |truth, what| if truth { Ok(()) } else { Err(StoreError::Invalid(what)) };
    holds(epoch.record.0.len() == RECORD_LEN, "the record has another length")?;
    holds(epoch.phrase_verifier.0.len() == 32, "the phrase verifier has another length")?;
    holds(epoch.root_verifier.0.len() == 32, "the root verifier has another length")?;
    holds(epoch.keyring.version == 1, "the first keyring has version 1")?;
    holds(epoch.keyring.sealed.0.len() <= MAX_KEYRING_BYTES, "the keyring is too large")?;
    holds(epoch.index.counter == 1, "the first index has counter 1")?;
    holds(epoch.index.sealed.0.len() <= MAX_INDEX_BYTES, "the index is too large")?;
    holds(
        epoch.slots.len() == REQUIRED_SLOTS.len()
            && REQUIRED_SLOTS.iter().all(|kind| epoch.slots.iter().any(|slot| slot.kind == *kind)),
        "an epoch has one password slot and one recovery slot",
    )?;
    holds(epoch.slots.iter().all(|slot| slot.generation == 1), "first slots have generation 1")?;
    holds(
        epoch.slots.iter().all(|slot| slot.sealed.0.len() <= MAX_SLOT_BYTES),
        "a slot is too large",
    )
}

/// Writes a row, as looking for one does not tell whether the disk takes any more.
pub(crate) fn probe(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute(PROBE, &[])?;
    Ok(())
}

/// Looks whether there are rows at all.
pub(crate) fn look(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.row(SCHEMA, &[], |row| row.at::<i64>(0))?.ok_or(StoreError::Gone)?;
    Ok(())
}

/// The newest keyring of an epoch.
pub(crate) fn keyring(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
) -> Result<Keyring, StoreError> {
    tx.row(KEYRING, values![&account, &epoch], |row| {
        Ok(Keyring { version: row.at(0)?, sealed: row.at(1)? })
    })?
    .ok_or(StoreError::Gone)
}

/// What is known of an account, in one of its epochs.
pub(crate) fn facts(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    limits: &StoreLimits,
) -> Result<AccountAnswer, StoreError> {
    tx.row(FACTS, values![&epoch, &account], |row| {
        Ok(AccountAnswer {
            account_id: account,
            epoch,
            created_at: row.at(0)?,
            password: PasswordFacts { generation: row.at(1)?, changed_at: row.at(2)? },
            held_bytes: row.at(3)?,
            quota_bytes: limits.quota_bytes,
            personas: row.at(4)?,
            current_epoch: row.at(5)?,
            recovery_generation: row.at(6)?,
        })
    })?
    .ok_or(StoreError::Gone)
}

/// The slots of an epoch.
pub(crate) fn slots(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
) -> Result<Vec<Slot>, StoreError> {
    let slots = tx.rows(SLOTS, values![&account, &epoch], |row| {
        Ok((row.at::<String>(0)?, row.at(1)?, row.at(2)?))
    })?;
    // A kind that this version doesn't know can't be said in its protocol, so it is left out.
    Ok(slots
        .into_iter()
        .filter_map(|(name, generation, sealed)| {
            let kind = REQUIRED_SLOTS.into_iter().find(|kind| slot_name(*kind) == name)?;
            Some(Slot { kind, generation, sealed })
        })
        .collect())
}

const fn slot_name(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Password => "password",
        SlotKind::Recovery => "recovery",
    }
}
