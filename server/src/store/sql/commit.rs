//! The commit of a push: label, index and bytes at once, or nothing.

use keybackup_protocol::EpochId;

use super::proposal::{Content, NewBlob, Proposal, Source};
use super::quota::{self, Change, LISTED_ROW_BYTES, VERSION_ROW_BYTES};
use super::{sessions, uploads};
use crate::store::reserve::file_bytes;
use crate::store::tx::{Tx, count, length, values};
use crate::store::{Part, StoreError, StoreLimits};

const CURRENT: &str = "SELECT a.current_epoch, e.keyring_version FROM accounts a \
    JOIN epochs e ON e.account_id = a.id AND e.id = a.current_epoch WHERE a.id = $1";
const INDEX_BYTES: &str = "SELECT LENGTH(sealed) FROM indexes \
    WHERE account_id = $1 AND epoch_id = $2 AND counter = $3";
const SWAP_INDEX: &str = "UPDATE indexes \
    SET counter = $1, keyring_version = $2, sealed = $3, stored_at = $4 \
    WHERE account_id = $5 AND epoch_id = $6 AND counter = $7";
const ADD_PERSONA: &str = "INSERT INTO personas \
    (account_id, id, epoch_id, kind, version, removed, created_at) \
    VALUES ($1, $2, $3, 'directory', $4, $5, $6) ON CONFLICT DO NOTHING";
const SWAP_PERSONA: &str = "UPDATE personas SET version = $1, removed = $2, trashed_at = NULL \
    WHERE account_id = $3 AND id = $4 AND epoch_id = $5 AND version = $6";
const EPOCH_OF_PERSONA: &str = "SELECT epoch_id FROM personas WHERE account_id = $1 AND id = $2";
pub(crate) const ADD_VERSION: &str = "INSERT INTO versions (account_id, persona_id, version, epoch_id, \
    keyring_version, device_id, content_version, removed, stored_at, label) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const HELD: &str = "SELECT version FROM blobs \
    WHERE account_id = $1 AND persona_id = $2 AND version = $3";
const ADD_BLOB: &str = "INSERT INTO blobs \
    (account_id, persona_id, version, bytes, blake3, content) VALUES ($1, $2, $3, $4, $5, $6)";
const ADD_PART: &str = "INSERT INTO blob_parts \
    (name, account_id, persona_id, version, position, bytes) VALUES ($1, $2, $3, $4, 0, $5)";
const LABEL_BYTES: &str = "SELECT LENGTH(label) FROM versions \
    WHERE account_id = $1 AND persona_id = $2 AND version = $3";

/// Applies a proposal to the rows it was made for.
pub(crate) fn commit(
    tx: &mut Tx<'_>,
    proposal: &Proposal,
    limits: &StoreLimits,
) -> Result<(), StoreError> {
    sessions::require(tx, proposal.session, proposal.now)?;
    refuse_stale(tx, proposal)?;
    // First of the writes: it locks the index against every other commit of the account.
    let index_bytes = swap_index(tx, proposal)?;
    let new_personas = i64::from(proposal.base.is_none());
    match proposal.base {
        None => add_persona(tx, proposal)?,
        Some(base) => swap_persona(tx, proposal, base)?,
    }
    let listed_bytes = length(&proposal.label)? - listed_before(tx, proposal)?;
    let label_bytes = add_version(tx, proposal)?;
    let new_bytes = match &proposal.content {
        Content::Removed => 0,
        Content::Of(version) => refuse_unless_held(tx, proposal, *version)?,
        Content::New(blob) => add_blob(tx, proposal, blob)?,
    };
    let change = Change {
        bytes: new_bytes + index_bytes + label_bytes,
        personas: new_personas,
        listed: index_bytes + listed_bytes,
        removes: matches!(proposal.content, Content::Removed),
    };
    quota::hold(tx, proposal.account, change, limits)
}

fn refuse_stale(tx: &mut Tx<'_>, proposal: &Proposal) -> Result<(), StoreError> {
    let current = tx
        .row(CURRENT, values![&proposal.account], |row| Ok((row.at(0)?, row.at(1)?)))?
        .ok_or(StoreError::Gone)?;
    if current == (proposal.epoch, proposal.keyring_version) {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

/// Returns what the index adds to the bytes held, less than nothing when it shrinks.
fn swap_index(tx: &mut Tx<'_>, proposal: &Proposal) -> Result<i64, StoreError> {
    let index = &proposal.index;
    let old = tx
        .row(INDEX_BYTES, values![&proposal.account, &proposal.epoch, index.base], |row| {
            row.at::<i64>(0)
        })?
        .ok_or(StoreError::Conflict)?;
    let values = values![
        index.counter,
        proposal.keyring_version,
        &index.sealed,
        proposal.now,
        &proposal.account,
        &proposal.epoch,
        index.base
    ];
    one_or(StoreError::Conflict, tx.execute(SWAP_INDEX, values)?)?;
    Ok(length(&index.sealed)? - old)
}

fn add_persona(tx: &mut Tx<'_>, proposal: &Proposal) -> Result<(), StoreError> {
    let removed = matches!(proposal.content, Content::Removed);
    let values = values![
        &proposal.account,
        &proposal.persona,
        &proposal.epoch,
        proposal.version,
        removed,
        proposal.now
    ];
    one_or(StoreError::Conflict, tx.execute(ADD_PERSONA, values)?)
}

fn swap_persona(tx: &mut Tx<'_>, proposal: &Proposal, base: i64) -> Result<(), StoreError> {
    let removed = matches!(proposal.content, Content::Removed);
    let values = values![
        proposal.version,
        removed,
        &proposal.account,
        &proposal.persona,
        &proposal.epoch,
        base
    ];
    if tx.execute(SWAP_PERSONA, values)? == 1 {
        return Ok(());
    }
    let persona = values![&proposal.account, &proposal.persona];
    let epoch = tx.row(EPOCH_OF_PERSONA, persona, |row| row.at::<EpochId>(0))?;
    // A persona of another epoch is locked; pushing to it again can't help.
    let locked = epoch.is_some_and(|epoch| epoch != proposal.epoch);
    Err(if locked { StoreError::Stale } else { StoreError::Conflict })
}

/// What the label that is replaced takes of the listing; less than nothing for a new persona,
/// whose row comes along.
fn listed_before(tx: &mut Tx<'_>, proposal: &Proposal) -> Result<i64, StoreError> {
    let Some(base) = proposal.base else { return Ok(-LISTED_ROW_BYTES) };
    tx.row(LABEL_BYTES, values![&proposal.account, &proposal.persona, base], |row| row.at(0))?
        .ok_or(StoreError::Conflict)
}

/// Returns what label and row add to the bytes held.
fn add_version(tx: &mut Tx<'_>, proposal: &Proposal) -> Result<i64, StoreError> {
    tx.execute(
        ADD_VERSION,
        values![
            &proposal.account,
            &proposal.persona,
            proposal.version,
            &proposal.epoch,
            proposal.keyring_version,
            &proposal.device,
            proposal.content_version(),
            matches!(proposal.content, Content::Removed),
            proposal.now,
            &proposal.label
        ],
    )?;
    Ok(length(&proposal.label)? + VERSION_ROW_BYTES)
}

fn refuse_unless_held(
    tx: &mut Tx<'_>,
    proposal: &Proposal,
    version: i64,
) -> Result<i64, StoreError> {
    tx.row(HELD, values![&proposal.account, &proposal.persona, version], |_| Ok(()))?
        .ok_or(StoreError::Gone)?;
    Ok(0)
}

/// Adds the blob; returns what it adds to the bytes held.
fn add_blob(tx: &mut Tx<'_>, proposal: &Proposal, blob: &NewBlob) -> Result<i64, StoreError> {
    let content = match &blob.source {
        Source::Row(bytes) => Some(bytes.as_ref()),
        Source::Part(_) | Source::Upload(_) => None,
    };
    tx.execute(
        ADD_BLOB,
        values![
            &proposal.account,
            &proposal.persona,
            proposal.version,
            blob.bytes,
            &blob.blake3,
            content
        ],
    )?;
    match &blob.source {
        Source::Row(_) => Ok(blob.bytes),
        Source::Part(part) => {
            add_part(tx, proposal, part, blob.bytes)?;
            count(file_bytes(part.bytes))
        }
        Source::Upload(upload) => {
            uploads::consume(tx, proposal, *upload, blob)?;
            Ok(0) // counted when it came
        }
    }
}

fn add_part(
    tx: &mut Tx<'_>,
    proposal: &Proposal,
    part: &Part,
    bytes: i64,
) -> Result<(), StoreError> {
    tx.execute(
        ADD_PART,
        values![part.name.as_str(), &proposal.account, &proposal.persona, proposal.version, bytes],
    )?;
    Ok(())
}

fn one_or(refusal: StoreError, changed: usize) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(refusal) }
}
