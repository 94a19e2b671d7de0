//! `keybackup doctor`: whether this device is set up so that the other commands can work. It
//! changes nothing, and works where they can't: without a configuration, a login, a server.

use serde::Serialize;

use crate::cli::Global;
use crate::config::{Environment, ServerUrl, Settings};
use crate::error::{Code, CommandResult, Failure};
use crate::ui::{Ui, escape};

mod device;
mod files;
mod server;

/// What a server tells of itself.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// Version of its program.
    pub version: String,
    /// Protocol versions that it speaks.
    pub protocols: Vec<u32>,
    /// Its clock, unix seconds, if it tells.
    pub date: Option<i64>,
}

/// How a server is asked; the layers that speak with one are not the doctor's.
pub type Probe<'a> = &'a dyn Fn(&Settings, &ServerUrl) -> Result<ServerFacts, Failure>;

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    message: String,
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, status: Status, message: impl Into<String>) -> Self {
        Self { name, status, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What a failure says.
    fn of(name: &'static str, status: Status, failure: &Failure) -> Self {
        let hint = (!failure.hints().is_empty()).then(|| failure.hints().join("\n"));
        Self { hint, ..Self::new(name, status, failure.to_string()) }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    checks: &'a [Check],
}

/// Runs the command.
pub fn run(
    ui: &Ui,
    options: &Global,
    environment: &Environment,
    probe: Probe<'_>,
) -> CommandResult {
    let checks = examine(options, environment, probe);
    let failed = checks.iter().filter(|check| check.status == Status::Failed).count();
    if ui.is_json() {
        ui.json(&Document { ok: failed == 0, checks: &checks })?;
    } else {
        checks.iter().try_for_each(|check| print(ui, check))?;
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(Code::Doctor, format!("{failed} of {} checks failed", checks.len())))
}

fn print(ui: &Ui, check: &Check) -> CommandResult {
    let (status, message) = (check.status.as_str(), escape(&check.message));
    ui.line(format!("{status:<8} {:<13} {message}", check.name))?;
    let hints = check.hint.iter().flat_map(|hint| hint.lines());
    hints.into_iter().try_for_each(|hint| ui.line(format!("{:23}{}", "", escape(hint))))
}

fn examine(options: &Global, environment: &Environment, probe: Probe<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    match Settings::load(options, environment) {
        Ok(settings) => {
            checks.push(files::config(&settings));
            checks.extend(files::data(&settings));
            checks.push(files::login(&settings));
            checks.push(files::personas(&settings));
            let (server, date) = server::reach(&settings, probe);
            checks.push(device::clock(date));
            checks.push(server);
        }
        Err(error) => {
            checks.push(Check::of("config", Status::Failed, &Failure::from(error)));
            for name in ["data_dir", "free_space", "login", "personas_dir"] {
                checks.push(Check::new(name, Status::Skipped, "nothing says where it is"));
            }
            checks.push(device::clock(None));
            checks.push(Check::new("server", Status::Skipped, "nothing says which"));
        }
    }
    checks.push(device::core_dumps());
    checks.push(device::memory());
    checks
}

#[cfg(test)]
mod tests;
