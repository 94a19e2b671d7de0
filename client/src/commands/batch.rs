//! Commands over one persona or all of them: what failed is told beside what succeeded, and the
//! exit code says so.

use super::persona::Persona;
use crate::error::{Code, CommandResult, Failure};
use crate::ui::{self, Ui};

/// Skipped entries that a message names; the document has them all.
const MAX_NAMED: usize = 20;

/// What a command made of one persona.
pub(super) trait Outcome {
    /// The persona, as documents show it.
    fn persona(&self) -> &Persona;
}

/// Says of each that failed which it is and why; documents have it in their `error`.
pub(super) fn warn_of_failures<O: Outcome>(ui: &Ui, outcomes: &[O]) {
    for persona in outcomes.iter().map(Outcome::persona) {
        if let Some(error) = &persona.error {
            let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
            let hint = match text("hint") {
                hint if hint.is_empty() => hint,
                hint => format!("\nhint: {}", hint.replace('\n', "\nhint: ")),
            };
            ui.warn(format!("{}: {}{hint}", ui::escape(&persona.name), text("message")));
        }
    }
}

/// Runs `work` for each of `items`. With `all` a failure becomes an outcome of its own and the
/// others go on; else it is the result. Something skipped is exit 3.
pub(super) fn each<I, O: Outcome>(
    all: bool,
    items: &[I],
    mut work: impl FnMut(&I) -> Result<O, Failure>,
    failed: impl Fn(&I, &Failure) -> O,
) -> (Vec<O>, CommandResult) {
    let mut outcomes = Vec::new();
    let mut failures = Vec::new();
    for item in items {
        match work(item) {
            Ok(outcome) => outcomes.push(outcome),
            Err(failure) if all => {
                outcomes.push(failed(item, &failure));
                failures.push(failure);
            }
            Err(failure) => return (outcomes, Err(failure)),
        }
    }
    if let Some(failure) = Failure::combined(items.len(), &failures) {
        return (outcomes, Err(failure));
    }
    let skipped: Vec<_> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.persona().skipped)
        .map(|entry| format!("{} ({})", ui::escape(&entry.path), entry.reason))
        .collect();
    if skipped.is_empty() {
        return (outcomes, Ok(()));
    }
    let shown = skipped[..skipped.len().min(MAX_NAMED)].join(", ");
    let more = match skipped.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let failure = Failure::new(Code::Partial, format!("skipped: {shown}{more}"));
    (outcomes, Err(failure))
}
