//! tar, zstd and age in a pipe: what one writes who needs no server. No zstd where it is of no use.

use std::ffi::OsStr;
use std::process::Command;

use crate::failure::Result;
use crate::measure::run;
use crate::runs::Step;
use crate::turn::{Times, Tool, Turn};

/// tar, zstd, age.
pub(crate) struct Tar;

impl Tool for Tar {
    fn name(&self) -> &'static str {
        "tar, zstd, age"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["bash", "tar", "zstd", "age", "age-keygen", "sync"]
    }

    fn turn(&self, turn: &mut Turn<'_>) -> Result<()> {
        let place = turn.fresh("place")?;
        run(Command::new("age-keygen").args(["-o", "key"]).current_dir(&place))?;
        let recipient = run(Command::new("age-keygen").args(["-y", "key"]).current_dir(&place))?;
        let (zip, unzip) =
            if turn.set.compressible { ("zstd -q |", "zstd -qd |") } else { ("", "") };
        let bash = |script: &str, argument: &OsStr| {
            let mut bash = Command::new("bash");
            let options = ["-e", "-o", "pipefail", "-c", script, "bash"];
            bash.args(options).arg(argument).env("HOME", &place).current_dir(&place);
            bash
        };
        let recipient = recipient.trim();
        let pack = format!("tar -cf - -C \"$1\" . | {zip} age -r {recipient} -o a && sync a .");
        turn.step(Step::Push, &bash(&pack, turn.set.directory.as_os_str()))?;
        let restored = turn.fresh("restored")?;
        let unpack = format!("age -d -i key a | {unzip} tar -xf - -C \"$1\" && sync -f \"$1\"");
        turn.step(Step::Pull, &bash(&unpack, restored.as_os_str()))?;
        turn.check(&restored, Times::Kept)
    }
}
