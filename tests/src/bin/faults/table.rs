//! The table that people read, and the same for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Tier;
use crate::campaign::{Done, State};
use crate::kinds::Kind;

/// The table, in Markdown.
pub(crate) fn table(tier: Tier, seed: u64, kinds: &[Kind], all: &BTreeMap<String, Done>) -> String {
    let mut text = format!("tier {}, seed {seed}\n\n", tier.letter());
    text.push_str("| kind | counts | wanted | done | in doubt | findings | seconds |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    let mut put = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).expect("a string takes everything");
        text.push('\n');
    };
    for kind in kinds {
        let Some(it) = all.get(kind.name()) else { continue };
        let (name, counts, wanted) = (kind.name(), kind.counts(), kind.wanted(tier));
        let (done, doubt, found, seconds) = (it.faults, it.in_doubt, it.findings.len(), it.seconds);
        let done = match &it.not_run {
            Some(_) => "not run".to_owned(),
            None => done.to_string(),
        };
        put(format_args!(
            "| {name} | {counts} | {wanted} | {done} | {doubt} | {found} | {seconds:.1} |"
        ));
    }
    for kind in kinds {
        let Some(it) = all.get(kind.name()) else { continue };
        for (what, figure) in &it.notes {
            put(format_args!("\n{}: {what}: {figure}", kind.name()));
        }
        for (unit, found) in &it.findings {
            put(format_args!("\nFOUND by {}, unit {unit}: {found}", kind.name()));
        }
    }
    text
}

/// The same, for programs.
pub(crate) fn json(tier: Tier, kinds: &[Kind], state: &State) -> Value {
    let rows: Vec<_> = kinds
        .iter()
        .filter_map(|kind| {
            let it = state.kinds.get(kind.name())?;
            Some(json!({
                "kind": kind.name(), "counts": kind.counts(), "wanted": kind.wanted(tier),
                "units": it.units, "done": it.faults, "in_doubt": it.in_doubt,
                "findings": it.findings, "seconds": it.seconds, "not_run": it.not_run,
                "notes": it.notes,
            }))
        })
        .collect();
    json!({"schema": 1, "tier": tier.letter(), "seed": state.seed, "kinds": rows})
}
