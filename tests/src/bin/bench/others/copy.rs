//! A copy, and sync: no secrecy, no history, no server. Nobody who moves the same bytes to the
//! same disk, file by file, can be much faster.

use std::path::Path;
use std::process::Command;

use crate::failure::Result;
use crate::runs::Step;
use crate::turn::{Times, Tool, Turn};

/// cp and sync.
pub(crate) struct Copy;

impl Tool for Copy {
    fn name(&self) -> &'static str {
        "cp, sync"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["bash", "cp", "sync"]
    }

    fn turn(&self, turn: &mut Turn<'_>) -> Result<()> {
        let copy = |from: &Path, to: &Path| {
            let mut bash = Command::new("bash");
            bash.args(["-e", "-c", "cp -r \"$1\" \"$2\"; sync -f \"$2\"", "bash"]);
            bash.arg(from).arg(to);
            bash
        };
        let [there, back] = [turn.path("there"), turn.path("back")];
        turn.step(Step::Push, &copy(&turn.set.directory, &there))?;
        turn.step(Step::Pull, &copy(&there, &back))?;
        turn.check(&back, Times::Lost)
    }
}
