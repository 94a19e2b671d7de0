//! `keybackup push`: scan, compare, pack and seal, commit.

mod refuse;
mod seal;
mod target;

use keybackup_protocol::PersonaId;
use serde::Serialize;

use super::batch;
use super::context::{Context, Session};
use super::local::{self, LocalPersona};
use super::outgoing::{Outgoing, new_persona_id};
use super::persona::{Persona, SkippedEntry};
use super::scan::{self, How, Source};
use crate::archive::{Excludes, StatCache};
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::{Opened, OpenedPersona};
use crate::records::{Base, Digest, Name, Nickname};
use crate::ui;
use refuse::{is_own, refuse_conflict, refuse_emptied};
pub(super) use seal::{Sealed as Sealing, pack_and_seal};
use target::{name_of, skipped_directory, target, tied_name};

/// A persona that was pushed, or need not be.
#[derive(Serialize)]
pub(super) struct Pushed {
    #[serde(flatten)]
    persona: Persona,
    sent: u64,
}

impl batch::Outcome for Pushed {
    fn persona(&self) -> &Persona {
        &self.persona
    }
}

#[derive(Serialize)]
struct Document<'a> {
    dry_run: bool,
    personas: &'a [Pushed],
}

/// What the options ask of every persona.
pub(super) struct Request {
    /// How to scan.
    pub(super) how: How,
    /// Over a newer version, or from another directory.
    pub(super) force: bool,
    /// Only tell.
    pub(super) dry_run: bool,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Push) -> CommandResult {
    let ui = context.ui;
    let excludes = Excludes::new(&arguments.exclude).map_err(|e| Failure::of(Code::Usage, &e))?;
    let request = Request {
        how: How { excludes, skip_special: arguments.skip_special, rehash: arguments.rehash },
        force: arguments.force,
        dry_run: arguments.dry_run,
    };
    let (mut session, mut opened) = context.look()?;
    let local::Look { personas: locals, left_out } = if arguments.all {
        local::look(&context.settings.personas_dir)?
    } else {
        let target = target(context, &session, &opened, arguments.target.as_ref())?;
        local::Look { personas: vec![target], ..local::Look::default() }
    };
    let personas_dir = &context.settings.personas_dir;
    if arguments.all && !personas_dir.is_dir() {
        let shown = ui::escape(&personas_dir.display().to_string()).into_owned();
        return Err(Failure::new(Code::NotFound, format!("there is no directory {shown}"))
            .hint("is a disk not mounted, or KEYBACKUP_PERSONAS_DIR wrong?"));
    }
    if locals.is_empty() && left_out.is_empty() {
        ui.say(format!("there is no persona in {}", context.settings.personas_dir.display()));
    }
    let (mut pushed, mut result) = batch::each(
        arguments.all,
        &locals,
        |local| {
            if session.stale {
                opened = session.snapshot()?;
            }
            let asked = arguments.name.clone().or_else(|| tied_name(&session, &opened, local));
            let name = name_of(local, asked.as_deref())?;
            match push(context, &mut session, &opened, local, &name, &request) {
                Err(failure) if matches!(failure.code(), Code::Conflict | Code::Taken) => {
                    opened = session.snapshot()?;
                    if !overtaken_by_own(&session, &opened, &name) {
                        return Err(failure);
                    }
                    push(context, &mut session, &opened, local, &name, &request)
                }
                pushed => pushed,
            }
        },
        |local, failure| Pushed {
            persona: Persona::local(&local.name, local.nickname.clone()).failed(failure),
            sent: 0,
        },
    );
    let left_out: Vec<_> =
        left_out.iter().map(|(path, why)| skipped_directory(path, why)).collect();
    if result.is_ok() && !left_out.is_empty() {
        let what = ui::count(left_out.len() as u64, "directory");
        result = Err(Failure::new(Code::Partial, format!("{what} left out, and named above")));
    }
    pushed.extend(left_out);
    if ui.is_json() && (!pushed.is_empty() || result.is_ok()) {
        ui.json(&Document { dry_run: request.dry_run, personas: &pushed })?;
    } else if !ui.is_json() {
        batch::warn_of_failures(ui, &pushed);
        for one in pushed.iter().filter(|one| one.persona.error.is_none()) {
            tell(context, one, request.dry_run)?;
        }
    }
    result
}

/// Whether what stands in the way of a commit is one of this device's own: of a process that was
/// killed, whose request reached the server after this one had looked.
fn overtaken_by_own(session: &Session, opened: &Opened, name: &Name) -> bool {
    let standing = opened.index.by_name(name.as_str());
    standing.is_some_and(|(id, _)| {
        opened.personas.get(&id).is_some_and(|remote| is_own(session, id, remote))
    })
}

/// Pushes one directory under a name, unless it stands there already.
pub(super) fn push(
    context: &Context<'_>,
    session: &mut Session,
    opened: &Opened,
    local: &LocalPersona,
    name: &Name,
    request: &Request,
) -> Result<Pushed, Failure> {
    let remote = opened
        .index
        .by_name(name.as_str())
        .and_then(|(id, _)| Some((id, opened.personas.get(&id)?)));
    let directory = local.directory.display().to_string();
    let standing = remote.and_then(|(_, remote)| remote.label.label.content.as_ref());
    let found = scan::find(&local.directory, &request.how)?;
    // What is another one for certain is read only once, to be packed. Who only asks is told of
    // every file that can't be read, and what was packed before may be the same.
    let packed = session.left_parcel().is_some_and(|parcel| parcel.name == *name);
    let differs = standing.is_none_or(|content| found.differs(content));
    let source = if differs && !request.dry_run && !packed {
        Source::from(found)
    } else {
        let id = remote.map(|(id, _)| id);
        let scan = session.read(found, id, &local.directory, &request.how)?;
        let fingerprint = scan.fingerprint();
        let same = standing.is_some_and(|content| content.fingerprint == fingerprint);
        if let Some((id, remote)) = remote.filter(|(_, remote)| same && !remote.trashed) {
            if !request.dry_run {
                let version = remote.label.label.version;
                settle(session, id, version, fingerprint, &directory, &scan.tree.cache)?;
            }
            let persona = Persona {
                path: Some(directory),
                skipped: skipped(&scan.into()),
                ..Persona::of(id, remote)
            };
            return Ok(Pushed { persona, sent: 0 });
        }
        Source::from(scan)
    };
    if let Some((id, remote)) = remote.filter(|_| !request.force) {
        refuse_conflict(session, id, remote, &directory)?;
        refuse_emptied(source.files, remote)?;
    }
    if request.dry_run {
        return Ok(would_push(&source, name, local, remote, directory));
    }
    let outgoing = Outgoing {
        id: remote.map_or_else(|| left_id(session, opened, name), |(id, _)| id),
        remote: remote.map(|(_, remote)| remote),
        name,
        nickname: local.nickname.as_deref().and_then(Nickname::tidy),
        directory: Some(directory),
        repair: None,
    };
    let sealed = pack_and_seal(context, session, &outgoing, local, &request.how, source)?;
    let id = outgoing.id;
    let mut persona = outgoing.commit(context, session, opened, sealed.bytes)?;
    session.save_cache(id, &sealed.cache);
    persona.skipped = sealed.skipped;
    Ok(Pushed { sent: persona.stored_size.unwrap_or_default(), persona })
}

/// The id of a new persona: that under which it was sealed, and not committed, before.
fn left_id(session: &Session, opened: &Opened, name: &Name) -> PersonaId {
    let left = session.left_parcel().filter(|parcel| parcel.name == *name);
    let id = left.map(|parcel| parcel.persona).filter(|id| !opened.personas.contains_key(id));
    id.unwrap_or_else(new_persona_id)
}

fn would_push(
    source: &Source,
    name: &Name,
    local: &LocalPersona,
    remote: Option<(PersonaId, &OpenedPersona)>,
    directory: String,
) -> Pushed {
    let known = remote.map(|(id, remote)| Persona::of(id, remote));
    let persona = Persona {
        name: name.to_string(),
        nickname: local.nickname.clone(),
        size: Some(source.bytes),
        files: Some(source.files),
        directories: Some(source.directories),
        changed: true,
        path: Some(directory),
        skipped: skipped(source),
        ..known.unwrap_or_else(|| Persona::local(name.as_str(), None))
    };
    Pushed { persona, sent: 0 }
}

/// Remembers that this directory is what stands at the server.
fn settle(
    session: &mut Session,
    id: PersonaId,
    version: u64,
    fingerprint: Digest,
    directory: &str,
    cache: &StatCache,
) -> CommandResult {
    let base = Base { version, fingerprint, directory: directory.to_owned() };
    if session.vault.state.set_base(id, Some(base)) {
        session.save_state()?;
    }
    session.save_cache(id, cache);
    session.drop_parcel_of(id);
    Ok(())
}

fn skipped(source: &Source) -> Vec<SkippedEntry> {
    let changing = |path: &String| SkippedEntry { path: path.clone(), reason: "changing" };
    let special = source.special.iter().map(SkippedEntry::from);
    special.chain(source.changing.iter().map(changing)).collect()
}

fn tell(context: &Context<'_>, pushed: &Pushed, dry_run: bool) -> CommandResult {
    let persona = &pushed.persona;
    let what = match (persona.changed, dry_run) {
        (false, _) => "unchanged".to_owned(),
        (true, true) => "would be pushed".to_owned(),
        (true, false) => "pushed".to_owned(),
    };
    let version =
        persona.version.map_or_else(|| "new".to_owned(), |version| format!("version {version}"));
    context.ui.report(format!(
        "{}  {version}  {}, {}  {what}",
        ui::escape(&persona.name),
        ui::count(persona.files.unwrap_or_default(), "file"),
        ui::size(persona.size.unwrap_or_default()),
    ))
}
