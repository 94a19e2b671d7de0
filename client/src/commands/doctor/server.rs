//! The server: whether it answers, and whether it is understood.

use keybackup_protocol::limits::PROTOCOL;

use super::{Check, Probe, ServerFacts, Status};
use crate::config::Settings;
use crate::error::{Code, Failure};
use crate::profile::Profile;

/// Asks the server, and tells its clock if it does.
pub(super) fn reach(settings: &Settings, probe: Probe<'_>) -> (Check, Option<i64>) {
    // A record that does not parse is told elsewhere.
    let record = Profile::at(&settings.data_dir, &settings.profile).record().ok().flatten();
    let answer = settings
        .server_for(record.as_ref().map(|record| &record.server))
        .and_then(|server| Ok((probe(settings, &server)?, server)));
    match answer {
        Ok((facts, server)) => (understood(&facts, server.as_str()), facts.date),
        Err(failure) => (unanswered(&failure), None),
    }
}

fn understood(facts: &ServerFacts, server: &str) -> Check {
    let told = format!("{server} answers, version {}", facts.version);
    if facts.protocols.contains(&PROTOCOL) {
        return Check::new("server", Status::Ok, format!("{told}, protocol {PROTOCOL}"));
    }
    let spoken = facts.protocols.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!("{told}, but speaks protocol {spoken}, and this client {PROTOCOL}");
    let newer = facts.protocols.iter().any(|&protocol| protocol > PROTOCOL);
    Check::new("server", Status::Failed, message).hint(if newer {
        "update keybackup on this device"
    } else {
        "update the server"
    })
}

fn unanswered(failure: &Failure) -> Check {
    let status = match failure.code() {
        Code::InputNeeded => Status::Skipped,
        _ => Status::Failed,
    };
    Check::of("server", status, failure)
}
