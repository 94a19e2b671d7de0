//! Unit after unit of each kind, until there are as many faults as the tier wants: what is done is
//! kept in a file, so that a run which was ended goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keybackup_tests::rng::Rng;
use serde::{Deserialize, Serialize};

use crate::kinds::{Kind, Outcome};
use crate::place::Place;
use crate::{Arguments, Tier, finding, image, table};

/// What is done of one kind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Units that ended, one way or the other: the next one has this number.
    pub(crate) units: u64,
    /// Faults.
    pub(crate) faults: u64,
    /// Operations of which nobody could say.
    pub(crate) in_doubt: u64,
    /// Seconds that it took.
    pub(crate) seconds: f64,
    /// What was found, with the unit.
    pub(crate) findings: Vec<(u64, String)>,
    /// Why it was not run.
    pub(crate) not_run: Option<String>,
    /// Figures that a kind reports, the last unit's.
    pub(crate) notes: BTreeMap<String, String>,
}

/// All that is done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) schema: u32,
    pub(crate) seed: u64,
    pub(crate) kinds: BTreeMap<String, Done>,
}

/// A run.
pub(crate) struct Campaign {
    tier: Tier,
    kinds: Vec<Kind>,
    limit: Option<Duration>,
    json: Option<PathBuf>,
    work: PathBuf,
    /// Removed at the end where nobody named a directory, and nothing was found.
    own: Option<tempfile::TempDir>,
    state: State,
}

impl Campaign {
    /// Begins, or goes on with, what the arguments say.
    pub(crate) fn begin(arguments: &Arguments) -> Self {
        let own = arguments.work.is_none().then(|| {
            let parent = keybackup_tests::profile_directory();
            tempfile::Builder::new().prefix("faults-").tempdir_in(parent).expect("a directory")
        });
        let work = match (&own, &arguments.work) {
            (Some(own), _) => own.path().to_owned(),
            (None, Some(work)) => std::path::absolute(work).expect("a path"),
            (None, None) => unreachable!("one of them is there"),
        };
        fs::create_dir_all(&work).expect("a directory to work in");
        image::sweep(&work);
        let path = work.join("state.json");
        let state = fs::read(&path).ok().map(|bytes| {
            serde_json::from_slice::<State>(&bytes)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        });
        let fresh = State { schema: 1, seed: arguments.seed, kinds: BTreeMap::new() };
        let state = state.unwrap_or(fresh);
        assert!(
            state.seed == arguments.seed,
            "{} is of seed {}: go on with that, or begin elsewhere",
            path.display(),
            state.seed
        );
        let kinds =
            if arguments.only.is_empty() { Kind::ALL.to_vec() } else { arguments.only.clone() };
        Self {
            tier: arguments.tier,
            kinds,
            limit: arguments.minutes.map(|minutes| Duration::from_secs_f64(60.0 * minutes)),
            json: arguments.json.clone(),
            work,
            own,
            state,
        }
    }

    /// Runs everything; false when something was found.
    pub(crate) fn run(mut self) -> bool {
        eprintln!(
            "faults: tier {}, seed {}, in {}",
            self.tier.letter(),
            self.state.seed,
            self.work.display()
        );
        for kind in self.kinds.clone() {
            self.run_kind(kind);
        }
        println!("{}", table::table(self.tier, self.state.seed, &self.kinds, &self.state.kinds));
        if let Some(path) = &self.json {
            let text = format!("{:#}\n", table::json(self.tier, &self.kinds, &self.state));
            fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let good = self.kinds.iter().all(|kind| {
            self.state.kinds.get(kind.name()).is_none_or(|done| done.findings.is_empty())
        });
        self.end(good)
    }

    /// Runs one unit of each kind that was named, and keeps no account of it.
    pub(crate) fn again(mut self, unit: u64) -> bool {
        let mut good = true;
        for kind in self.kinds.clone() {
            match self.unit(kind, unit) {
                Ok(Outcome::Done(tally, notes)) => {
                    println!("{} {unit}: {tally:?} {notes:?}", kind.name());
                }
                Ok(Outcome::NotRun(why)) => keybackup_tests::not_run(kind.name(), &why),
                Err(found) => {
                    good = false;
                    println!("{} {unit}: {found}", kind.name());
                }
            }
        }
        self.end(good)
    }

    /// What was found stays.
    fn end(mut self, good: bool) -> bool {
        if let Some(own) = self.own.take().filter(|_| !good) {
            eprintln!("kept: {}", own.keep().display());
        }
        good
    }

    fn run_kind(&mut self, kind: Kind) {
        let began = Instant::now();
        let mut done = self.state.kinds.remove(kind.name()).unwrap_or_default();
        done.not_run = None;
        let wanted = kind.wanted(self.tier);
        let mut told = Instant::now();
        while done.faults < wanted && self.limit.is_none_or(|limit| began.elapsed() < limit) {
            let (unit, started) = (done.units, Instant::now());
            match self.unit(kind, unit) {
                Ok(Outcome::Done(tally, notes)) => {
                    done.faults += tally.done;
                    done.in_doubt += tally.in_doubt;
                    done.notes.extend(notes);
                }
                Ok(Outcome::NotRun(why)) => {
                    keybackup_tests::not_run(kind.name(), &why);
                    done.not_run = Some(why);
                    self.keep(kind, done);
                    return;
                }
                Err(found) => {
                    self.tell(kind, unit, &found);
                    done.findings.push((unit, found));
                }
            }
            done.units += 1;
            done.seconds += started.elapsed().as_secs_f64();
            if told.elapsed() > Duration::from_secs(30) {
                told = Instant::now();
                eprintln!("{}: {} of {wanted}, {:.0} s", kind.name(), done.faults, done.seconds);
            }
            self.keep(kind, done.clone());
            // One is to be looked at, and a handful shows whether it is always the same.
            if done.findings.len() >= 3 {
                break;
            }
        }
        eprintln!("{}: {} of {wanted}, {:.1} s", kind.name(), done.faults, done.seconds);
        self.keep(kind, done);
    }

    fn unit(&mut self, kind: Kind, unit: u64) -> Result<Outcome, String> {
        let directory = self.work.join(format!("{}-{unit}", kind.name()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory of its own");
        let seed = blake3::hash(format!("{} {} {unit}", self.state.seed, kind.name()).as_bytes());
        let seed = u64::from_le_bytes(seed.as_bytes()[..8].try_into().expect("eight bytes"));
        let (rng, tier) = (Rng::new(seed), self.tier);
        let mut place = Place { directory: directory.clone(), rng, unit, tier };
        let outcome = finding::caught(|| kind.run(&mut place));
        match &outcome {
            Ok(_) => drop(fs::remove_dir_all(&directory)),
            Err(found) => {
                // What lies there may be the proof.
                let _ = fs::write(directory.join("finding.txt"), found);
                image::sweep(&directory);
            }
        }
        outcome
    }

    fn tell(&self, kind: Kind, unit: u64, found: &str) {
        let (name, tier, seed) = (kind.name(), self.tier.letter(), self.state.seed);
        let directory = self.work.join(format!("{name}-{unit}"));
        eprintln!(
            "FOUND by {name}, unit {unit}: {found}\n  again: faults --tier {tier} --seed {seed} \
             --only {name} --unit {unit}\n  what lay there: {}",
            directory.display()
        );
    }

    fn keep(&mut self, kind: Kind, done: Done) {
        self.state.kinds.insert(kind.name().to_owned(), done);
        write_whole(&self.work.join("state.json"), &self.state);
    }
}

/// The state is of use only whole.
fn write_whole(path: &Path, state: &State) {
    let beside = path.with_extension("new");
    let bytes = serde_json::to_vec_pretty(state).expect("a state is JSON");
    fs::write(&beside, bytes).expect("room for the state");
    fs::rename(beside, path).expect("it is in the same directory");
}
