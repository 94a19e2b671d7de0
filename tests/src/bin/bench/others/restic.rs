//! restic, to a REST server that rclone is.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use keybackup_tests::PASSWORD;
use keybackup_tests::port::Port;
use keybackup_tests::process::Running;

use crate::failure::{Failure, Result};
use crate::measure::run;
use crate::runs::Step;
use crate::turn::{Times, Tool, Turn};

/// restic.
pub(crate) struct Restic;

impl Tool for Restic {
    fn name(&self) -> &'static str {
        "restic"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["restic", "rclone"]
    }

    fn turn(&self, turn: &mut Turn<'_>) -> Result<()> {
        let set = turn.set.directory.clone();
        let port = Port::reserve();
        let repository = turn.fresh("repository")?;
        let server = serve(&port, &repository)?;
        let pids = [server.pid()];
        let restic = |cache: &Path, arguments: &[OsString]| {
            let mut command = Command::new("restic");
            command
                .args(arguments)
                .env("RESTIC_REPOSITORY", format!("rest:{}/", port.url()))
                .env("RESTIC_PASSWORD", PASSWORD)
                .env("RESTIC_CACHE_DIR", cache)
                .env("HOME", cache)
                .current_dir(&set);
            command
        };
        let [one, two] = [turn.fresh("cache")?, turn.fresh("another cache")?];
        run(&mut restic(&one, &["init".into()]))?;
        let backup = restic(&one, &["backup".into(), ".".into()]);
        turn.served(Step::Push, &backup, &pids)?;
        turn.served(Step::Again, &backup, &pids)?;
        let restored = turn.fresh("restored")?;
        let restore = ["restore".into(), "latest".into(), "--target".into(), (&restored).into()];
        turn.served(Step::Pull, &restic(&two, &restore), &pids)?;
        turn.check(&restored, Times::Kept)
    }
}

/// Starts the server, and waits until it listens.
fn serve(port: &Port, repository: &Path) -> Result<Running> {
    let mut rclone = Command::new("rclone");
    rclone
        .args(["--config", "", "serve", "restic", "--addr", &port.address()])
        .arg(repository)
        .env("HOME", repository);
    let server = Running::spawn(&mut rclone, b"");
    match server.stderr.wait_for(|log| log.contains("Serving restic REST API on").then_some(())) {
        Some(()) => Ok(server),
        None => Err(Failure::Ended {
            what: "rclone serve restic".to_owned(),
            code: 1,
            said: server.stderr.text(),
        }),
    }
}
