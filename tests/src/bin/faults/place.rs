//! Where one unit works, and what it draws from.

use std::path::PathBuf;

use keybackup_tests::rng::Rng;

use crate::Tier;

/// Where one unit works.
pub(crate) struct Place {
    /// A directory of its own, empty, and gone afterwards unless something was found.
    pub(crate) directory: PathBuf,
    /// What it draws from: the same for the same seed, kind and unit.
    pub(crate) rng: Rng,
    /// Which unit it is.
    pub(crate) unit: u64,
    /// How much a unit should do.
    pub(crate) tier: Tier,
}

impl Place {
    /// A directory in it, made.
    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::create_dir_all(&path).expect("a new directory");
        path
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Rounds of a unit: few where all of it must be short.
    pub(crate) fn rounds(&self, continuous: u64, else_: u64) -> u64 {
        if self.tier == Tier::Continuous { continuous } else { else_ }
    }
}

/// What a unit did.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    /// Faults, of the kind's own count.
    pub(crate) done: u64,
    /// What nobody can say whether it was done: not acknowledged when the fault came.
    pub(crate) in_doubt: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.in_doubt += other.in_doubt;
    }
}
