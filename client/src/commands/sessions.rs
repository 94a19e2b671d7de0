//! `keybackup session list` and `revoke`: the logins of all devices.

use keybackup_protocol::api::ListedSession;
use serde::Serialize;

use super::DeviceDocument;
use super::context::{Context, now};
use super::find::quoted;
use super::persona::device_names;
use crate::cli;
use crate::error::{Code, CommandResult, Failure};
use crate::ui;

/// Digits of an id that the table shows, and revoking takes.
const SHOWN_DIGITS: usize = 8;

#[derive(Serialize)]
struct Document {
    sessions: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    device: DeviceDocument,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    current: bool,
}

#[derive(Serialize)]
struct Revoked {
    revoked: u64,
}

/// Lists them, newest first.
pub(super) fn list(context: &Context<'_>) -> CommandResult {
    let ui = context.ui;
    let session = context.open()?;
    let listed = session.vault.remote.sessions()?.sessions;
    let names = device_names(&session.vault);
    let rows: Vec<_> = listed.iter().map(|listed| row(listed, &names)).collect();
    if ui.is_json() {
        return ui.json(&Document { sessions: rows });
    }
    let age = |at| ui::age(now().saturating_sub(at));
    let cells = |row: &Row| {
        let device = if row.device.name.is_empty() { &row.device.id } else { &row.device.name };
        vec![
            row.id[..SHOWN_DIGITS].to_owned(),
            format!("{device}{}", if row.current { " (this one)" } else { "" }),
            age(row.last_used_at),
            age(row.created_at),
            ui::timestamp(row.expires_at),
        ]
    };
    let cells: Vec<_> = rows.iter().map(cells).collect();
    ui.table(&["ID", "DEVICE", "USED", "OPENED", "ENDS"], &cells)
}

fn row(listed: &ListedSession, names: &[(keybackup_protocol::DeviceId, String)]) -> Row {
    let name = names.iter().find(|(id, _)| *id == listed.device_id);
    Row {
        id: listed.id.to_string(),
        device: DeviceDocument {
            id: listed.device_id.to_string(),
            name: name.map_or_else(String::new, |(_, name)| name.clone()),
        },
        created_at: listed.created_at,
        last_used_at: listed.last_used_at,
        // Without use it ends sooner.
        expires_at: listed.expires_at.min(listed.last_used_at.saturating_add(listed.idle_ttl_s)),
        current: listed.current,
    }
}

/// Ends one, or all but this device's own.
pub(super) fn revoke(context: &Context<'_>, arguments: &cli::Revoke) -> CommandResult {
    let ui = context.ui;
    let session = context.open()?;
    let remote = &session.vault.remote;
    let revoked = match &arguments.id {
        Some(text) => {
            let listed = remote.sessions()?.sessions;
            u64::from(remote.revoke_session(&find(&listed, text)?.id)?.changed)
        }
        None => remote.revoke_others()?.ended,
    };
    if ui.is_json() {
        return ui.json(&Revoked { revoked });
    }
    ui.line(match revoked {
        0 => "there was no other login".to_owned(),
        1 => "1 login has ended".to_owned(),
        n => format!("{n} logins have ended"),
    })
}

/// The one whose id begins so.
fn find<'a>(listed: &'a [ListedSession], text: &str) -> Result<&'a ListedSession, Failure> {
    let hint = "what there is: keybackup session list";
    let mut found = listed.iter().filter(|listed| listed.id.to_string().starts_with(text));
    match (found.next(), found.next()) {
        (Some(one), None) if !text.is_empty() => Ok(one),
        (Some(_), _) => {
            let message = format!("several logins begin with {}", quoted(text));
            Err(Failure::new(Code::Ambiguous, message).hint(hint))
        }
        (None, _) => {
            Err(Failure::new(Code::NotFound, format!("no login {}", quoted(text))).hint(hint))
        }
    }
}
