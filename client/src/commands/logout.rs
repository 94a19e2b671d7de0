//! `keybackup logout`: ends the session, here and at the server; marks and device id stay.

use serde::Serialize;

use super::context::Context;
use crate::error::CommandResult;
use crate::profile::{Record, Session};
use crate::secret::Token;

#[derive(Serialize)]
struct Document {
    changed: bool,
    server_told: bool,
}

/// Runs the command.
pub(super) fn run(context: &Context<'_>) -> CommandResult {
    let ui = context.ui;
    let profile = context.lock()?;
    let mut document = Document { changed: false, server_told: false };
    let Some(record) = profile.record()? else {
        // What a profile without a record still has of a login opens nothing, and goes.
        profile.erase_orphan()?;
        return tell(context, &document);
    };
    match profile.login(&record) {
        Ok(login) => {
            if let Some(session) = login.as_ref().and_then(|login| login.session.as_ref()) {
                document.changed = true;
                // The server is told first, while the token is there; if it can't be reached the
                // session ends by itself there, and here in any case.
                document.server_told = end_there(context, &record, session);
            }
        }
        Err(error) => {
            document.changed = true;
            ui.warn(format!("the stored login can't be read: {error}"));
        }
    }
    profile.end_session(&record, |message| ui.warn(message))?;
    tell(context, &document)
}

/// Ends the session at the server; whether the server could be told.
fn end_there(context: &Context<'_>, record: &Record, session: &Session) -> bool {
    let token = Token::parse(session.token.as_str().to_owned());
    let server = context.settings.server_for(Some(&record.server));
    let remote = server.and_then(|server| context.remote(&server));
    let (Ok(token), Ok(mut remote)) = (token, remote) else { return false };
    remote.authenticate(token);
    remote.end_session().is_ok()
}

fn tell(context: &Context<'_>, document: &Document) -> CommandResult {
    let ui = context.ui;
    if ui.is_json() {
        return ui.json(document);
    }
    if document.changed && !document.server_told {
        ui.warn("the server could not be told; the session there ends by itself");
    }
    ui.line(if document.changed { "logged out" } else { "nobody was logged in" })
}
