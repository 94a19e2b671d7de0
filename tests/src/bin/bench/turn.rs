//! One tool's turn in one round: fresh directories, its steps one after the other, and a look at
//! what it gave back.

use std::path::{Path, PathBuf};
use std::process::Command;

use keybackup_tests::Tree;

use crate::failure::{At as _, Failure, Result};
use crate::measure::{Launcher, Watch};
use crate::runs::{Run, Runs, Step};
use crate::sets::Set;

/// What is measured beside each other.
pub(crate) trait Tool {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// The programs that it needs.
    fn programs(&self) -> &'static [&'static str];

    /// Backs the set up, and gets it back.
    fn turn(&self, turn: &mut Turn<'_>) -> Result<()>;
}

/// A turn.
pub(crate) struct Turn<'a> {
    pub(crate) set: &'a Set,
    tool: &'static str,
    round: u32,
    directory: PathBuf,
    launcher: &'a Launcher,
    runs: &'a mut Runs,
}

/// Whether a restore brings the times of files back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Kept,
    Lost,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        work: &Path,
        set: &'a Set,
        tool: &'static str,
        round: u32,
        launcher: &'a Launcher,
        runs: &'a mut Runs,
    ) -> Result<Self> {
        let directory = work.join(format!("{} {round} {tool}", set.name));
        std::fs::create_dir(&directory).at(&directory)?;
        Ok(Self { set, tool, round, directory, launcher, runs })
    }

    /// A path in the turn's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A new directory in it.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::create_dir(&path).at(&path)?;
        Ok(path)
    }

    /// Ends the turn. What fits stays until all is measured: ext4 without a journal looks through
    /// every inode freed in the last minutes before it hands one out, so who deletes five thousand
    /// files makes the next one's take ten times as long.
    pub(crate) fn end(self) -> Result<()> {
        if self.set.is_large {
            std::fs::remove_dir_all(&self.directory).at(&self.directory)?;
        }
        Ok(())
    }

    /// Runs a step, and notes what it took.
    pub(crate) fn step(&mut self, step: Step, command: &Command) -> Result<()> {
        self.served(step, command, &[])
    }

    /// The same with servers at work.
    pub(crate) fn served(&mut self, step: Step, command: &Command, pids: &[u32]) -> Result<()> {
        let watch = Watch::start(pids)?;
        let cost = self.launcher.run(command)?;
        let server = if pids.is_empty() { None } else { Some(watch.end()?) };
        let (set, round, tool) = (self.set.name, self.round, self.tool);
        self.runs.0.push(Run { set, round, tool, step, cost, server });
        Ok(())
    }

    /// Fails unless `restored` holds what the set does.
    pub(crate) fn check(&self, restored: &Path, times: Times) -> Result<()> {
        let mut tree = Tree::read(restored);
        let mut expected = self.set.tree.clone();
        if times == Times::Lost {
            for node in tree.0.values_mut().chain(expected.0.values_mut()) {
                if let Some(file) = &mut node.file {
                    file.mtime = 0;
                }
            }
        }
        let paths = || expected.0.keys().chain(tree.0.keys());
        match paths().find(|path| expected.0.get(*path) != tree.0.get(*path)) {
            None => Ok(()),
            Some(path) => Err(Failure::Differs { tool: self.tool, path: path.clone() }),
        }
    }
}
