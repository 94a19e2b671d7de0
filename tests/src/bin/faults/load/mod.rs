//! What goes on at a server while faults come: clients that push, pull, remove, upload, register
//! and reset, each with a book of what was acknowledged to it.

mod joiner;
mod look;
mod member;
mod upload;
mod wire;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keybackup_tests::Server;
use keybackup_tests::rng::Rng;

use joiner::Joiner;
pub(crate) use member::Member;
pub(crate) use wire::{Cut, Wire};

pub(crate) use writer::{PERSONA, Step, Writer};

/// The limit of starts is of a network, and there is only one; what is logged of each request is
/// of no use here.
pub(crate) const FLAGS: [&str; 4] = ["--starts-per-hour", "1000000", "--log-level", "warn"];

/// All clients of a server.
pub(crate) struct Load {
    writers: Vec<Writer>,
    joiner: Option<Joiner>,
    cut: Cut,
}

impl Load {
    /// So many writers, whose accounts are registered, and one who registers more.
    pub(crate) fn new(server: &Server, writers: usize, rng: &mut Rng) -> Self {
        let cut = Cut::default();
        let writer = |n: usize, rng: &mut Rng| {
            let email = format!("writer{n}@example.org");
            let member = Member::register(&server.url, &email)
                .unwrap_or_else(|lost| panic!("{email} can't register: {}", lost.0));
            Writer::new(server.address(), member, Arc::clone(&cut), Rng::new(rng.next()))
        };
        let writers = (0..writers).map(|n| writer(n, rng)).collect();
        Self { writers, joiner: None, cut }
    }

    /// Some uploads are above 8 MiB.
    pub(crate) fn with_large_uploads(mut self) -> Self {
        for writer in &mut self.writers {
            writer.large = true;
        }
        self
    }

    /// And one client who registers accounts, and resets passwords where the server mails into a
    /// directory.
    pub(crate) fn with_joiner(
        mut self,
        server: &Server,
        mail: Option<PathBuf>,
        rng: &mut Rng,
    ) -> Self {
        self.joiner =
            Some(Joiner::new(&server.url, mail, Arc::clone(&self.cut), Rng::new(rng.next())));
        self
    }

    /// All of them work, each until something is lost, while `meanwhile` happens.
    pub(crate) fn run(&mut self, meanwhile: impl FnOnce()) {
        let stop = AtomicBool::new(false);
        let stop = &stop;
        thread::scope(|scope| {
            for writer in &mut self.writers {
                scope.spawn(
                    move || {
                        while !stop.load(Ordering::Relaxed) && writer.step() == Step::Done {}
                    },
                );
            }
            if let Some(joiner) = &mut self.joiner {
                scope.spawn(move || joiner.run(stop));
            }
            // The others end also if this finds something.
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
            stop.store(true, Ordering::Relaxed);
            if let Err(found) = found {
                std::panic::resume_unwind(found);
            }
        });
    }

    /// Each does so many operations, and looks what stands when something is lost; gives up where
    /// the server can't even say that.
    pub(crate) fn steps(&mut self, count: u64) {
        thread::scope(|scope| {
            for writer in &mut self.writers {
                scope.spawn(move || {
                    for _ in 0..count {
                        if writer.step() == Step::Lost && !(0..3).any(|_| writer.settle()) {
                            return;
                        }
                    }
                });
            }
        });
    }

    /// Set while the power is being cut: acknowledgements that come then are none.
    pub(crate) fn cut(&self) -> Cut {
        Arc::clone(&self.cut)
    }

    /// Whether the server can tell every writer what stands.
    pub(crate) fn settles(&mut self) -> bool {
        self.writers.iter_mut().all(Writer::settle)
    }

    /// Looks that all is there that was acknowledged. The server was started again, and is sound.
    pub(crate) fn settle(&mut self) {
        self.cut.store(false, Ordering::SeqCst);
        thread::scope(|scope| {
            for writer in &mut self.writers {
                scope.spawn(move || {
                    assert!(writer.settle(), "{}: the server can't say", writer.member.email);
                    writer.forget_doubts();
                });
            }
            if let Some(joiner) = &mut self.joiner {
                scope.spawn(move || joiner.settle());
            }
        });
    }

    /// Each must be able to do something.
    pub(crate) fn works(&mut self) {
        for writer in &mut self.writers {
            assert!(
                writer.push_something() == Step::Done,
                "{}: the server fails",
                writer.member.email
            );
        }
    }

    /// How often the server said that there is no room.
    pub(crate) fn refused_for_room(&self) -> u64 {
        self.writers.iter().map(|writer| writer.wire.full).sum()
    }

    /// Commits that were seen not to stand, and then to stand.
    pub(crate) fn late(&self) -> u64 {
        self.writers.iter().map(|writer| writer.late).sum()
    }

    /// Operations that were in doubt so far.
    pub(crate) fn in_doubt(&self) -> u64 {
        let joiner = self.joiner.as_ref().map_or(0, |joiner| joiner.in_doubt);
        self.writers.iter().map(|writer| writer.in_doubt).sum::<u64>() + joiner
    }

    /// Resets of passwords that were acknowledged so far.
    pub(crate) fn resets(&self) -> u64 {
        self.joiner.as_ref().map_or(0, |joiner| joiner.resets)
    }

    /// Operations that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        let joiner = self.joiner.as_ref().map_or(0, |joiner| joiner.acknowledged);
        self.writers.iter().map(|writer| writer.acknowledged).sum::<u64>() + joiner
    }
}
