//! Uploads by tus 1.0.0: begun empty, so that its name is known before anything can break, then sent
//! from wherever the server has it, over as many connections as that takes.

use std::io::{Read, Seek, SeekFrom};
use std::thread;
use std::time::Duration;

use keybackup_protocol::api::{Uploaded, code};
use keybackup_protocol::{UploadId, limits, routes};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response};

use super::wire::Body;
use super::{Progress, Remote, RemoteError};

/// Pauses before asking how far an upload is, after a failure without progress since the one before;
/// after the last one it is given up.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// Longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Bytes that can be read again from anywhere.
pub trait Rereadable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Rereadable for T {}

impl Remote {
    /// `POST /uploads`: begins one of `length` bytes.
    pub fn create_upload(&self, length: u64) -> Result<UploadId, RemoteError> {
        let request = self.tus(Method::POST, routes::UPLOADS).header("upload-length", length);
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        let uploaded: Uploaded = self.wire.json(response, limits::MAX_JSON_BYTES)?;
        Ok(uploaded.upload)
    }

    /// Sends all `length` bytes of an upload that was just begun. When the connection breaks, it goes
    /// on where the server says that it has it, with growing pauses; progress makes them short again.
    ///
    /// # Errors
    /// The last failure, after six without progress. [`RemoteError::NotKeybackup`] when the server
    /// claims to have what was never sent. What it has in truth, the hash in the commit decides.
    pub fn send_upload(
        &self,
        upload: &UploadId,
        bytes: &mut dyn Rereadable,
        length: u64,
        progress: Progress<'_>,
    ) -> Result<(), RemoteError> {
        let mut course = Course { length, ..Course::default() };
        loop {
            let failure = match self.send_from(upload, bytes, &mut course, progress) {
                Ok(offset) => {
                    course.confirm(offset).map_err(|what| self.wire.odd(what))?;
                    if course.offset == length {
                        return Ok(());
                    }
                    self.wire.odd("it takes less of an upload than was sent")
                }
                Err(failure) if is_passing(&failure) => failure,
                Err(failure) => return Err(failure),
            };
            self.find_again(upload, &mut course, failure)?;
            if course.offset == length {
                return Ok(());
            }
        }
    }

    /// `DELETE /uploads/<id>`.
    pub fn end_upload(&self, upload: &UploadId) -> Result<(), RemoteError> {
        let request = self.tus(Method::DELETE, &path(upload));
        self.wire.send(request, Body::None, &mut |_| {}).map(drop)
    }

    /// `PATCH /uploads/<id>`: the rest from where it is; returns what the server then has.
    fn send_from(
        &self,
        upload: &UploadId,
        bytes: &mut dyn Rereadable,
        course: &mut Course,
        progress: Progress<'_>,
    ) -> Result<u64, RemoteError> {
        let (offset, length) = (course.offset, course.length - course.offset);
        bytes.seek(SeekFrom::Start(offset))?;
        let request = self
            .tus(Method::PATCH, &path(upload))
            .header("upload-offset", offset)
            .header(CONTENT_TYPE, "application/offset+octet-stream");
        let mut at = offset;
        let mut reader = bytes;
        let body = Body::Stream { reader: &mut reader, length };
        let answer = self.wire.send(request, body, &mut |moved| {
            at += moved;
            progress(course.moved_to(at));
        });
        self.offset(&answer?)
    }

    /// `HEAD /uploads/<id>` until it is answered, or for too long.
    fn find_again(
        &self,
        upload: &UploadId,
        course: &mut Course,
        mut failure: RemoteError,
    ) -> Result<(), RemoteError> {
        loop {
            let Some(pause) = course.pause(&failure) else { return Err(failure) };
            thread::sleep(pause);
            let request = self.tus(Method::HEAD, &path(upload));
            match self.wire.head(request).and_then(|response| self.offset(&response)) {
                Ok(offset) => {
                    return course.confirm(offset).map_err(|what| self.wire.odd(what));
                }
                Err(again) if is_passing(&again) => failure = again,
                Err(refusal) => return Err(refusal),
            }
        }
    }

    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.wire.request(method, path, self.token.as_ref()).header("tus-resumable", "1.0.0")
    }

    fn offset(&self, response: &Response) -> Result<u64, RemoteError> {
        let offset = response.headers().get("upload-offset").and_then(|v| v.to_str().ok());
        let digits = offset.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let offset = digits.and_then(|text| text.parse().ok());
        offset.ok_or_else(|| self.wire.odd("it does not say how much of an upload it has"))
    }
}

fn path(upload: &UploadId) -> String {
    format!("{}/{upload}", routes::UPLOADS)
}

/// Whether a failure is one of the way, or of the moment, so that the upload may go on.
fn is_passing(failure: &RemoteError) -> bool {
    match failure {
        RemoteError::Unreachable { .. }
        | RemoteError::TimedOut { .. }
        | RemoteError::Broken { .. } => true,
        RemoteError::Refused { status, code, .. } => {
            matches!(status, 408 | 423 | 500 | 502..=504) || code == code::OFFSET
        }
        _ => false,
    }
}

/// How far an upload is.
#[derive(Default)]
struct Course {
    length: u64,
    /// What the server said last.
    offset: u64,
    /// The most that it has said.
    best: u64,
    /// The end of what was handed to any connection.
    sent: u64,
    /// Failures since the last progress.
    failures: usize,
}

impl Course {
    /// Notes that bytes up to `at` were handed to the connection; returns how many of them for the
    /// first time.
    fn moved_to(&mut self, at: u64) -> u64 {
        let more = at.saturating_sub(self.sent);
        self.sent += more;
        more
    }

    /// Takes the server's word for what it has, as far as that can be.
    fn confirm(&mut self, offset: u64) -> Result<(), &'static str> {
        if offset > self.sent {
            return Err("it has more of an upload than was sent");
        }
        self.offset = offset;
        if offset > self.best {
            (self.best, self.failures) = (offset, 0);
        }
        Ok(())
    }

    /// How long to wait after a failure, unless there were too many.
    fn pause(&mut self, failure: &RemoteError) -> Option<Duration> {
        let pause = *PAUSES.get(self.failures)?;
        self.failures += 1;
        let asked = match failure {
            RemoteError::Refused { retry_after_s: Some(seconds), .. } => {
                Duration::from_secs(*seconds).min(LONGEST_PAUSE)
            }
            _ => Duration::ZERO,
        };
        Some(pause.max(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, retry_after_s: Option<u64>) -> RemoteError {
        let (code, message) = (code.to_owned(), String::new());
        RemoteError::Refused { status, code, message, retry_after_s }
    }

    /// Holds rule 17.
    #[test]
    fn a_server_has_no_more_than_was_sent() {
        let mut course = Course { length: 100, ..Course::default() };
        assert_eq!((course.moved_to(60), course.moved_to(60)), (60, 0));
        assert!(course.confirm(61).is_err());
        assert!(course.confirm(50).is_ok());
        assert_eq!((course.moved_to(55), course.moved_to(70)), (0, 10), "sent again is not more");
        assert!(course.confirm(20).is_ok(), "it may have lost some");
        assert_eq!(course.offset, 20);
        assert!(course.confirm(u64::MAX).is_err());
    }

    #[test]
    fn pauses_grow_until_there_is_progress() {
        let mut course = Course { length: 100, ..Course::default() };
        course.moved_to(100);
        let failure = refused(500, "internal", None);
        for pause in PAUSES {
            assert_eq!(course.pause(&failure), Some(pause));
            course.confirm(0).expect("was sent");
        }
        assert_eq!(course.pause(&failure), None);
        course.confirm(1).expect("was sent");
        assert_eq!(course.pause(&failure), Some(PAUSES[0]));
        course.confirm(0).expect("was sent");
        course.confirm(1).expect("was sent");
        assert_eq!(course.pause(&failure), Some(PAUSES[1]), "what was lost and came again is none");
        let busy = |seconds| refused(503, "unavailable", Some(seconds));
        assert_eq!(course.pause(&busy(10)), Some(Duration::from_secs(10)));
        assert_eq!(course.pause(&busy(u64::MAX)), Some(LONGEST_PAUSE));
    }

    #[test]
    fn what_is_final_is_not_tried_again() {
        for (status, code, passes) in [
            (408, "bad_request", true),
            (409, "offset", true),
            (409, "stale", false),
            (410, "gone", false),
            (413, "too_large", false),
            (423, "locked", true),
            (401, "unauthenticated", false),
            (500, "internal", true),
            (503, "unavailable", true),
            (507, "quota", false),
            (507, "full", false),
        ] {
            assert_eq!(is_passing(&refused(status, code, None)), passes, "{status} {code}");
        }
    }
}
