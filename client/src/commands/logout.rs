//! `keybackup logout`: ends the session, here and at the server; marks and device id stay.

use serde::Serialize;

use super::context::Context;
use crate::error::CommandResult;
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
    if let Some(record) = profile.record()? {
        let login = profile.login_or_none(&record, |message| ui.warn(message));
        if let Some(session) = login.as_ref().and_then(|login| login.session.as_ref()) {
            document.changed = true;
            let server = context.settings.server_for(Some(&record.server))?;
            // The server is told first, while the token is there; if it can't be reached the
            // session ends by itself there, and here in any case.
            if let Ok(token) = Token::parse(session.token.as_str().to_owned())
                && let Ok(mut remote) = context.remote(&server)
            {
                remote.authenticate(token);
                document.server_told = remote.end_session().is_ok();
            }
        }
        profile.end_session(&record, |message| ui.warn(message))?;
    }
    if ui.is_json() {
        return ui.json(&document);
    }
    if document.changed && !document.server_told {
        ui.warn("the server could not be told; the session there ends by itself");
    }
    ui.line(if document.changed { "logged out" } else { "nobody was logged in" })
}
