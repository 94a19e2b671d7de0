//! Checks that the entries of a zip make one tree.

use std::collections::BTreeMap;

use super::super::entry::Kind;
use super::super::time::Ticks;
use super::super::zip::Placed;
use super::{AuditError, EntryProblem, Limits, Record};

/// Mode of a directory that a foreign zip implies but doesn't list.
const IMPLIED_MODE: u32 = 0o700;

/// Of ours: sorted, without duplicates, every directory listed.
pub(super) fn check(records: &[Record]) -> Result<(), AuditError> {
    for pair in records.windows(2) {
        let problem = match pair[0].path.cmp(&pair[1].path) {
            std::cmp::Ordering::Less => continue,
            std::cmp::Ordering::Equal => EntryProblem::Duplicate,
            std::cmp::Ordering::Greater => EntryProblem::Unsorted,
        };
        return Err(AuditError::entry(&pair[1].path, problem));
    }
    let mut last_parent = "";
    for record in records {
        let Some((parent, _)) = record.path.rsplit_once('/') else { continue };
        if parent == last_parent {
            continue;
        }
        match records.binary_search_by(|other| other.path.as_str().cmp(parent)) {
            Ok(at) if records[at].kind == Kind::Directory => last_parent = parent,
            Ok(_) => return Err(AuditError::entry(parent, EntryProblem::FileAsDirectory)),
            Err(_) => return Err(AuditError::entry(&record.path, EntryProblem::MissingParent)),
        }
    }
    Ok(())
}

/// Of others: sorts, refuses duplicates, and adds the directories that are only implied.
pub(super) fn complete(
    mut records: Vec<Record>,
    limits: &Limits,
) -> Result<Vec<Record>, AuditError> {
    records.sort_by(|one, other| one.path.cmp(&other.path));
    if let Some(pair) = records.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(AuditError::entry(&pair[1].path, EntryProblem::Duplicate));
    }
    let mut implied: BTreeMap<&str, Ticks> = BTreeMap::new();
    for record in &records {
        let mut path = record.path.as_str();
        while let Some((parent, _)) = path.rsplit_once('/') {
            match records.binary_search_by(|other| other.path.as_str().cmp(parent)) {
                Ok(at) if records[at].kind == Kind::File => {
                    return Err(AuditError::entry(parent, EntryProblem::FileAsDirectory));
                }
                Ok(_) => {}
                Err(_) => {
                    let newest = implied.entry(parent).or_default();
                    *newest = record.mtime.max(*newest);
                }
            }
            path = parent;
        }
        let count = (records.len() + implied.len()) as u64;
        if count > limits.entries {
            return Err(AuditError::TooManyEntries { count, limit: limits.entries });
        }
    }
    let directory = |(path, mtime): (&str, Ticks)| Record {
        path: path.to_owned(),
        kind: Kind::Directory,
        mode: IMPLIED_MODE,
        mtime,
        placed: Placed::EMPTY,
        data: 0,
        flags: 0,
    };
    let implied: Vec<_> = implied.into_iter().map(directory).collect();
    if !implied.is_empty() {
        records.extend(implied);
        records.sort_by(|one, other| one.path.cmp(&other.path));
    }
    Ok(records)
}
