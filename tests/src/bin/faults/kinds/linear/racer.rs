//! One of the clients that race for a persona.

use std::time::{Duration, Instant};

use keybackup_protocol::api::{CommitBlob, CommitHead, CommitIndex, Listing};
use keybackup_protocol::{B64, put_lp, routes};
use keybackup_tests::rng::Rng;
use keybackup_tests::tree::noise;

use super::check::{Happened, Operation};
use crate::load::{Cut, Member, PERSONA, Wire};

/// A client.
pub(super) struct Racer {
    number: usize,
    wire: Wire,
    member: Member,
    rng: Rng,
    clock: Instant,
    /// What it saw last: version and the index's counter.
    seen: (u64, u64),
    pub(super) history: Vec<Operation>,
}

impl Racer {
    pub(super) fn new(
        number: usize,
        address: &str,
        member: &Member,
        clock: Instant,
        seed: u64,
    ) -> Self {
        let wire = Wire::new(address, &member.token, Cut::default());
        let (member, rng) = (member.clone(), Rng::new(seed));
        Self { number, wire, member, rng, clock, seen: (0, 1), history: Vec::new() }
    }

    /// One operation, as chance has it; how many that were is 0 or 1.
    pub(super) fn step(&mut self) -> u64 {
        if self.rng.below(10) == 0 {
            std::thread::sleep(Duration::from_micros(self.rng.next() % 3_000));
        }
        match self.rng.below(10) {
            0..4 => self.look(),
            4 => self.pull(),
            _ => self.push(),
        }
    }

    fn note(&mut self, began: u64, what: Happened) -> u64 {
        let operation = Operation { client: self.number, began, ended: self.now(), what };
        self.history.push(operation);
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).expect("not for centuries")
    }

    /// Reads the listing.
    pub(super) fn look(&mut self) -> u64 {
        let began = self.now();
        let answer = self.wire.ask(&format!("GET {}", routes::PERSONAS), &[], b"");
        let Some(answer) = answer.filter(|answer| answer.status == 200) else {
            return wait();
        };
        let listing: Listing = serde_json::from_slice(&answer.body).expect("a listing");
        let listed = listing.personas.first();
        let version = listed.map_or(0, |listed| listed.version);
        let content = listed.map_or(0, |listed| content_of(&listed.label.0));
        self.seen = (version, listing.index.counter);
        // One snapshot: the index is of the same commit as the label.
        assert!(
            listed.is_none_or(|_| content_of(&listing.index.sealed.0) == content),
            "index and label of version {version} are not of one commit"
        );
        self.note(began, Happened::Read { version, content })
    }

    /// Reads the bytes.
    fn pull(&mut self) -> u64 {
        let began = self.now();
        let answer = self.wire.ask(&format!("GET {}/{PERSONA}", routes::PERSONAS), &[], b"");
        let Some(answer) = answer else { return wait() };
        match answer.status {
            200 => {
                let version = answer.get("keybackup-version").and_then(|it| it.parse().ok());
                let version = version.expect("a version");
                let content = content_of(&answer.body);
                self.note(began, Happened::Read { version, content })
            }
            410 => self.note(began, Happened::Read { version: 0, content: 0 }),
            500..=599 => wait(),
            status => panic!("a pull was answered {status}"),
        }
    }

    /// Commits over what it saw last, which may be long ago.
    fn push(&mut self) -> u64 {
        let (base, counter) = self.seen;
        let content = self.rng.next();
        let length = if self.rng.below(8) == 0 { 70_000 } else { 400 };
        let bytes = [&content.to_be_bytes()[..], &noise(length, content)].concat();
        let sealed = [&content.to_be_bytes()[..], &[7; 500]].concat();
        let blake3 = B64(blake3::hash(&bytes).as_bytes().to_vec());
        let head = CommitHead {
            epoch: self.member.epoch,
            keyring_version: self.member.keyring_version,
            version: base + 1,
            label: B64(sealed.clone()),
            blob: Some(CommitBlob { bytes: bytes.len() as u64, blake3, upload: None }),
            content_version: Some(base + 1),
            removed: false,
            index: Some(CommitIndex { base: counter, counter: counter + 1, sealed: B64(sealed) }),
        };
        let mut body = Vec::new();
        put_lp(&mut body, &serde_json::to_vec(&head).expect("a head is JSON"));
        body.extend_from_slice(&bytes);
        let tag = format!("\"{base}\"");
        let condition = if base == 0 { ("if-none-match", "*") } else { ("if-match", &*tag) };
        let began = self.now();
        let answer =
            self.wire.ask(&format!("POST {}/{PERSONA}", routes::PERSONAS), &[condition], &body);
        match answer.map(|answer| answer.status) {
            Some(200) => {
                self.seen = (base + 1, counter + 1);
                self.note(began, Happened::Wrote { base, content })
            }
            Some(412) => {
                let made = self.note(began, Happened::Refused { base, content });
                if self.rng.below(4) > 0 { made + self.look() } else { made }
            }
            None | Some(500..=599) => {
                let made = self.note(began, Happened::Unknown { base, content });
                wait();
                made + self.look()
            }
            Some(status) => panic!("a commit was answered {status}"),
        }
    }
}

/// No answer: the server may be away for a moment.
fn wait() -> u64 {
    std::thread::sleep(Duration::from_millis(2));
    0
}

/// Which commit made these bytes: they begin with it.
fn content_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}
