//! `keybackup push`: scan, compare, pack and seal, commit.

use std::io;
use std::path::Path;

use keybackup_protocol::PersonaId;
use rand08::rngs::OsRng;
use serde::Serialize;

use super::context::{Context, Session, now};
use super::failure::with_three_ways_out;
use super::local::{self, LocalPersona};
use super::outgoing::{Bytes, Outgoing, new_persona_id};
use super::persona::{Persona, SkippedEntry};
use super::scan::{How, Scan};
use super::{batch, find};
use crate::archive::{self, Changes, Excludes, PackError, StatCache};
use crate::cli::{self, Target};
use crate::error::{Code, CommandResult, Failure};
use crate::marks::{Opened, OpenedPersona};
use crate::records::{Base, Digest, Name, Nickname};
use crate::seal::{BlobType, BlobWriter};
use crate::spool::Spool;
use crate::ui::{self, Task, Unit};
use crate::vault::VaultError;

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
    let mut session = context.open()?;
    let mut opened = session.snapshot()?;
    let locals = if arguments.all {
        local::all(&context.settings.personas_dir)?
    } else {
        vec![target(context, &session, &opened, arguments.target.as_ref())?]
    };
    if locals.is_empty() {
        ui.say(format!("there is no persona in {}", context.settings.personas_dir.display()));
    }
    let (pushed, result) = batch::each(
        arguments.all,
        &locals,
        |local| {
            let name = name_of(local, arguments.name.as_deref())?;
            if session.stale {
                opened = session.snapshot()?;
            }
            push(context, &mut session, &opened, local, &name, &request)
        },
        |local, failure| Pushed {
            persona: Persona::local(&local.name, local.nickname.clone()).failed(failure),
            sent: 0,
        },
    );
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

/// Which directory is meant.
fn target(
    context: &Context<'_>,
    session: &Session,
    opened: &Opened,
    target: Option<&Target>,
) -> Result<LocalPersona, Failure> {
    let personas_dir = &context.settings.personas_dir;
    match target {
        None => local::only(context.ui, personas_dir),
        Some(Target::Path(path)) => local::at(path),
        Some(Target::Persona(text)) => {
            if let Some(found) = local::find(personas_dir, text)? {
                return Ok(found);
            }
            // Not in the personas directory: where was it pushed from?
            let absent = || {
                Failure::new(
                    Code::NotFound,
                    format!("no persona {} on this device", find::quoted(text)),
                )
                .hint(format!(
                    "looked in {}; a directory is named by its path: ./{text}",
                    ui::escape(&personas_dir.display().to_string())
                ))
            };
            let (id, remote) = find::find(opened, text).map_err(|failure| {
                if failure.code() == Code::NotFound { absent() } else { failure }
            })?;
            let base = session.vault.state.personas.get(&id).and_then(|mark| mark.base.as_ref());
            let base = base.ok_or_else(absent)?;
            let found = local::at(Path::new(&base.directory))?;
            Ok(LocalPersona { name: remote.label.label.name.to_string(), ..found })
        }
    }
}

fn name_of(local: &LocalPersona, asked: Option<&str>) -> Result<Name, Failure> {
    asked.unwrap_or(&local.name).parse().map_err(|error| {
        Failure::of(Code::NameRefused, &error)
            .context(format!(
                "{} can't be a persona's name",
                find::quoted(asked.unwrap_or(&local.name))
            ))
            .hint("another one: --name NAME")
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
    let scan = session.scan(remote.map(|(id, _)| id), &local.directory, &request.how)?;
    let fingerprint = scan.fingerprint();
    let directory = local.directory.display().to_string();

    if let Some((id, remote)) = remote {
        let content = remote.label.label.content.as_ref();
        if content.is_some_and(|content| content.fingerprint == fingerprint) && !remote.trashed {
            if !request.dry_run {
                settle(
                    session,
                    id,
                    remote.label.label.version,
                    fingerprint,
                    &directory,
                    &scan.tree.cache,
                )?;
            }
            let persona = Persona {
                path: Some(directory),
                skipped: skipped(&scan),
                ..Persona::of(id, remote)
            };
            return Ok(Pushed { persona, sent: 0 });
        }
        if !request.force {
            refuse_conflict(session, id, remote, &directory)?;
        }
    }
    if request.dry_run {
        return Ok(would_push(&scan, name, local, remote, directory));
    }
    let outgoing = Outgoing {
        id: remote.map_or_else(new_persona_id, |(id, _)| id),
        remote: remote.map(|(_, remote)| remote),
        name,
        nickname: local.nickname.as_deref().and_then(Nickname::tidy),
        directory: Some(directory),
    };
    let sealed = pack_and_seal(context, session, &outgoing, local, &request.how, scan)?;
    let id = outgoing.id;
    let mut persona = outgoing.commit(context, session, opened, sealed.bytes)?;
    session.save_cache(id, &sealed.cache);
    persona.skipped = sealed.skipped;
    Ok(Pushed { sent: persona.stored_size.unwrap_or_default(), persona })
}

/// Refuses to push over a version that this device has not seen in this directory.
fn refuse_conflict(
    session: &Session,
    id: PersonaId,
    remote: &OpenedPersona,
    directory: &str,
) -> CommandResult {
    let label = &remote.label.label;
    let name = ui::escape(label.name.as_str()).into_owned();
    let base = session.vault.state.personas.get(&id).and_then(|mark| mark.base.as_ref());
    if remote.trashed {
        return Err(Failure::new(
            Code::Conflict,
            format!("the server says that {name} was deleted, without a seal of yours"),
        )
        .hint(format!(
            "put it back: keybackup push --force {}",
            ui::shell_word(label.name.as_str())
        )));
    }
    match base {
        Some(base) if base.directory != directory => Err(Failure::new(
            Code::Conflict,
            format!("{name} was last pushed from {}", ui::escape(&base.directory)),
        )
        .hint("another name: --name NAME")
        .hint("from here on this directory: --force")),
        // What stands is what this device last pushed or pulled, perhaps under a newer name.
        Some(base)
            if label.content.as_ref().is_some_and(|it| it.fingerprint == base.fingerprint) =>
        {
            Ok(())
        }
        // Bytes of this device whose answer was lost: nobody else's work. A label without bytes
        // of its own (a rename) may carry what another device pushed.
        _ if label.device == session.vault.device
            && label.content_version == Some(label.version) =>
        {
            Ok(())
        }
        _ => Err(with_three_ways_out(
            Failure::new(
                Code::Conflict,
                format!(
                    "{name} has version {} at the server, pushed {} by another device",
                    label.version,
                    ui::age(now() - label.time)
                ),
            ),
            label.name.as_str(),
        )),
    }
}

fn would_push(
    scan: &Scan,
    name: &Name,
    local: &LocalPersona,
    remote: Option<(PersonaId, &OpenedPersona)>,
    directory: String,
) -> Pushed {
    let summary = &scan.tree.summary;
    let known = remote.map(|(id, remote)| Persona::of(id, remote));
    let persona = Persona {
        name: name.to_string(),
        nickname: local.nickname.clone(),
        size: Some(summary.bytes),
        files: Some(summary.files),
        directories: Some(summary.directories),
        changed: true,
        path: Some(directory),
        skipped: skipped(scan),
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
    Ok(())
}

fn skipped(scan: &Scan) -> Vec<SkippedEntry> {
    let changing = |path: &String| SkippedEntry { path: path.clone(), reason: "changing" };
    let special = scan.tree.skipped.iter().map(SkippedEntry::from);
    special.chain(scan.tree.changed.iter().map(changing)).collect()
}

/// Sealed bytes, and what came up while packing.
struct Sealed {
    bytes: Bytes,
    skipped: Vec<SkippedEntry>,
    cache: StatCache,
}

/// Packs and seals. When a file changes meanwhile: from the start, once; then as it was read,
/// and named.
fn pack_and_seal(
    context: &Context<'_>,
    session: &Session,
    outgoing: &Outgoing<'_>,
    local: &LocalPersona,
    how: &How,
    scan: Scan,
) -> Result<Sealed, Failure> {
    let sealed = match seal(context, session, outgoing, scan, Changes::Refuse) {
        Err(SealFailure::Changed) => {
            let again = session.scan(Some(outgoing.id), &local.directory, how)?;
            seal(context, session, outgoing, again, Changes::Accept)
        }
        sealed => sealed,
    };
    sealed.map_err(|failure| match failure {
        SealFailure::Failed(failure) => failure,
        SealFailure::Changed => Failure::new(Code::Io, "files keep changing"),
    })
}

/// Packs and seals into a spool, in one pass: only ciphertext is kept.
fn seal(
    context: &Context<'_>,
    session: &Session,
    outgoing: &Outgoing<'_>,
    scan: Scan,
    changes: Changes,
) -> Result<Sealed, SealFailure> {
    let mut skipped = skipped(&scan);
    let Scan { root, tree } = scan;
    let cache = tree.cache.clone();
    let key = session.vault.keyring.active_persona_key(outgoing.id);
    let directory = session.profile.spool_dir().map_err(Failure::from)?;
    let (total, files) = (Some(tree.summary.bytes), tree.summary.files);
    let progress =
        context.ui.progress(Task::Packing, Some(outgoing.name.as_str()), Unit::Bytes, total);
    let mut writer = BlobWriter::create(
        &mut OsRng,
        &key,
        BlobType::Directory,
        session.vault.account,
        outgoing.version(),
        Spool::new(&directory),
    )?;
    let packed =
        archive::pack(&root, tree, changes, &mut writer, &mut |bytes| progress.advance(bytes))?;
    let (spool, blob) = writer.finish()?;
    // Files come and go; a directory that goes while it is packed is no new version of itself.
    if packed.summary.files < files / 2 {
        return Err(Failure::new(Code::Io, "most of the directory vanished while it was read")
            .hint("nothing was pushed; the same command again once it is back")
            .into());
    }
    for path in packed.changed {
        if !skipped.iter().any(|entry| entry.path == path) {
            skipped.push(SkippedEntry { path, reason: "changing" });
        }
    }
    Ok(Sealed { bytes: Bytes { spool, blob, summary: packed.summary }, skipped, cache })
}

enum SealFailure {
    Changed,
    Failed(Failure),
}

impl From<Failure> for SealFailure {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for SealFailure {
    fn from(error: io::Error) -> Self {
        Self::Failed(VaultError::from(error).into())
    }
}

impl From<PackError> for SealFailure {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Changed(_) => Self::Changed,
            PackError::Write(error) => error.into(),
            error => Self::Failed(Failure::of(Code::Io, &error)),
        }
    }
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
