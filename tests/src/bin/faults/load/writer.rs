//! One client of one persona, and the book that it keeps of what was acknowledged. To a server all
//! sealed bytes are alike, so nothing is sealed: labels, indexes and blobs are noise, each of its
//! own.

use keybackup_protocol::api::{CommitBlob, CommitHead, CommitIndex, Labels, Listing};
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
const LABEL_BYTES: usize = 1_100;
const INDEX_BYTES: usize = 4_200;

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
    versions: Vec<Version>,
    /// What was sent over the newest one and not acknowledged.
    doubts: Vec<Version>,
    /// The first so many of these were seen not to stand.
    absent: usize,
    /// How many turned up all the same.
    pub(crate) late: u64,
    /// An upload that was begun.
    upload: Option<Upload>,
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

    /// Looks what stands: all that was acknowledged, and what was in doubt or not. A server under
    /// injected failures may fail at that, too: false, and nothing is known yet.
    pub(crate) fn settle(&mut self) -> bool {
        self.wire.hang_up();
        let Some(listing) = self.get(routes::PERSONAS) else { return false };
        let listing: Listing = serde_json::from_slice(&listing.body).expect("a listing");
        let listed = listing.personas.iter().find(|listed| listed.id == PERSONA);
        let stands = listed.map_or(0, |listed| listed.version);
        let acknowledged = self.newest().map_or(0, |newest| newest.number);
        let email = self.member.email.clone();
        let is_it = |doubt: &&Version| {
            let label = listed.map(|listed| listed.label.0 == noise(LABEL_BYTES, doubt.label));
            doubt.number == stands && label == Some(true)
        };
        if let Some(n) = self.doubts.iter().position(|doubt| is_it(&doubt)) {
            self.late += u64::from(n < self.absent);
            self.versions.push(self.doubts[n].clone());
            self.forget_doubts();
            self.upload = None;
        }
        self.absent = self.doubts.len();
        assert!(
            self.newest().map_or(0, |newest| newest.number) == stands,
            "{email}: version {acknowledged} was acknowledged, and {stands} stands"
        );
        let (Some(listed), Some(newest)) = (listed, self.newest()) else {
            assert!(listing.index.counter == 1, "{email}: an index that nobody sent");
            return self.settle_upload();
        };
        assert!(
            listed.label.0 == noise(LABEL_BYTES, newest.label),
            "{email}: the label of version {stands} is another"
        );
        assert!(
            listing.index.counter == newest.counter
                && listing.index.sealed.0 == noise(INDEX_BYTES, newest.label ^ 1),
            "{email}: the index beside version {stands} is another"
        );
        self.settle_bytes()
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

    /// How many of the dated commits were acknowledged before a time.
    pub(crate) fn dated_before(&self, time: u64) -> u64 {
        self.dates.iter().flatten().filter(|date| **date < time).count() as u64
    }

    /// Looks at a server that is as this one's was once, when so many versions were acknowledged: at
    /// least those stand, and all is as it was sent.
    pub(crate) fn stands_at(&mut self, address: &str, acknowledged: u64) {
        let other = self.wire.to(address);
        let own = std::mem::replace(&mut self.wire, other);
        let listing = self.get(routes::PERSONAS).expect("the server can say what stands");
        let listing: Listing = serde_json::from_slice(&listing.body).expect("a listing");
        let listed = listing.personas.first().expect("the persona is there");
        let stands = listed.version;
        assert!(
            (acknowledged..=acknowledged + 1).contains(&stands),
            "version {acknowledged} was acknowledged, and {stands} stands"
        );
        let sent = self.version(stands).clone();
        assert!(
            listed.label.0 == noise(LABEL_BYTES, sent.label)
                && listing.index.counter == sent.counter
                && listing.index.sealed.0 == noise(INDEX_BYTES, sent.label ^ 1),
            "label or index of version {stands} is another"
        );
        let older = 1 + self.rng.below(usize::try_from(stands).expect("few")) as u64;
        for number in [stands, older] {
            assert!(self.pull_version(number) == Step::Done, "version {number} can't be had");
        }
        self.wire = own;
    }

    /// Pushes something of more than all buffers on its way hold.
    pub(crate) fn push_large(&mut self) {
        let seed = self.rng.next();
        let step = self.push(What::Bytes { seed, length: 8_300_000 });
        assert!(step == Step::Done, "a large push fails");
    }

    /// The newest bytes, and some older ones; the labels of a stretch; an upload that goes on.
    fn settle_bytes(&mut self) -> bool {
        if self.pull() == Step::Lost {
            return false;
        }
        let older = self.rng.below(self.versions.len()) as u64 + 1;
        if self.pull_version(older) == Step::Lost {
            return false;
        }
        let path = format!("{}/{PERSONA}/labels?from={older}", routes::PERSONAS);
        let Some(labels) = self.get(&path) else { return false };
        let labels: Labels = serde_json::from_slice(&labels.body).expect("labels");
        for label in labels.labels {
            let kept = &self.versions[usize::try_from(label.version - 1).expect("few")];
            assert!(
                label.label.0 == noise(LABEL_BYTES, kept.label),
                "{}: the label of version {} is another",
                self.member.email,
                label.version
            );
        }
        self.settle_upload()
    }

    /// What was acknowledged of an upload is there.
    fn settle_upload(&mut self) -> bool {
        match self.upload.as_mut().map(|upload| upload.look(&mut self.wire)) {
            Some(false) => return false,
            Some(true) if self.rng.below(4) == 0 => self.upload = None,
            _ => {}
        }
        true
    }

    /// The newest version, byte for byte, or that there is none.
    fn pull(&mut self) -> Step {
        let Some(newest) = self.newest() else { return Step::Done };
        if newest.what != What::Removed {
            return self.pull_version(newest.number);
        }
        let line = format!("GET {}/{PERSONA}", routes::PERSONAS);
        match self.wire.ask(&line, &[], b"") {
            Some(answer) if answer.status == 410 => Step::Done,
            answer => {
                assert!(
                    !acknowledged(answer.as_ref(), &line),
                    "{}: what was removed is there",
                    self.member.email
                );
                Step::Lost
            }
        }
    }

    fn pull_version(&mut self, number: u64) -> Step {
        let newest = self.newest().map(|newest| newest.number);
        let mut named = self.version(number).clone();
        if let What::Older(older) = named.what {
            named = self.version(older).clone();
        }
        let What::Bytes { seed, length } = named.what else { return Step::Done };
        let line = if newest == Some(number) {
            format!("GET {}/{PERSONA}", routes::PERSONAS)
        } else {
            format!("GET {}/{PERSONA}?version={}", routes::PERSONAS, named.number)
        };
        let answer = self.wire.ask(&line, &[], b"");
        if !acknowledged(answer.as_ref(), &line) {
            return Step::Lost;
        }
        let whole = answer.is_some_and(|answer| answer.body == noise(length, seed));
        assert!(whole, "{}: the bytes of version {number} are others", self.member.email);
        Step::Done
    }

    fn get(&mut self, path: &str) -> Option<Response> {
        let line = format!("GET {path}");
        let answer = self.wire.ask(&line, &[], b"");
        acknowledged(answer.as_ref(), &line).then_some(answer).flatten()
    }

    fn newest(&self) -> Option<&Version> {
        self.versions.last()
    }

    fn version(&self, number: u64) -> &Version {
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
