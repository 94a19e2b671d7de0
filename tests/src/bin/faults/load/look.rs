//! What a writer looks at: that all stands which was acknowledged, and nothing that is another's.

use keybackup_protocol::api::{Labels, Listing};
use keybackup_protocol::routes;
use keybackup_tests::Response;
use keybackup_tests::tree::noise;

use super::writer::{INDEX_BYTES, LABEL_BYTES, PERSONA, Step, Version, What, Writer, acknowledged};

impl Writer {
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

    /// The newest version, byte for byte, or that there is none.
    pub(super) fn pull(&mut self) -> Step {
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

    pub(super) fn pull_version(&mut self, number: u64) -> Step {
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
}
