//! Downloads of blobs, whole or in part, handed on piece by piece as they come. A whole one goes on
//! by `Range` where the connection breaks; whether all belongs together its hash tells.

use std::io;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use keybackup_protocol::{PersonaId, routes};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use super::wire::Body;
use super::{Progress, Remote, RemoteError, pauses};

/// Least bytes that are progress: a server that sends a few and hangs up is not asked for ever,
/// and what is smaller is not worth a wait.
const PROGRESS_BYTES: u64 = 64 * 1024;

/// Takes what came.
type Sink<'a> = &'a mut dyn FnMut(Bytes) -> io::Result<()>;

impl Remote {
    /// `GET /personas/<id>?version=N`: all of a blob that must have `length` bytes. When the
    /// connection breaks after some progress, it goes on from there, with growing pauses; more
    /// progress makes them short again.
    ///
    /// # Errors
    /// The first failure without progress before it, and the last after six without more.
    pub fn blob(
        &self,
        persona: &PersonaId,
        version: u64,
        length: u64,
        into: Sink<'_>,
        progress: Progress<'_>,
    ) -> Result<(), RemoteError> {
        let mut course = Course::default();
        loop {
            let mut came = |bytes| {
                course.at += bytes;
                progress(bytes);
            };
            let from = course.from;
            match self.blob_from(persona, version, from..length, into, &mut came) {
                Ok(()) => return Ok(()),
                // Only the end of the answer is missing.
                Err(RemoteError::Broken { .. }) if course.at == length => return Ok(()),
                Err(failure) => match course.pause(&failure) {
                    Some(pause) => thread::sleep(pause),
                    None => return Err(failure),
                },
            }
        }
    }

    /// The rest of a blob.
    fn blob_from(
        &self,
        persona: &PersonaId,
        version: u64,
        rest: Range<u64>,
        into: Sink<'_>,
        progress: Progress<'_>,
    ) -> Result<(), RemoteError> {
        let request = self.blob_request(persona, version);
        if rest.start == 0 {
            let response = self.wire.send(request, Body::None, &mut |_| {})?;
            return self.blob_body(response, rest.end, into, progress);
        }
        let span = format!("{}-{}", rest.start, rest.end - 1);
        let request = request.header(RANGE, format!("bytes={span}"));
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(self.wire.odd("it ignores a range"));
        }
        let named = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok());
        if named != Some(&format!("bytes {span}/{}", rest.end)) {
            return Err(self.wire.odd("it sends another range than was asked for"));
        }
        self.blob_body(response, rest.end - rest.start, into, progress)
    }

    /// A part of a blob, by `Range`.
    pub fn blob_range(
        &self,
        persona: &PersonaId,
        version: u64,
        range: Range<u64>,
        into: Sink<'_>,
    ) -> Result<(), RemoteError> {
        let last = range.end.saturating_sub(1);
        let request = self
            .blob_request(persona, version)
            .header(RANGE, format!("bytes={}-{last}", range.start));
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(self.wire.odd("it ignores a range"));
        }
        self.blob_body(response, range.end - range.start, into, &mut |_| {})
    }

    fn blob_request(&self, persona: &PersonaId, version: u64) -> RequestBuilder {
        let path = format!("{}/{persona}?version={version}", routes::PERSONAS);
        self.wire.request(Method::GET, &path, self.token.as_ref())
    }

    /// Reads exactly `length` bytes.
    fn blob_body(
        &self,
        response: Response,
        length: u64,
        into: Sink<'_>,
        progress: Progress<'_>,
    ) -> Result<(), RemoteError> {
        let announced = response.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
        if announced.is_some_and(|text| text.parse() != Ok(length)) {
            return Err(self.wire.odd("the blob has another length than its label says"));
        }
        let received = self.wire.receive(response, length, &mut |piece| {
            progress(piece.len() as u64);
            into(piece)
        })?;
        if received != length {
            return Err(self.wire.odd("the blob ends early"));
        }
        Ok(())
    }
}

/// How far a download is.
#[derive(Default)]
struct Course {
    /// Where the last request began.
    from: u64,
    /// The end of what came.
    at: u64,
    /// The end of what had come when there was progress last.
    best: u64,
    /// Failures since then.
    failures: usize,
}

impl Course {
    /// How long to wait after a failure before the rest is asked for, unless it is final.
    fn pause(&mut self, failure: &RemoteError) -> Option<Duration> {
        let has_moved = self.at - self.best >= PROGRESS_BYTES;
        if has_moved {
            (self.best, self.failures) = (self.at, 0);
        }
        let may_pass = match failure {
            RemoteError::Broken { .. } | RemoteError::Unreachable { .. } => true,
            // That was a long wait already.
            RemoteError::TimedOut { .. } => has_moved,
            RemoteError::Refused { status, .. } => matches!(status, 408 | 500 | 502..=504),
            _ => false,
        };
        if !may_pass || self.best == 0 {
            return None;
        }
        let pause = pauses::pause(self.failures, failure)?;
        self.failures += 1;
        self.from = self.at;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pauses::{LONGEST_PAUSE, PAUSES};
    use super::*;

    fn refused(status: u16, retry_after_s: Option<u64>) -> RemoteError {
        RemoteError::Refused { status, code: String::new(), message: String::new(), retry_after_s }
    }

    fn timed_out() -> RemoteError {
        RemoteError::TimedOut { server: String::new(), idle: Duration::from_secs(1) }
    }

    #[test]
    fn pauses_grow_until_there_is_progress() {
        let mut course = Course { at: PROGRESS_BYTES - 1, ..Course::default() };
        assert_eq!(course.pause(&refused(503, None)), None, "no progress yet");
        course.at += 1;
        for pause in PAUSES {
            assert_eq!(course.pause(&refused(503, None)), Some(pause));
            assert_eq!(course.from, course.at);
            // A few bytes are no progress.
            course.at += 1;
        }
        assert_eq!(course.pause(&refused(503, None)), None);
        course.at += PROGRESS_BYTES;
        assert_eq!(course.pause(&refused(503, None)), Some(PAUSES[0]));
        assert_eq!(course.pause(&refused(503, Some(10))), Some(Duration::from_secs(10)));
        assert_eq!(course.pause(&refused(503, Some(u64::MAX))), Some(LONGEST_PAUSE));
    }

    #[test]
    fn what_is_final_is_not_asked_for_again() {
        let after = |failure| Course { at: 1 << 20, ..Course::default() }.pause(&failure).is_some();
        for (status, passes) in
            [(408, true), (500, true), (503, true), (401, false), (410, false), (416, false)]
        {
            assert_eq!(after(refused(status, None)), passes, "{status}");
        }
        assert!(!after(RemoteError::Local(io::ErrorKind::StorageFull.into())));
        let mut course = Course { at: 1 << 20, ..Course::default() };
        assert!(course.pause(&timed_out()).is_some());
        assert_eq!(course.pause(&timed_out()), None, "nothing came in all that time");
    }
}
