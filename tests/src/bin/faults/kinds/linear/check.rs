//! Whether a history is one of a compare-and-swap register. Versions make that cheap: a write
//! names the version that it replaces, so the order of writes is the order of versions, and what is
//! left to check is real time.

use std::collections::BTreeMap;

/// One operation, from before it was sent until its answer was there; times are of one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) client: usize,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) what: Happened,
}

/// What it was, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    /// Saw this content standing as this version; version 0 is "nothing yet".
    Read { version: u64, content: u64 },
    /// Wrote this content as the version after `base`.
    Wrote { base: u64, content: u64 },
    /// Was told that `base` stands no more.
    Refused { base: u64, content: u64 },
    /// Was told nothing: it may have been done at any later time, or never.
    Unknown { base: u64, content: u64 },
}

/// A version, as far as the history tells.
#[derive(Debug, Clone, Copy)]
struct Known {
    content: u64,
    /// It did not stand before this.
    not_before: u64,
    /// It stood at this time at the latest.
    stood_by: u64,
}

/// What is wrong with a history, whose last operation was a read when all was quiet.
pub(crate) fn check(history: &[Operation]) -> Result<(), String> {
    let versions = versions(history)?;
    let last = versions.keys().next_back().copied().unwrap_or(0);
    // The chain has no holes: each version was written over the one before.
    for version in 1..=last {
        if !versions.contains_key(&version) && !may_be_unknown(history, version) {
            return Err(format!("version {version} was written by nobody, and {last} stands"));
        }
    }
    refusals(history, &versions)?;
    in_time(history)
}

/// Each version's content, and when it can have come to be.
fn versions(history: &[Operation]) -> Result<BTreeMap<u64, Known>, String> {
    let mut writes = BTreeMap::new();
    for operation in history {
        if let Happened::Wrote { base, content }
        | Happened::Unknown { base, content }
        | Happened::Refused { base, content } = operation.what
        {
            writes.insert(content, (operation, base));
        }
    }
    let mut versions = BTreeMap::<u64, Known>::new();
    for operation in history {
        let (version, content) = match operation.what {
            Happened::Read { version, content } if version > 0 => (version, content),
            Happened::Wrote { base, content } => (base + 1, content),
            // Nothing yet, or nothing of which anybody was told.
            _ => continue,
        };
        let Some((write, base)) = writes.get(&content) else {
            return Err(format!("version {version} has a content that nobody sent: {operation:?}"));
        };
        if matches!(write.what, Happened::Refused { .. }) {
            return Err(format!("what was refused stands: {write:?}, {operation:?}"));
        }
        if base + 1 != version {
            return Err(format!("a content stands as another version: {write:?}, {operation:?}"));
        }
        if operation.ended < write.began {
            return Err(format!("it was read before it was sent: {write:?}, {operation:?}"));
        }
        let known = Known { content, not_before: write.began, stood_by: operation.ended };
        let entry = versions.entry(version).or_insert(known);
        if entry.content != content {
            return Err(format!("version {version} has two contents: {operation:?}"));
        }
        entry.stood_by = entry.stood_by.min(operation.ended);
    }
    Ok(versions)
}

fn may_be_unknown(history: &[Operation], version: u64) -> bool {
    let is_it =
        |what: &Happened| matches!(what, Happened::Unknown { base, .. } if base + 1 == version);
    history.iter().any(|operation| is_it(&operation.what))
}

/// Who was refused was late: another version could stand by the time of the answer.
fn refusals(history: &[Operation], versions: &BTreeMap<u64, Known>) -> Result<(), String> {
    let mut unknown = BTreeMap::<u64, u64>::new();
    for operation in history {
        if let Happened::Unknown { base, .. } = operation.what {
            let earliest = unknown.entry(base + 1).or_insert(operation.began);
            *earliest = (*earliest).min(operation.began);
        }
    }
    for operation in history {
        let Happened::Refused { base, .. } = operation.what else { continue };
        let began = match versions.get(&(base + 1)) {
            Some(known) => Some(known.not_before),
            None => unknown.get(&(base + 1)).copied(),
        };
        if began.is_none_or(|began| began > operation.ended) {
            return Err(format!("it was refused, and nothing newer stood: {operation:?}"));
        }
    }
    Ok(())
}

/// What began after something ended knows of it.
fn in_time(history: &[Operation]) -> Result<(), String> {
    let mut by_beginning: Vec<_> = history.iter().collect();
    by_beginning.sort_by_key(|operation| operation.began);
    let mut by_end: Vec<_> =
        history.iter().filter_map(|it| Some((it.ended, it, seen(it)?))).collect();
    by_end.sort_by_key(|(ended, ..)| *ended);
    let mut ended = by_end.into_iter().peekable();
    let mut newest: Option<(u64, &Operation)> = None;
    for operation in by_beginning {
        while let Some((_, before, version)) = ended.next_if(|(ended, ..)| *ended < operation.began)
        {
            if newest.is_none_or(|(most, _)| version > most) {
                newest = Some((version, before));
            }
        }
        let Some((most, before)) = newest else { continue };
        match operation.what {
            Happened::Read { version, .. } if version < most => {
                return Err(format!("a stale read: {operation:?} after {before:?}"));
            }
            Happened::Wrote { base, .. } if base < most => {
                return Err(format!("a lost write: {operation:?} after {before:?}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Which version stood when it ended, at the least.
fn seen(operation: &Operation) -> Option<u64> {
    match operation.what {
        Happened::Read { version, .. } => Some(version),
        // Who was refused knows that something newer than its base stood.
        Happened::Wrote { base, .. } | Happened::Refused { base, .. } => Some(base + 1),
        Happened::Unknown { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(began: u64, ended: u64, what: Happened) -> Operation {
        Operation { client: 0, began, ended, what }
    }

    fn read(began: u64, ended: u64, version: u64, content: u64) -> Operation {
        at(began, ended, Happened::Read { version, content })
    }

    fn wrote(began: u64, ended: u64, base: u64, content: u64) -> Operation {
        at(began, ended, Happened::Wrote { base, content })
    }

    fn refused(began: u64, ended: u64, base: u64, content: u64) -> Operation {
        at(began, ended, Happened::Refused { base, content })
    }

    fn unknown(began: u64, ended: u64, base: u64, content: u64) -> Operation {
        at(began, ended, Happened::Unknown { base, content })
    }

    #[track_caller]
    fn wrong(history: &[Operation], why: &str) {
        let error = check(history).expect_err("it is wrong");
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_a_register_does_is_right() {
        let history = [
            read(0, 1, 0, 0),
            wrote(2, 5, 0, 10),
            read(3, 4, 1, 10),
            read(3, 4, 0, 0),
            refused(3, 6, 0, 11),
            wrote(7, 9, 1, 12),
            unknown(10, 12, 2, 13),
            read(14, 15, 2, 12),
            // What was unknown happens later.
            read(16, 17, 3, 13),
            refused(18, 19, 2, 14),
        ];
        assert_eq!(check(&history), Ok(()));
    }

    #[test]
    fn what_was_unknown_may_never_happen_or_be_seen_only_by_what_follows() {
        assert_eq!(check(&[unknown(0, 1, 0, 1), read(2, 3, 0, 0)]), Ok(()));
        assert_eq!(check(&[unknown(0, 1, 0, 1), wrote(2, 3, 1, 2), read(4, 5, 2, 2)]), Ok(()));
        assert_eq!(check(&[unknown(0, 1, 0, 1), refused(2, 3, 0, 2)]), Ok(()));
    }

    #[test]
    fn a_lost_write_is_found() {
        wrong(&[wrote(0, 1, 0, 1), read(2, 3, 0, 0)], "stale read");
        wrong(&[wrote(0, 1, 0, 1), wrote(2, 3, 1, 2), read(4, 5, 1, 1)], "stale read");
        wrong(&[wrote(0, 1, 0, 1), wrote(2, 3, 0, 2)], "two contents");
        wrong(&[wrote(0, 1, 0, 1), wrote(2, 3, 2, 2)], "written by nobody");
    }

    #[test]
    fn a_stale_read_is_found() {
        let history = [wrote(0, 1, 0, 1), wrote(2, 3, 1, 2), read(2, 4, 2, 2), read(5, 6, 1, 1)];
        wrong(&history, "stale read");
        wrong(&[wrote(0, 9, 0, 1), read(1, 2, 1, 1), read(3, 4, 0, 0)], "stale read");
    }

    #[test]
    fn two_winners_are_found() {
        wrong(&[wrote(0, 3, 0, 1), wrote(1, 4, 0, 2)], "two contents");
        wrong(&[wrote(0, 3, 0, 1), unknown(1, 4, 0, 2), read(5, 6, 1, 2)], "two contents");
    }

    #[test]
    fn what_nobody_sent_and_what_was_refused_is_found() {
        wrong(&[read(0, 1, 1, 77)], "nobody sent");
        wrong(&[wrote(0, 1, 0, 1), refused(0, 2, 0, 2), read(3, 4, 1, 2)], "");
        wrong(&[refused(0, 2, 0, 2)], "nothing newer");
        wrong(&[refused(0, 2, 0, 2), wrote(3, 4, 0, 1)], "nothing newer");
        wrong(&[read(0, 1, 1, 1), wrote(2, 3, 0, 1)], "before it was sent");
        wrong(&[wrote(0, 1, 0, 1), unknown(0, 2, 1, 2), read(3, 4, 1, 2)], "another version");
    }

    /// A write whose base was passed already, seen by a refusal.
    #[test]
    fn a_write_after_a_refusal_that_proves_a_newer_one_is_found() {
        let history = [unknown(0, 1, 0, 1), refused(2, 3, 0, 2), read(4, 5, 0, 0)];
        wrong(&history, "stale read");
    }
}
