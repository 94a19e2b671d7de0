//! Uploads by tus 1.0.0: begun empty, so that its name is known before anything can break, then sent
//! from wherever the server has it, over as many connections as that takes.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use keybackup_protocol::api::Uploaded;
use keybackup_protocol::{UploadId, limits, routes};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response};

use super::pauses::{self, PAUSES};
use super::wire::Body;
use super::{Progress, Remote, RemoteError};
use crate::spool::{Reached, Tail};

const LENGTH: &str = "upload-length";

/// How often the beginning of an upload is asked for again.
const BEGINNINGS: usize = 3;

impl Remote {
    /// `POST /uploads`: begins one of `length` bytes, or of a length that is to be told. Asks again a few
    /// times: where an answer was lost, what was begun is empty, and its time ends it.
    pub fn create_upload(&self, length: Option<u64>) -> Result<UploadId, RemoteError> {
        let mut pauses = PAUSES.iter().take(BEGINNINGS);
        loop {
            match self.try_create_upload(length) {
                Err(failure) if failure.is_passing() => match pauses.next() {
                    Some(pause) => thread::sleep(*pause),
                    None => return Err(failure),
                },
                created => return created,
            }
        }
    }

    fn try_create_upload(&self, length: Option<u64>) -> Result<UploadId, RemoteError> {
        let request = self.tus(Method::POST, routes::UPLOADS);
        let request = match length {
            Some(length) => request.header(LENGTH, length),
            None => request.header("upload-defer-length", 1),
        };
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        let uploaded: Uploaded = self.wire.json(response, limits::MAX_JSON_BYTES)?;
        Ok(uploaded.upload)
    }

    /// Sends what comes into a spool, to its end, by an upload that was just begun. When the connection
    /// breaks, it goes on where the server says that it has it, with growing pauses; progress makes
    /// them short again. False if there is no end: what was to be sent is not made after all.
    ///
    /// # Errors
    /// The last failure, after six without progress. [`RemoteError::NotKeybackup`] when the server
    /// claims to have what was never sent. What it has in truth, the hash in the commit decides.
    pub fn send_upload(
        &self,
        upload: &UploadId,
        tail: &Tail,
        progress: Progress<'_>,
    ) -> Result<bool, RemoteError> {
        self.go_on(upload, tail, Course::default(), progress)
    }

    /// Goes on with an upload that another process has left, of a spool that is whole.
    ///
    /// # Errors
    /// As [`send_upload`](Self::send_upload), and `gone` where the server no longer has it.
    pub fn resume_upload(
        &self,
        upload: &UploadId,
        tail: &Tail,
        progress: Progress<'_>,
    ) -> Result<bool, RemoteError> {
        let Some(reached) = tail.wait(0) else { return Ok(false) };
        // How much the other one has sent, nobody knows any more.
        let mut course = Course { sent: reached.bytes, ..Course::default() };
        match self.look_up(upload, &mut course) {
            Ok(()) => {}
            Err(failure) if failure.is_passing() => {
                self.find_again(upload, &mut course, failure)?;
            }
            Err(refusal) => return Err(refusal),
        }
        progress(course.offset);
        course.sent = course.offset;
        self.go_on(upload, tail, course, progress)
    }

    /// `DELETE /uploads/<id>`.
    pub fn end_upload(&self, upload: &UploadId) -> Result<(), RemoteError> {
        let request = self.tus(Method::DELETE, &path(upload));
        self.wire.send(request, Body::None, &mut |_| {}).map(drop)
    }

    fn go_on(
        &self,
        upload: &UploadId,
        tail: &Tail,
        mut course: Course,
        progress: Progress<'_>,
    ) -> Result<bool, RemoteError> {
        loop {
            let Some(reached) = tail.wait(course.offset) else { return Ok(false) };
            if course.is_over(reached) {
                return Ok(true);
            }
            let failure = match self.send_from(upload, tail, reached, &mut course, progress) {
                Ok(offset) => {
                    course.confirm(offset).map_err(|what| self.wire.odd(what))?;
                    if course.offset == reached.bytes {
                        if reached.whole {
                            return Ok(true);
                        }
                        continue;
                    }
                    self.wire.odd("it takes less of an upload than was sent")
                }
                Err(failure) if failure.is_passing() => failure,
                Err(failure) => return Err(failure),
            };
            self.find_again(upload, &mut course, failure)?;
        }
    }

    /// `PATCH /uploads/<id>`: what is there from where the upload is; returns what the server then has.
    /// With the last bytes it tells the length.
    fn send_from(
        &self,
        upload: &UploadId,
        tail: &Tail,
        reached: Reached,
        course: &mut Course,
        progress: Progress<'_>,
    ) -> Result<u64, RemoteError> {
        let (offset, length) = (course.offset, reached.bytes - course.offset);
        let mut request = self
            .tus(Method::PATCH, &path(upload))
            .header("upload-offset", offset)
            .header(CONTENT_TYPE, "application/offset+octet-stream");
        if reached.whole {
            request = request.header(LENGTH, reached.bytes);
        }
        let mut at = offset;
        let mut reader = From { tail, at: offset };
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
            match self.look_up(upload, course) {
                Err(again) if again.is_passing() => failure = again,
                found => return found,
            }
        }
    }

    /// `HEAD /uploads/<id>`.
    fn look_up(&self, upload: &UploadId, course: &mut Course) -> Result<(), RemoteError> {
        let response = self.wire.head(self.tus(Method::HEAD, &path(upload)))?;
        course.confirm(self.offset(&response)?).map_err(|what| self.wire.odd(what))?;
        course.announced = number(&response, LENGTH);
        Ok(())
    }

    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.wire.request(method, path, self.token.as_ref()).header("tus-resumable", "1.0.0")
    }

    fn offset(&self, response: &Response) -> Result<u64, RemoteError> {
        let offset = number(response, "upload-offset");
        offset.ok_or_else(|| self.wire.odd("it does not say how much of an upload it has"))
    }
}

fn number(response: &Response, header: &str) -> Option<u64> {
    let value = response.headers().get(header).and_then(|value| value.to_str().ok());
    let digits = value.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok())
}

/// Reads a spool from somewhere on.
struct From<'a> {
    tail: &'a Tail,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.tail.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn path(upload: &UploadId) -> String {
    format!("{}/{upload}", routes::UPLOADS)
}

/// How far an upload is.
#[derive(Default)]
struct Course {
    /// The length that the server says it knows.
    announced: Option<u64>,
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
    /// Whether the server has all, and knows it.
    fn is_over(&self, reached: Reached) -> bool {
        reached.whole && self.offset == reached.bytes && self.announced == Some(reached.bytes)
    }

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
        let pause = pauses::pause(self.failures, failure)?;
        self.failures += 1;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pauses::LONGEST_PAUSE;
    use super::*;

    fn refused(status: u16, code: &str, retry_after_s: Option<u64>) -> RemoteError {
        let (code, message) = (code.to_owned(), String::new());
        RemoteError::Refused { status, code, message, retry_after_s }
    }

    /// Holds rule 17.
    #[test]
    fn a_server_has_no_more_than_was_sent() {
        let mut course = Course::default();
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
        let mut course = Course::default();
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
            assert_eq!(refused(status, code, None).is_passing(), passes, "{status} {code}");
        }
    }
}
