//! `keybackup repair`: what this device has seen beside what the server shows; and, where a person
//! agrees, back to one state. What the server has stays in its history, and what this device has is
//! pushed above everything that it has seen, so that no device that saw as much stops any more.

use std::path::{Path, PathBuf};

use keybackup_protocol::PersonaId;
use serde::Serialize;

use super::context::{Context, Session, now};
use super::find;
use super::local::LocalPersona;
use super::outgoing::{Outgoing, Place};
use super::push::{Sealing, pack_and_seal};
use super::relabel::{commit_on, successor};
use super::scan::{How, Scan};
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::{Contradictions, Opened};
use crate::records::{Digest, IndexEntry, Kind, Label, Mark, Name, Nickname, Superseded};
use crate::remote::Base;
use crate::ui;
use crate::vault::Sighting;

#[derive(Serialize)]
struct Document {
    consistent: bool,
    account: Account,
    personas: Vec<Row>,
}

/// Index and keyring.
#[derive(Serialize)]
struct Account {
    contradiction: Option<String>,
    seen_index: u64,
    served_index: u64,
    mark: String,
    repaired: bool,
}

/// One persona.
#[derive(Serialize)]
struct Row {
    id: PersonaId,
    name: String,
    contradiction: Option<String>,
    seen_version: Option<u64>,
    seen_at: Option<i64>,
    served_version: Option<u64>,
    mark: String,
    repaired: bool,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Repair) -> CommandResult {
    let ui = context.ui;
    let mut session = context.open()?;
    let mut sighting = session.vault.look_unchecked()?;
    let mut document = document(&session, &sighting);
    if !ui.is_json() {
        print(context, &document)?;
    }
    let chosen = chosen(context, arguments, &document)?;
    for at in &chosen {
        match at {
            Some(at) => {
                let id = document.personas[*at].id;
                repair(context, &mut session, &sighting, id)?;
                document.personas[*at].repaired = true;
            }
            None => repair_account(&mut session, &sighting)?,
        }
        sighting = session.vault.look_unchecked()?;
    }
    let Sighting { opened, found, .. } = &sighting;
    // One repaired persona takes the index with it.
    document.account.repaired =
        document.account.contradiction.is_some() && found.account.is_none() && !chosen.is_empty();
    document.consistent = found.is_empty();
    if document.consistent && !chosen.is_empty() && session.vault.state.absorb(opened, now()) {
        session.keep_state();
    }
    if ui.is_json() {
        ui.json(&document)?;
    } else if document.consistent {
        ui.line(if chosen.is_empty() {
            "nothing to repair: the server shows what this device has seen, or newer"
        } else {
            "repaired: this device and the server agree"
        })?;
    }
    if document.consistent { Ok(()) } else { Err(unrepaired(&document, found)) }
}

fn document(session: &Session, sighting: &Sighting) -> Document {
    let Sighting { opened, found, foreign } = sighting;
    let state = &session.vault.state;
    let mut ids: Vec<_> = opened.personas.keys().chain(state.personas.keys()).copied().collect();
    ids.extend(opened.index.objects().keys().chain(foreign.keys()));
    ids.sort_unstable();
    ids.dedup();
    let row = |id: PersonaId| {
        let served = opened.personas.get(&id);
        let seen = state.personas.get(&id);
        let name = served.map(|served| served.label.label.name.to_string());
        let known = || opened.index.get(&id).map(|entry| entry.name.to_string());
        Row {
            id,
            name: name.or_else(known).unwrap_or_else(|| id.to_string()),
            contradiction: found.personas.get(&id).map(ToString::to_string),
            seen_version: seen.map(|mark| mark.version),
            seen_at: seen.map(|mark| mark.seen_at),
            served_version: foreign
                .get(&id)
                .copied()
                .or(served.map(|served| served.label.label.version)),
            mark: match (foreign.get(&id), served) {
                // What would be taken is what stands in for it: the consent is to that.
                (Some(version), Some(ours)) => {
                    format!("{version}-foreign-{}", mark(ours.label.label.version, ours.label.hash))
                }
                (Some(version), None) => format!("{version}-foreign"),
                (None, Some(served)) => mark(served.label.label.version, served.label.hash),
                (None, None) => "0-missing".to_owned(),
            },
            repaired: false,
        }
    };
    let mut personas: Vec<_> = ids.into_iter().map(row).collect();
    personas.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Document {
        consistent: found.is_empty(),
        account: Account {
            contradiction: found.account.as_ref().map(ToString::to_string),
            seen_index: state.index_counter,
            served_index: opened.index.counter(),
            mark: mark(opened.index.counter(), opened.index_hash),
            repaired: false,
        },
        personas,
    }
}

/// What a version is known by: consent is to this one, and to none that is served later.
fn mark(version: u64, hash: Digest) -> String {
    format!("{version}-{}", &hash.to_string()[..16])
}

fn print(context: &Context<'_>, document: &Document) -> CommandResult {
    let version = |version: Option<u64>| version.map_or_else(String::new, |it| it.to_string());
    let rows: Vec<_> = document
        .personas
        .iter()
        .map(|row| {
            vec![
                row.name.clone(),
                version(row.seen_version),
                version(row.served_version),
                row.mark.clone(),
                row.contradiction.clone().unwrap_or_else(|| "agrees".to_owned()),
            ]
        })
        .collect();
    context.ui.table(&["NAME", "SEEN", "SERVED", "MARK", "STATE"], &rows)?;
    if let Some(contradiction) = &document.account.contradiction {
        let mark = &document.account.mark;
        context.ui.line(format!("the account as a whole ({mark}): {contradiction}"))?;
    }
    Ok(())
}

/// What is to be repaired: places of personas, or the account alone.
fn chosen(
    context: &Context<'_>,
    arguments: &cli::Repair,
    document: &Document,
) -> Result<Vec<Option<usize>>, Failure> {
    let contradicting: Vec<_> = (0..document.personas.len())
        .filter(|at| document.personas[*at].contradiction.is_some())
        .collect();
    let Some(mark) = &arguments.mark else {
        return asked(context, document, &contradicting);
    };
    let moved = || {
        Failure::new(Code::Conflict, "the server shows something else than what that mark is of")
            .hint("look again: keybackup repair")
    };
    let Some(persona) = &arguments.persona else {
        let is_it = document.account.mark == *mark;
        return match &document.account.contradiction {
            None => Ok(Vec::new()),
            Some(_) if !contradicting.is_empty() => {
                Err(Failure::new(Code::Usage, "the personas that contradict come first")
                    .hint("each by itself: keybackup repair --persona P --mark M"))
            }
            Some(_) if is_it => Ok(vec![None]),
            Some(_) => Err(moved()),
        };
    };
    let named: Vec<_> = (0..document.personas.len())
        .filter(|at| {
            let row = &document.personas[*at];
            row.id.to_string() == *persona || row.name == *persona
        })
        .collect();
    let at = match named[..] {
        [at] => at,
        [] => {
            let what = format!("no persona {}", find::quoted(persona));
            return Err(Failure::new(Code::NotFound, what).hint("look again: keybackup repair"));
        }
        _ => {
            let ids = named.iter().map(|at| document.personas[*at].id.to_string());
            return Err(find::ambiguous(persona, ids));
        }
    };
    let row = &document.personas[at];
    if row.mark != *mark {
        return Err(moved());
    }
    if row.contradiction.is_none() {
        return Ok(Vec::new());
    }
    if !arguments.yes {
        context.ui.confirm(&question(row), "--yes")?;
    }
    Ok(vec![Some(at)])
}

/// Asks for each, where somebody can be asked; none is chosen otherwise.
fn asked(
    context: &Context<'_>,
    document: &Document,
    contradicting: &[usize],
) -> Result<Vec<Option<usize>>, Failure> {
    let mut chosen = Vec::new();
    if !context.ui.can_ask() || context.ui.is_json() {
        return Ok(chosen);
    }
    for at in contradicting {
        context.ui.confirm(&question(&document.personas[*at]), "--persona P --mark M --yes")?;
        chosen.push(Some(*at));
    }
    if contradicting.is_empty() && document.account.contradiction.is_some() {
        context.ui.confirm("Take the account as the server has it?", "--mark M --yes")?;
        chosen.push(None);
    }
    Ok(chosen)
}

fn question(row: &Row) -> String {
    let name = ui::escape(&row.name);
    match row.served_version {
        Some(version) => format!(
            "Take {name} as the server has it (version {version}), and push what this device has of it above that?"
        ),
        None => format!(
            "The server has lost {name}. Push what this device has of it, or give it up where this device has nothing?"
        ),
    }
}

/// One persona: a version above everything seen, with what this device has if the server lacks it.
fn repair(
    context: &Context<'_>,
    session: &mut Session,
    sighting: &Sighting,
    id: PersonaId,
) -> CommandResult {
    let Sighting { opened, foreign, .. } = sighting;
    let served = opened.personas.get(&id);
    let seen = session.vault.state.personas.get(&id).cloned();
    let entry = opened.index.get(&id).cloned();
    let stands = foreign.get(&id).copied().or(served.map(|served| served.label.label.version));
    let place = place(stands, seen.as_ref(), entry.as_ref());
    let content = served.and_then(|served| served.label.label.content.as_ref());
    let removed = served.is_some_and(|served| served.label.label.removed);
    if let Some((directory, scan)) = local(context, session, id, seen.as_ref())
        && !removed
        && content.is_none_or(|content| content.fingerprint != scan.fingerprint())
    {
        let name = match (served, &entry) {
            (Some(served), _) => served.label.label.name.clone(),
            (None, Some(entry)) => entry.name.clone(),
            (None, None) => name_of(&directory)?,
        };
        let local = super::local::at(&directory)?;
        let outgoing = Outgoing {
            id,
            remote: served,
            name: &name,
            nickname: local.nickname.as_deref().and_then(Nickname::tidy),
            directory: Some(directory.display().to_string()),
            repair: Some(place),
        };
        return push(context, session, opened, outgoing, &local, scan);
    }
    if served.is_none() && entry.is_none() && stands.is_none() {
        session.vault.state.personas.remove(&id);
        return session.save_state();
    }
    let Place { base, version, supersedes } = place;
    let label = match served {
        Some(served) => successor(session, served),
        None => gone(session, id, entry)?,
    };
    commit_on(session, opened.clone(), id, base, Label { version, supersedes, ..label })
}

/// It can't be had back: that it is gone is said once and for all, as a removal is.
fn gone(session: &Session, id: PersonaId, entry: Option<IndexEntry>) -> Result<Label, Failure> {
    let lost = || format!("lost-{}", &id.to_string()[..8]).parse();
    let (kind, name) = match entry {
        Some(entry) => (entry.kind, entry.name),
        None => (Kind::Directory, lost().map_err(|error| Failure::of(Code::Internal, &error))?),
    };
    Ok(Label {
        kind,
        name,
        nickname: None,
        version: 1,
        content_version: None,
        removed: true,
        content: None,
        device: session.vault.device,
        time: now(),
        previous: None,
        keyring_version: session.vault.keyring.version(),
        supersedes: Vec::new(),
    })
}

/// Above what stands, what was seen, and the index's floor.
fn place(stands: Option<u64>, seen: Option<&Mark>, entry: Option<&IndexEntry>) -> Place {
    let seen = seen.map(|mark| Superseded { version: mark.version, label: mark.label });
    let floor = entry.map(|entry| Superseded { version: entry.floor, label: entry.label });
    let known = [seen, floor].into_iter().flatten().max_by_key(|known| known.version);
    let highest = stands.unwrap_or(0).max(known.map_or(0, |known| known.version));
    Place {
        base: stands.map_or(Base::Absent, Base::Version),
        version: highest + 1,
        supersedes: known.into_iter().collect(),
    }
}

/// The directory that the persona was last in step with, if it is so still. One that has changed, or
/// was pushed with exclusions, is for `push`: what goes into a backup is not guessed at.
fn local(
    context: &Context<'_>,
    session: &Session,
    id: PersonaId,
    seen: Option<&Mark>,
) -> Option<(PathBuf, Scan)> {
    let base = seen?.base.as_ref()?;
    let directory = PathBuf::from(&base.directory);
    let how = How { skip_special: true, ..How::default() };
    let scan = session.scan(Some(id), &directory, &how).ok()?;
    if scan.fingerprint() == base.fingerprint {
        return Some((directory, scan));
    }
    let word = ui::shell_word(&base.directory);
    context.ui.warn(format!(
        "{} is not what was last pushed from there or pulled to it, and is left alone; to push it: \
         keybackup push --force {word}",
        ui::escape(&base.directory)
    ));
    None
}

fn push(
    context: &Context<'_>,
    session: &mut Session,
    opened: &Opened,
    outgoing: Outgoing<'_>,
    local: &LocalPersona,
    scan: Scan,
) -> CommandResult {
    let how = How { skip_special: true, ..How::default() };
    let Sealing { bytes, .. } =
        pack_and_seal(context, session, &outgoing, local, &how, scan.into())?;
    outgoing.commit(context, session, opened, bytes).map(drop)
}

fn name_of(directory: &Path) -> Result<Name, Failure> {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.parse().map_err(|error| {
        Failure::of(Code::NameRefused, &error).context("the directory has no name for a persona")
    })
}

/// The account where no persona contradicts: some persona is labelled anew, which brings an index
/// above the one seen; where there is none, the one that is served is taken.
fn repair_account(session: &mut Session, sighting: &Sighting) -> CommandResult {
    let opened = &sighting.opened;
    let Some((id, served)) = opened.personas.iter().next() else {
        session.vault.state.take_index(opened.index.counter(), opened.index_hash, now());
        return session.save_state();
    };
    let label = successor(session, served);
    let base = Base::Version(served.label.label.version);
    commit_on(session, opened.clone(), *id, base, label)
}

fn unrepaired(document: &Document, found: &Contradictions) -> Failure {
    let count = found.personas.len() as u64;
    let what = match count {
        0 => "the account contradicts what this device has seen".to_owned(),
        1 => "1 persona contradicts what this device has seen".to_owned(),
        _ => format!("{count} personas contradict what this device has seen"),
    };
    let first = document.personas.iter().find(|row| found.personas.contains_key(&row.id));
    let of = first.map_or_else(String::new, |row| format!(" --persona {}", row.id));
    let mark = first.map_or(&document.account.mark, |row| &row.mark);
    Failure::new(Code::Rollback, what)
        .hint("nothing was overwritten; ask the operator what happened, and compare with another device: keybackup status")
        .hint(format!("to take what the server has, and push what this device has: keybackup repair{of} --mark {mark} --yes"))
}
