//! One client of one persona, and the book that it keeps of what was acknowledged. To a server all
//! sealed bytes are alike, so nothing is sealed: labels, indexes and blobs are noise, each of its
//! own.

use keybackup_protocol::api::{CommitBlob, CommitHead, CommitIndex};
use keybackup_protocol::{B64, PersonaId, UploadId, put_lp, routes};
use keybackup_tests::Response;
use keybackup_tests::rng::Rng;
use keybackup_tests::tree::noise;

use super::member::Member;
use super::upload::Upload;
use super::wire::{Cut, Wire};
use crate::kinds::clock;

/// The persona that each account has.
pub(crate) const PERSONA: PersonaId = PersonaId::from_bytes([3; 16]);
/// About what a sealed label and the smallest index take.
pub(super) const LABEL_BYTES: usize = 1_100;
pub(super) const INDEX_BYTES: usize = 4_200;

/// What a version has: bytes that came with it, an older version's, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Noise of a seed and length.
    Bytes { seed: u64, length: usize },
    /// Those of another version.
    Older(u64),
    /// A tombstone.
    Removed,
}

/// A version, as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) counter: u64,
    /// Label and index are noise of these.
    pub(crate) label: u64,
    pub(crate) what: What,
}

/// How one operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Acknowledged.
    Done,
    /// Refused, or no answer: the next thing to do is to look.
    Lost,
}

/// A client and its book.
pub(crate) struct Writer {
    pub(crate) wire: Wire,
    pub(crate) member: Member,
    pub(crate) rng: Rng,
    /// All that stand, by number from 1 on.
    pub(super) versions: Vec<Version>,
    /// What was sent over the newest one and not acknowledged.
    pub(super) doubts: Vec<Version>,
    /// The first so many of these were seen not to stand.
    pub(super) absent: usize,
    /// How many turned up all the same.
    pub(crate) late: u64,
    /// An upload that was begun.
    pub(super) upload: Option<Upload>,
    pub(crate) acknowledged: u64,
    pub(crate) in_doubt: u64,
    /// Whether some of its uploads are above 8 MiB.
    pub(crate) large: bool,
    /// When commits were acknowledged, where somebody wants to know.
    pub(crate) dates: Option<Vec<u64>>,
}

impl Writer {
    /// Of an account that has pushed nothing.
    pub(crate) fn new(address: &str, member: Member, cut: Cut, rng: Rng) -> Self {
        let wire = Wire::new(address, &member.token, cut);
        Self {
            wire,
            member,
            rng,
            versions: Vec::new(),
            doubts: Vec::new(),
            absent: 0,
            late: 0,
            upload: None,
            acknowledged: 0,
            in_doubt: 0,
            large: false,
            dates: None,
        }
    }

    /// One operation, as chance has it.
    pub(crate) fn step(&mut self) -> Step {
        let removed = self.newest().is_none_or(|newest| newest.what == What::Removed);
        match self.rng.below(100) {
            0..30 if !removed => self.pull(),
            30..36 if !removed => self.push(What::Removed),
            36..42 if !removed => {
                let older = self.version_with_bytes();
                self.push(What::Older(older))
            }
            42..52 => self.upload(),
            52..65 => self.push_bytes(70_000, 250_000),
            _ => self.push_bytes(300, 6_000),
        }
    }

    fn push_bytes(&mut self, least: usize, more: usize) -> Step {
        let length = least + self.rng.below(more);
        let seed = self.rng.next();
        self.push(What::Bytes { seed, length })
    }

    fn push(&mut self, what: What) -> Step {
        self.commit(what, None)
    }

    fn upload(&mut self) -> Step {
        let begun = self.upload.take().or_else(|| {
            let length = match self.rng.below(40) {
                0 if self.large => 8_500_000 + self.rng.below(500_000),
                _ => 50_000 + self.rng.below(600_000),
            };
            Upload::begin(&mut self.wire, self.rng.next(), length)
        });
        let Some(mut upload) = begun else { return Step::Lost };
        let (id, seed, length) = (upload.id, upload.seed, upload.length);
        if !upload.send(&mut self.wire, &mut self.rng) {
            self.upload = Some(upload);
            return Step::Lost;
        }
        let step = self.commit(What::Bytes { seed, length }, Some(id));
        if step == Step::Lost {
            self.upload = Some(upload);
        }
        step
    }

    fn commit(&mut self, what: What, upload: Option<UploadId>) -> Step {
        let base = self.newest().map_or(0, |newest| newest.number);
        let counter = self.newest().map_or(1, |newest| newest.counter);
        let version =
            Version { number: base + 1, counter: counter + 1, label: self.rng.next(), what };
        let bytes = match what {
            What::Bytes { seed, length } => noise(length, seed),
            What::Older(_) | What::Removed => Vec::new(),
        };
        let head = self.head(&version, counter, &bytes, upload);
        let mut body = Vec::new();
        put_lp(&mut body, &serde_json::to_vec(&head).expect("a head is JSON"));
        if upload.is_none() {
            body.extend_from_slice(&bytes);
        }
        let line = format!("POST {}/{PERSONA}", routes::PERSONAS);
        let tag = format!("\"{base}\"");
        let condition = if base == 0 { ("if-none-match", "*") } else { ("if-match", &*tag) };
        let answer = self.wire.ask(&line, &[condition], &body);
        if acknowledged(answer.as_ref(), &line) {
            self.versions.push(version);
            self.forget_doubts();
            self.acknowledged += 1;
            if let Some(dates) = &mut self.dates {
                dates.push(clock());
            }
            return Step::Done;
        }
        self.doubts.push(version);
        self.in_doubt += 1;
        Step::Lost
    }

    fn head(
        &self,
        version: &Version,
        base: u64,
        bytes: &[u8],
        upload: Option<UploadId>,
    ) -> CommitHead {
        let hash = B64(blake3::hash(bytes).as_bytes().to_vec());
        let blob = CommitBlob { bytes: bytes.len() as u64, blake3: hash, upload };
        let (blob, content_version) = match version.what {
            What::Bytes { .. } => (Some(blob), Some(version.number)),
            What::Older(older) => (None, Some(older)),
            What::Removed => (None, None),
        };
        CommitHead {
            epoch: self.member.epoch,
            keyring_version: self.member.keyring_version,
            version: version.number,
            label: B64(noise(LABEL_BYTES, version.label)),
            blob,
            content_version,
            removed: version.what == What::Removed,
            index: Some(CommitIndex {
                base,
                counter: version.counter,
                sealed: B64(noise(INDEX_BYTES, version.label ^ 1)),
            }),
        }
    }

    /// From now on what was in doubt and does not stand was not made: the server was started again
    /// since. Before that what failed while it was made durable may turn up with the next start.
    pub(crate) fn forget_doubts(&mut self) {
        self.doubts.clear();
        self.absent = 0;
    }

    /// Makes a version: the server is sound.
    pub(crate) fn push_something(&mut self) -> Step {
        self.push_bytes(300, 80_000)
    }

    /// Pushes something of more than all buffers on its way hold.
    pub(crate) fn push_large(&mut self) {
        let seed = self.rng.next();
        let step = self.push(What::Bytes { seed, length: 8_300_000 });
        assert!(step == Step::Done, "a large push fails");
    }

    pub(super) fn newest(&self) -> Option<&Version> {
        self.versions.last()
    }

    pub(super) fn version(&self, number: u64) -> &Version {
        &self.versions[usize::try_from(number - 1).expect("few")]
    }

    /// One that brought bytes, for a version that names them again.
    fn version_with_bytes(&mut self) -> u64 {
        let brought = |version: &&Version| matches!(version.what, What::Bytes { .. });
        let all: Vec<_> =
            self.versions.iter().filter(brought).map(|version| version.number).collect();
        all[self.rng.below(all.len())]
    }
}

/// Whether it was done; not when there is no answer, or the server says that it failed. Anything
/// else would be a refusal of what is right.
pub(crate) fn acknowledged(answer: Option<&Response>, what: &str) -> bool {
    let Some(answer) = answer else { return false };
    match answer.status {
        200..=299 => true,
        408 | 423 | 429 | 500..=599 => false,
        status => {
            panic!("{what} was answered {status}: {}", String::from_utf8_lossy(&answer.body))
        }
    }
}
