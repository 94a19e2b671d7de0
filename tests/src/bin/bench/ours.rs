//! keybackup's turn: both programs, as a person uses them.

use std::process::Command;

use keybackup::keys::ksf::PasswordKsf;
use keybackup_tests::{Device, PASSWORD, Server};

use crate::failure::{Failure, Result};
use crate::runs::Step;
use crate::turn::{Times, Tool, Turn};

/// Its name in the table.
pub(crate) const NAME: &str = "keybackup";
/// Argument that makes this program stretch one password and end.
pub(crate) const STRETCH: &str = "--argon2id";

/// keybackup.
pub(crate) struct Ours;

const EMAIL: &str = "alice@example.org";
/// A shared disk may take its time to make a GiB durable.
const PATIENCE: [&str; 2] = ["--timeout", "600"];

impl Tool for Ours {
    fn name(&self) -> &'static str {
        NAME
    }

    fn programs(&self) -> &'static [&'static str] {
        &[]
    }

    fn turn(&self, turn: &mut Turn<'_>) -> Result<()> {
        let set = turn.set.directory.clone();
        let server = Server::on(&turn.path("data"), &[]);
        let pids = [server.pid()];
        let devices = turn.fresh("devices")?;

        let one = Device::within(&devices, &server.url);
        let register = one.command(["register", EMAIL, "--device", "one", "--json"]);
        turn.served(Step::Register, &register.password(PASSWORD).into_command(), &pids)?;
        let push = || {
            let push = one.command(["push", "--name", "set", "--no-input"]);
            push.arg(&set).arg(PATIENCE[0]).arg(PATIENCE[1]).into_command()
        };
        turn.served(Step::Push, &push(), &pids)?;
        turn.served(Step::Again, &push(), &pids)?;

        let two = Device::within(&devices, &server.url);
        let login = two.command(["login", EMAIL, "--device", "two", "--no-input"]);
        turn.served(Step::Login, &login.password(PASSWORD).into_command(), &pids)?;
        let stretch = std::env::current_exe()
            .map_err(|source| Failure::Start { program: "this program".to_owned(), source })?;
        turn.step(Step::Argon2id, Command::new(stretch).arg(STRETCH))?;
        let restored = turn.path("restored");
        let pull = two.command(["pull", "set", "--no-input"]).arg(&restored);
        turn.served(Step::Pull, &pull.arg(PATIENCE[0]).arg(PATIENCE[1]).into_command(), &pids)?;
        turn.check(&restored, Times::Kept)?;
        server.terminate();
        Ok(())
    }
}

/// Stretches one password at the price of suite 1: what every login has to pay.
pub(crate) fn stretch() -> Result<()> {
    let mut out = [0; 64];
    PasswordKsf::default()
        .stretch(&[7; 64], &mut out)
        .map_err(|error| Failure::Library(error.to_string()))
}
