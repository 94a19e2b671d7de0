//! `keybackup status`: server, account and device, and where each persona is and which is newer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use keybackup_protocol::limits::PROTOCOL;
use serde::Serialize;

use super::context::{Context, Session, now};
use super::local::{self, LocalPersona};
use super::persona::{Persona, device_names, name_device};
use super::scan::How;
use crate::config::StoreKind;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::OpenedPersona;
use crate::records::Digest;
use crate::ui;

#[derive(Serialize)]
struct Document {
    profile: String,
    server: ServerDocument,
    email: Option<String>,
    account: Option<String>,
    epoch: Option<String>,
    device: Option<super::DeviceDocument>,
    login: LoginDocument,
    protocol: u32,
    marks: Option<Marks>,
    personas: Vec<Row>,
}

#[derive(Default, Serialize)]
struct ServerDocument {
    url: Option<String>,
    reachable: bool,
    version: Option<String>,
    protocols: Vec<u32>,
    registration: Option<keybackup_protocol::api::Registration>,
    error: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct LoginDocument {
    stored: StoreKind,
    valid: Option<bool>,
    expires_at: Option<i64>,
}

#[derive(Serialize)]
struct Marks {
    keyring_version: u64,
    index_counter: u64,
    digest: String,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    persona: Persona,
    r#where: &'static str,
    newer: &'static str,
    seen_version: Option<u64>,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>) -> CommandResult {
    let ui = context.ui;
    let (mut document, failure) = look(context)?;
    document.personas.sort_by(|a, b| a.persona.name.cmp(&b.persona.name));
    if ui.is_json() {
        ui.json(&document)?;
    } else {
        print(context, &document)?;
    }
    // A server that can't be reached is something to report; one that goes back is a failure, and so
    // is an account that somebody has taken elsewhere.
    let grave = |failure: &Failure| {
        failure.exit() == crate::error::Exit::Integrity || failure.code() == Code::Displaced
    };
    failure.filter(grave).map_or(Ok(()), Err)
}

fn look(context: &Context<'_>) -> Result<(Document, Option<Failure>), Failure> {
    let settings = &context.settings;
    let profile = context.profile();
    let record = profile.record()?;
    let login = record
        .as_ref()
        .and_then(|record| profile.login_or_none(record, |told| context.ui.warn(told)));
    let stored = login.as_ref().and_then(|login| login.session.as_ref());
    let live = stored.filter(|session| session.expires_at > now());
    let server = settings.server_for(record.as_ref().map(|record| &record.server)).ok();
    let mut document = Document {
        profile: settings.profile.as_str().to_owned(),
        server: ServerDocument {
            url: server.as_ref().map(|server| server.as_str().to_owned()),
            ..ServerDocument::default()
        },
        email: record.as_ref().map(|record| record.email.as_str().to_owned()),
        account: record.as_ref().map(|record| record.account_id.to_string()),
        epoch: record.as_ref().map(|record| record.epoch_id.to_string()),
        device: record.as_ref().map(|record| super::DeviceDocument {
            id: record.device_id.to_string(),
            name: record.device_name.clone(),
        }),
        login: LoginDocument {
            stored: stored
                .and(record.as_ref())
                .and_then(|record| record.stored)
                .unwrap_or(StoreKind::None),
            valid: (stored.is_some() && live.is_none()).then_some(false),
            expires_at: stored.map(|session| session.expires_at),
        },
        protocol: PROTOCOL,
        marks: None,
        personas: Vec::new(),
    };
    if let Some(server) = &server {
        match context.remote(server)?.status() {
            Ok(status) => {
                document.server.reachable = true;
                document.server.version = Some(status.version);
                document.server.protocols = status.protocols;
                document.server.registration = Some(status.registration);
            }
            Err(error) => document.server.error = Some(Failure::from(error).to_json()),
        }
    }
    let locals = local::all(&settings.personas_dir)?;
    let unattended = record.is_some() && context.global.passwords.given(context.environment);
    if !document.server.reachable || (live.is_none() && !unattended) {
        document.personas = locals.iter().map(only_known_here).collect();
        return Ok((document, None));
    }
    let mut session = match context.open() {
        Err(failure) if failure.exit() == crate::error::Exit::Login => {
            document.personas = locals.iter().map(only_known_here).collect();
            return Ok((document, None));
        }
        opened => opened?,
    };
    match session.snapshot() {
        Ok(opened) => {
            document.login.valid = Some(true);
            document.personas = compare(&session, &opened, &locals);
            document.marks = Some(marks(&session));
            let displaced = session.displaced.then(|| session.displacement());
            document.server.error = displaced.as_ref().map(Failure::to_json);
            Ok((document, displaced))
        }
        Err(failure) => {
            document.login.valid = (failure.exit() == crate::error::Exit::Login).then_some(false);
            document.server.error = Some(failure.to_json());
            document.marks = Some(marks(&session));
            document.personas = locals.iter().map(only_known_here).collect();
            Ok((document, Some(failure)))
        }
    }
}

fn marks(session: &Session) -> Marks {
    let state = &session.vault.state;
    let mut text = format!("{} {} {}\n", state.epoch, state.keyring_version, state.index_counter);
    for (id, mark) in &state.personas {
        writeln!(text, "{id} {} {}", mark.version, mark.label).expect("a string takes all");
    }
    Marks {
        keyring_version: state.keyring_version,
        index_counter: state.index_counter,
        digest: Digest::of(text.as_bytes()).to_string()[..8].to_owned(),
    }
}

/// A persona that the server does not have.
fn only_local(local: &LocalPersona) -> Row {
    Row {
        persona: Persona {
            path: Some(local.directory.display().to_string()),
            ..Persona::local(&local.name, local.nickname.clone())
        },
        r#where: "local",
        newer: "local",
        seen_version: None,
    }
}

/// A persona of which nobody can say now whether the server has it.
fn only_known_here(local: &LocalPersona) -> Row {
    Row { newer: "unknown", ..only_local(local) }
}

/// Pairs local directories with what the server has, by name.
fn compare(session: &Session, opened: &crate::marks::Opened, locals: &[LocalPersona]) -> Vec<Row> {
    let names = device_names(&session.vault);
    let mut left: BTreeMap<&str, &LocalPersona> =
        locals.iter().map(|local| (local.name.as_str(), local)).collect();
    let names_there: BTreeSet<&str> = opened
        .personas
        .values()
        .filter(|remote| !remote.label.label.removed)
        .map(|remote| remote.label.label.name.as_str())
        .collect();
    let mut rows = Vec::new();
    for (id, remote) in &opened.personas {
        let label = &remote.label.label;
        let mut persona = Persona::of(*id, remote);
        name_device(&mut persona, &names);
        let mark = session.vault.state.personas.get(id);
        let mut row = Row {
            persona,
            r#where: "remote",
            // What was removed is not to be pulled.
            newer: if label.removed { "same" } else { "remote" },
            seen_version: mark.map(|mark| mark.version),
        };
        let named = (!label.removed).then(|| left.remove(label.name.as_str())).flatten();
        let named = named.map(|local| local.directory.clone());
        // Not in the personas directory: where it was pushed from, if that is still there.
        let base = mark.and_then(|mark| mark.base.as_ref());
        let elsewhere = || base.map(|base| PathBuf::from(&base.directory)).filter(|it| it.is_dir());
        // A renamed persona's directory keeps its name, and is no persona of its own.
        if let Some(base) = base.filter(|_| !label.removed && named.is_none()) {
            left.retain(|name, local| {
                names_there.contains(name) || local.directory != Path::new(&base.directory)
            });
        }
        if !label.removed
            && let Some(directory) = named.or_else(elsewhere)
        {
            row.r#where = "both";
            row.newer = newer(session, *id, remote, &directory);
            row.persona.path = Some(directory.display().to_string());
        }
        rows.push(row);
    }
    rows.extend(left.into_values().map(only_local));
    rows
}

/// Which side is newer, judged by contents and by what this device last pushed or pulled.
fn newer(
    session: &Session,
    id: keybackup_protocol::PersonaId,
    remote: &OpenedPersona,
    directory: &Path,
) -> &'static str {
    let label = &remote.label.label;
    let how = How { skip_special: true, ..How::default() };
    let Ok(scan) = session.scan(Some(id), directory, &how) else { return "unknown" };
    let fingerprint = scan.fingerprint();
    let standing = label.content.as_ref().map(|content| content.fingerprint);
    if standing == Some(fingerprint) {
        return "same";
    }
    let base = session.vault.state.personas.get(&id).and_then(|mark| mark.base.as_ref());
    match base {
        Some(base) if Some(base.fingerprint) == standing => "local",
        Some(base) if base.fingerprint == fingerprint => "remote",
        _ => "differ",
    }
}

fn print(context: &Context<'_>, document: &Document) -> CommandResult {
    let ui = context.ui;
    let or_none = |text: &Option<String>| {
        text.as_deref().map_or_else(|| "none".to_owned(), |text| ui::escape(text).into_owned())
    };
    let server = &document.server;
    let reach = match (&server.version, &server.error) {
        (Some(version), None) => format!("reachable, version {}", ui::escape(version)),
        (_, Some(error)) => error["message"].as_str().unwrap_or("not reachable").to_owned(),
        (None, None) => "not configured".to_owned(),
    };
    ui.line(format!("profile  {}", ui::escape(&document.profile)))?;
    ui.line(format!("server   {} ({reach})", or_none(&server.url)))?;
    ui.line(format!("e-mail   {}", or_none(&document.email)))?;
    let device = document.device.as_ref().map(|device| device.name.clone());
    ui.line(format!("device   {}", or_none(&device)))?;
    let login = match (document.login.expires_at, document.login.valid) {
        (_, Some(false)) => "ended: keybackup login".to_owned(),
        (Some(at), _) => format!("until {}", ui::timestamp(at)),
        (None, _) => "none: keybackup login".to_owned(),
    };
    ui.line(format!("login    {login}"))?;
    ui.line(format!("protocol {}", document.protocol))?;
    if let Some(marks) = &document.marks {
        ui.line(format!(
            "marks    {} (index {}, keyring {}; equal on devices that have seen the same)",
            marks.digest, marks.index_counter, marks.keyring_version
        ))?;
    }
    if document.personas.is_empty() {
        return Ok(());
    }
    ui.line("")?;
    let rows: Vec<_> = document
        .personas
        .iter()
        .map(|row| {
            let persona = &row.persona;
            let state = match (persona.removed, row.r#where, row.newer) {
                (true, ..) => "removed",
                (_, "both", "unknown") => "unknown: can't be read here",
                (_, _, "unknown") if server.reachable && server.error.is_none() => {
                    "unknown: not logged in"
                }
                (_, _, "unknown") => "unknown: no answer of the server",
                (_, "local", _) => "not backed up",
                (_, "remote", _) => "not on this device",
                (_, _, "same") => "up to date",
                (_, _, "local") => "changed here: push",
                (_, _, "remote") => "newer at the server: pull --force",
                (_, _, "differ") => "differs on both sides: diff",
                _ => "unknown",
            };
            vec![
                persona.name.clone(),
                persona.nickname.clone().unwrap_or_default(),
                persona.version.map_or_else(String::new, |version| version.to_string()),
                persona.time.map_or_else(String::new, |time| ui::age(now().saturating_sub(time))),
                state.to_owned(),
            ]
        })
        .collect();
    ui.table(&["NAME", "NICKNAME", "VERSION", "PUSHED", "STATE"], &rows)
}
