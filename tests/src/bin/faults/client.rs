//! A real device that pushes and pulls while faults come, and the book that it keeps: what stands
//! is what was acknowledged or, if nothing was said, what was on its way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keybackup_tests::device::Invocation;
use keybackup_tests::{Device, PASSWORD, Tree, tree};
use rustix::process::Signal;

/// A device with one small persona.
pub(crate) struct Client {
    pub(crate) device: Device,
    /// The persona lies elsewhere: it is not what is tried.
    source: PathBuf,
    /// Trees by the number in them.
    trees: BTreeMap<u64, Tree>,
    number: u64,
    /// The newest that was acknowledged.
    acknowledged: u64,
    pub(crate) in_doubt: u64,
    pub(crate) pushes: u64,
}

impl Client {
    /// A device whose HOME is in `home`, of a new account, that has pushed its persona once.
    pub(crate) fn new(home: &Path, source: &Path, url: &str, email: &str) -> Self {
        let device = Device::within(home, url);
        let register = ["register", email, "--device", "a device", "--json"];
        device.command(register).password(PASSWORD).run().expect(0);
        let source = source.join("persona");
        for n in 0..3 {
            let file = source.join(format!("keyring/{n}.json"));
            tree::put(&file, &tree::noise(700, n), 0o600, Duration::from_secs(1_600_000_000));
        }
        let mut client = Self {
            device,
            source,
            trees: BTreeMap::new(),
            number: 0,
            acknowledged: 0,
            in_doubt: 0,
            pushes: 0,
        };
        client.change();
        client.push().run().expect(0);
        client.acknowledged = client.number;
        client
    }

    /// Changes the persona, so that there is something to push.
    pub(crate) fn change(&mut self) {
        self.number += 1;
        let note = self.source.join("note");
        let time = Duration::from_secs(1_600_000_000 + self.number);
        tree::put(&note, &tree::noise(500, self.number), 0o600, time);
        self.trees.insert(self.number, Tree::read(&self.source));
        // Enough to recognise what an older pull left.
        while self.trees.len() > 1_000 {
            self.trees.pop_first();
        }
    }

    /// Where the persona is.
    pub(crate) fn source(&self) -> &Path {
        &self.source
    }

    /// A push of it.
    pub(crate) fn push(&self) -> Invocation {
        self.device.command(["push", "--no-input", "--name", "work"]).arg(&self.source)
    }

    /// A pull of it over what is there.
    pub(crate) fn pull(&self) -> Invocation {
        self.device.command(["pull", "work", "./back", "--force", "--no-input"])
    }

    /// Notes how a push ended.
    pub(crate) fn pushed(&mut self, done: bool) {
        self.pushes += 1;
        if done {
            self.acknowledged = self.number;
        } else {
            self.in_doubt += 1;
        }
    }

    /// Pushes and pulls by turns until the power is cut or a run fails. What ends after that is no
    /// acknowledgement.
    pub(crate) fn run(&mut self, cut: &AtomicBool) {
        let mut turn = 0;
        while !cut.load(Ordering::SeqCst) {
            turn += 1;
            let is_push = turn % 3 != 0;
            let running = if is_push {
                self.change();
                self.push().start()
            } else {
                self.pull().start()
            };
            while !running.ends_within(Duration::from_millis(2)) {
                if cut.load(Ordering::SeqCst) {
                    running.signal(Signal::KILL);
                }
            }
            let output = running.wait("keybackup");
            let done = output.code == 0 && !cut.load(Ordering::SeqCst);
            if is_push {
                self.pushed(done);
            }
            if !done {
                return;
            }
            self.sweep();
        }
    }

    /// Looks that what was acknowledged is there, that a restore is whole or not there, and that
    /// the same commands work again.
    pub(crate) fn settle(&mut self) {
        self.back_is_whole();
        let fresh = self.device.path("fresh");
        let _ = std::fs::remove_dir_all(&fresh);
        self.device.command(["pull", "work", "./fresh", "--no-input"]).run().expect(0);
        let pulled = self.known(&fresh);
        assert!(
            pulled.is_some_and(|pulled| (self.acknowledged..=self.number).contains(&pulled)),
            "push {} was acknowledged, and {pulled:?} stands",
            self.acknowledged
        );
        std::fs::remove_dir_all(&fresh).expect("removable");
        self.push().run().expect(0);
        self.acknowledged = self.number;
        self.profile_parses();
    }

    /// The newest push, which a settled client knows to stand.
    pub(crate) fn stands(&self) -> u64 {
        self.acknowledged
    }

    /// What a pull put there is one tree, whole.
    pub(crate) fn back_is_whole(&self) {
        let back = self.device.path("back");
        if back.exists() {
            assert!(self.known(&back).is_some(), "a mixed restore: {:#?}", Tree::read(&back));
        }
    }

    /// Each file of the profile that is JSON is whole, but for caches: those are not synced.
    pub(crate) fn profile_parses(&self) {
        for (path, _, bytes) in keybackup_tests::search::files(&self.device.profiles()) {
            let is_cache = path.file_name().is_some_and(|name| name == "sent.json");
            if path.extension().is_some_and(|end| end == "json") && !is_cache {
                let value = serde_json::from_slice::<serde_json::Value>(&bytes.unwrap_or_default());
                assert!(value.is_ok(), "{} does not parse", path.display());
            }
        }
    }

    /// Which tree this is.
    pub(crate) fn known(&self, directory: &Path) -> Option<u64> {
        let found = Tree::read(directory);
        self.trees.iter().find(|(_, tree)| **tree == found).map(|(number, _)| *number)
    }

    /// Removes what `--force` put aside.
    pub(crate) fn sweep(&self) {
        for entry in std::fs::read_dir(self.device.home()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(".keybackup-old-") {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}
