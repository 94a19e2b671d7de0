//! An upload, and what of it was acknowledged.

use keybackup_protocol::{UploadId, routes};
use keybackup_tests::rng::Rng;
use keybackup_tests::tree::noise;

use super::wire::Wire;
use super::writer::acknowledged;

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

/// An upload.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) id: UploadId,
    pub(crate) seed: u64,
    pub(crate) length: usize,
    /// What the server said it has.
    offset: usize,
}

impl Upload {
    /// Begins one; `None` when nobody knows its name.
    pub(crate) fn begin(wire: &mut Wire, seed: u64, length: usize) -> Option<Self> {
        let line = format!("POST {}", routes::UPLOADS);
        let answer = wire.ask(&line, &[TUS, ("upload-length", &length.to_string())], b"");
        if !acknowledged(answer.as_ref(), &line) {
            return None;
        }
        let answer = answer?.json();
        let id = answer["upload"].as_str().expect("a name").parse().expect("an id");
        Some(Self { id, seed, length, offset: 0 })
    }

    /// Sends what is left, in one to three pieces; false when it broke off.
    pub(crate) fn send(&mut self, wire: &mut Wire, rng: &mut Rng) -> bool {
        let bytes = noise(self.length, self.seed);
        let piece = self.length.div_ceil(1 + rng.below(3));
        while self.offset < self.length {
            let end = self.length.min(self.offset + piece);
            let line = format!("PATCH {}/{}", routes::UPLOADS, self.id);
            let headers = [
                TUS,
                ("content-type", "application/offset+octet-stream"),
                ("upload-offset", &*self.offset.to_string()),
            ];
            let answer = wire.ask(&line, &headers, &bytes[self.offset..end]);
            if !acknowledged(answer.as_ref(), &line) {
                return false;
            }
            self.offset = end;
        }
        true
    }

    /// Looks what the server has: all that it acknowledged; false when it can't say.
    pub(crate) fn look(&mut self, wire: &mut Wire) -> bool {
        let line = format!("HEAD {}/{}", routes::UPLOADS, self.id);
        let answer = wire.ask(&line, &[TUS], b"");
        if !acknowledged(answer.as_ref(), &line) {
            return false;
        }
        let offset = answer.and_then(|answer| answer.get("upload-offset")?.parse::<usize>().ok());
        let offset = offset.expect("an offset");
        assert!(
            (self.offset..=self.length).contains(&offset),
            "{} bytes of an upload were acknowledged, and {offset} are there",
            self.offset
        );
        self.offset = offset;
        true
    }
}
