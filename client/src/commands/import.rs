//! `keybackup import`: a persona zip of the old Key Backup Service becomes a version of a persona,
//! sealed straight from the zip.

use serde::Serialize;

use super::context::Context;
use super::find;
use super::outgoing::{Bytes, Outgoing, new_persona_id};
use super::persona::Persona;
use crate::archive::{self, AuditError, ContentError, Limits, Policy, RepackError};
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::records::{Digest, Name, Nickname};
use crate::spool::Spool;
use crate::ui::{self, Task, Unit};
use crate::vault::VaultError;

/// Largest `persona.json` that is looked into.
const MAX_PERSONA_JSON_BYTES: u64 = 64 * 1024;

#[derive(Serialize)]
struct Document {
    dry_run: bool,
    personas: [Imported; 1],
}

#[derive(Serialize)]
struct Imported {
    #[serde(flatten)]
    persona: Persona,
    source: String,
}

/// What `persona.json` of the reference layout says.
#[derive(Default, serde::Deserialize)]
struct PersonaJson {
    pid: Option<String>,
    nickname: Option<String>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>, arguments: &cli::Import) -> CommandResult {
    let ui = context.ui;
    let path = &arguments.zip;
    let shown = find::quoted(&path.display().to_string());
    let mut zip = std::fs::File::open(path)
        .map_err(|error| Failure::io(&error, format!("opening {shown}")))?;
    let audited = archive::audit(&mut zip, Policy::Foreign, &Limits::FOREIGN)
        .map_err(|error| audit_failure(&error, &shown))?
        .without_top();
    let json = archive::small_content(&mut zip, &audited, "persona.json", MAX_PERSONA_JSON_BYTES)
        .map_err(|error| repack_failure(error, &shown))?;
    let json: PersonaJson =
        json.and_then(|json: Vec<u8>| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    let name = arguments.name.clone().or(json.pid).or(stem).unwrap_or_default();
    let name: Name = name.parse().map_err(|error| {
        Failure::of(Code::NameRefused, &error)
            .context(format!("{} can't be a persona's name", find::quoted(&name)))
            .hint("another one: --name NAME")
    })?;

    let (mut session, opened) = context.look()?;
    let standing = opened.index.by_name(name.as_str());
    let remote = standing.and_then(|(id, _)| Some((id, opened.personas.get(&id)?)));
    let id = remote.map_or_else(new_persona_id, |(id, _)| id);

    let nickname = json.nickname.as_deref().and_then(Nickname::tidy);
    let outgoing = Outgoing {
        id,
        remote: remote.map(|(_, remote)| remote),
        name: &name,
        nickname: nickname.clone(),
        directory: None,
        repair: None,
    };
    let progress =
        ui.progress(Task::Packing, Some(name.as_str()), Unit::Bytes, Some(audited.bytes));
    let out = |error| Failure::from(VaultError::from(error));
    let spool = Spool::new(&session.spool_place(context)?.directory);
    let mut writer = outgoing.writer(&session, spool).map_err(out)?;
    let packed =
        archive::repack(&mut zip, &audited, &mut writer, &mut |bytes| progress.advance(bytes))
            .map_err(|error| repack_failure(error, &shown))?;
    let (spool, sealed) = writer.finish().map_err(out)?;
    drop(progress);

    let fingerprint = Digest::from(packed.summary.fingerprint);
    let same_content = remote.is_some_and(|(_, remote)| {
        let content = remote.label.label.content.as_ref();
        content.is_some_and(|content| content.fingerprint == fingerprint)
    });
    // What lies in the trash comes out of it by a new version.
    let same = same_content && remote.is_some_and(|(_, remote)| !remote.trashed);
    let mut persona = Persona {
        size: Some(packed.summary.bytes),
        files: Some(packed.summary.files),
        directories: Some(packed.summary.directories),
        nickname: nickname.as_ref().map(ToString::to_string),
        ..remote.map_or_else(
            || Persona::local(name.as_str(), None),
            |(id, remote)| Persona::of(id, remote),
        )
    };
    if let Some((_, remote)) = remote.filter(|_| !same_content) {
        return Err(Failure::new(
            Code::Conflict,
            format!(
                "there is a persona {} already, version {}, with other contents",
                find::quoted(name.as_str()),
                remote.label.label.version
            ),
        )
        .hint("import it under another name: --name NAME"));
    }
    persona.changed = !same;
    if !same && !arguments.dry_run {
        let held = outgoing.send(context, &session, spool)?;
        let bytes = Bytes { held, blob: sealed, summary: packed.summary };
        persona = outgoing.commit(context, &mut session, &opened, bytes)?;
    }
    let source = path.display().to_string();
    if ui.is_json() {
        let personas = [Imported { persona, source }];
        return ui.json(&Document { dry_run: arguments.dry_run, personas });
    }
    let what = match (same, arguments.dry_run) {
        (true, _) => "is there already",
        (false, true) => "would be imported",
        (false, false) => "imported",
    };
    ui.report(format!(
        "{}  {}, {}  {what}",
        ui::escape(&persona.name),
        ui::count(persona.files.unwrap_or_default(), "file"),
        ui::size(persona.size.unwrap_or_default())
    ))
}

fn audit_failure(error: &AuditError, shown: &str) -> Failure {
    Failure::of(Code::BadArchive, error)
        .context(format!("{shown} is refused"))
        .hint("nothing was imported")
}

fn repack_failure(error: RepackError, shown: &str) -> Failure {
    match error {
        RepackError::Write(error)
        | RepackError::Start(error)
        | RepackError::Content(ContentError::Write { source: error, .. }) => {
            VaultError::from(error).into()
        }
        error => Failure::of(Code::BadArchive, &error)
            .context(format!("{shown} is refused"))
            .hint("nothing was imported"),
    }
}
