//! Which persona is meant: by name, id, unique prefix, or nickname.

use keybackup_protocol::PersonaId;

use crate::error::{Code, Failure};
use crate::marks::{Opened, OpenedPersona};
use crate::ui::{self, Ui};

/// Ids are random: a shorter prefix of one would stand in the way of names by chance.
const MIN_ID_PREFIX_CHARS: usize = 4;

/// A persona at the server.
pub(super) type Found<'a> = (PersonaId, &'a OpenedPersona);

/// The personas that are not removed, by name.
pub(super) fn active(opened: &Opened) -> Vec<Found<'_>> {
    let mut found: Vec<_> = opened
        .personas
        .iter()
        .filter(|(_, persona)| !persona.label.label.removed)
        .map(|(id, persona)| (*id, persona))
        .collect();
    found.sort_by(|(_, a), (_, b)| a.label.label.name.as_str().cmp(b.label.label.name.as_str()));
    found
}

/// The persona that `text` names. An exact name wins over an id, an id over a prefix, a prefix
/// over a nickname; what fits several is refused with all of them. The name of a removed persona
/// is nobody's prefix: who types it means that one.
pub(super) fn find<'a>(opened: &'a Opened, text: &str) -> Result<Found<'a>, Failure> {
    if let Some(found) = exact(opened, text) {
        return Ok(found);
    }
    let active = active(opened);
    let rules: [&dyn Fn(&Found<'_>) -> bool; 2] =
        [&|found| is_prefix(text, &name(found), found.0), &|(_, persona)| {
            persona.label.label.nickname.as_ref().is_some_and(|nick| nick.as_str() == text)
        }];
    if !text.is_empty() && !was_removed(opened, text) {
        for rule in rules {
            let fitting: Vec<_> = active.iter().filter(|found| rule(found)).collect();
            match fitting[..] {
                [] => {}
                [found] => return Ok(*found),
                _ => return Err(ambiguous(text, fitting.into_iter().map(name))),
            }
        }
    }
    Err(not_found(opened, text))
}

/// [`find`], or [`find_any`] where a version is named: a removed persona has older ones.
pub(super) fn find_of<'a>(
    opened: &'a Opened,
    text: &str,
    version: Option<u64>,
) -> Result<Found<'a>, Failure> {
    if version.is_some() { find_any(opened, text) } else { find(opened, text) }
}

/// The persona with exactly this name or id: what changes the account is not guessed at.
pub(super) fn find_exact<'a>(opened: &'a Opened, text: &str) -> Result<Found<'a>, Failure> {
    exact(opened, text).ok_or_else(|| match find(opened, text) {
        Ok(found) => Failure::new(Code::NotFound, format!("no persona is called {}", quoted(text)))
            .hint(format!("this takes the whole name; perhaps {}", ui::shell_word(&name(&found)))),
        Err(failure) => failure,
    })
}

/// A persona, also a removed one: by its name or id; one that is not removed wins, and [`find`]'s rules
/// come after the exact ones.
pub(super) fn find_any<'a>(opened: &'a Opened, text: &str) -> Result<Found<'a>, Failure> {
    if let Some(found) = exact(opened, text) {
        return Ok(found);
    }
    let removed: Vec<_> = opened
        .personas
        .iter()
        .filter(|(_, persona)| persona.label.label.removed)
        .map(|(id, persona)| (*id, persona))
        .filter(|found| name(found) == text || is_prefix_of_id(text, found.0))
        .collect();
    match removed[..] {
        [] => find(opened, text),
        [found] => Ok(found),
        _ => Err(ambiguous(text, removed.iter().map(|(id, _)| id.to_string()))),
    }
}

/// The persona with exactly this name or id, if there is one.
pub(super) fn exact<'a>(opened: &'a Opened, text: &str) -> Option<Found<'a>> {
    let active = active(opened);
    let by_name = active.iter().find(|found| name(found) == text);
    by_name.or_else(|| active.iter().find(|(id, _)| id.to_string() == text)).copied()
}

/// Whether `text` begins the name, or enough of the id to be meant.
fn is_prefix(text: &str, name: &str, id: PersonaId) -> bool {
    is_prefix_of_id(text, id) || name.starts_with(text)
}

fn is_prefix_of_id(text: &str, id: PersonaId) -> bool {
    text.len() >= MIN_ID_PREFIX_CHARS && id.to_string().starts_with(text)
}

fn name((_, persona): &Found<'_>) -> String {
    persona.label.label.name.to_string()
}

fn was_removed(opened: &Opened, text: &str) -> bool {
    opened
        .personas
        .values()
        .any(|persona| persona.label.label.removed && persona.label.label.name.as_str() == text)
}

fn not_found(opened: &Opened, text: &str) -> Failure {
    let failure =
        Failure::new(Code::NotFound, format!("no persona {} at the server", quoted(text)));
    if was_removed(opened, text) {
        let word = ui::shell_word(text);
        failure
            .hint(format!("one of that name was removed; within 30 days: keybackup restore {word}"))
    } else {
        failure.hint("what there is: keybackup list")
    }
}

/// The only persona there is; with several, a person is asked.
pub(super) fn only<'a>(ui: &Ui, opened: &'a Opened) -> Result<Found<'a>, Failure> {
    let active = active(opened);
    match active[..] {
        [] => {
            Err(Failure::new(Code::NotFound, "nothing is backed up yet").hint("keybackup push DIR"))
        }
        [found] => Ok(found),
        _ => {
            let names: Vec<_> =
                active.iter().map(|(_, persona)| persona.label.label.name.to_string()).collect();
            let chosen = ui.choose("Which persona?", &names, "PERSONA or --all")?;
            Ok(active[chosen])
        }
    }
}

/// What fits several.
pub(super) fn ambiguous(text: &str, names: impl Iterator<Item = String>) -> Failure {
    let names: Vec<_> = names.map(|name| ui::escape(&name).into_owned()).collect();
    Failure::new(Code::Ambiguous, format!("{} fits several personas", quoted(text)))
        .hint(format!("one of: {}", names.join(", ")))
}

/// A name for a message.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", ui::escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_meant_from_four_digits_on() {
        let id = PersonaId::from_bytes([0xbe; 16]);
        for (text, fits) in [("b", false), ("beb", false), ("bebe", true), ("bebebe", true)] {
            assert_eq!(is_prefix(text, "work", id), fits, "{text}");
        }
        assert!(!is_prefix("bebf", "work", id));
        assert!(is_prefix("w", "work", id) && is_prefix("work", "work", id));
    }
}
