//! Downloads of blobs, whole or in part, handed on piece by piece as they come.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use keybackup_protocol::{PersonaId, routes};
use reqwest::header::{CONTENT_LENGTH, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use super::wire::Body;
use super::{Progress, Remote, RemoteError};

/// Takes what came.
type Sink<'a> = &'a mut dyn FnMut(Bytes) -> io::Result<()>;

impl Remote {
    /// `GET /personas/<id>?version=N`: all of a blob that must have `length` bytes.
    pub fn blob(
        &self,
        persona: &PersonaId,
        version: u64,
        length: u64,
        into: Sink<'_>,
        progress: Progress<'_>,
    ) -> Result<(), RemoteError> {
        let request = self.blob_request(persona, version);
        let response = self.wire.send(request, Body::None, &mut |_| {})?;
        self.blob_body(response, length, into, progress)
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
