//! borg, to a repository in a directory.

use std::path::Path;
use std::process::Command;

use keybackup_tests::PASSWORD;

use crate::failure::Result;
use crate::measure::run;
use crate::runs::Step;
use crate::turn::{Times, Tool, Turn};

/// borg.
pub(crate) struct Borg;

impl Tool for Borg {
    fn name(&self) -> &'static str {
        "borg"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["borg"]
    }

    fn turn(&self, turn: &mut Turn<'_>) -> Result<()> {
        let set = turn.set.directory.clone();
        let repository = turn.path("repository");
        let borg = |base: &Path, place: &Path, arguments: &[&str]| {
            let mut command = Command::new("borg");
            command
                .args(arguments)
                .env("BORG_REPO", &repository)
                .env("BORG_PASSPHRASE", PASSWORD)
                .env("BORG_BASE_DIR", base)
                .env("HOME", base)
                .current_dir(place);
            command
        };
        let [one, two] = [turn.fresh("base")?, turn.fresh("another base")?];
        run(&mut borg(&one, &set, &["init", "--encryption", "repokey-blake2"]))?;
        turn.step(Step::Push, &borg(&one, &set, &["create", "::one", "."]))?;
        turn.step(Step::Again, &borg(&one, &set, &["create", "::two", "."]))?;
        let restored = turn.fresh("restored")?;
        turn.step(Step::Pull, &borg(&two, &restored, &["extract", "::one"]))?;
        turn.check(&restored, Times::Kept)
    }
}
