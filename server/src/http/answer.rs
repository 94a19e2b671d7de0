//! Answers: status, headers, and a body that is nothing, bytes, or a stream of known length.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::stream::BoxStream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use keybackup_protocol::api::{ErrorAnswer, ErrorBody, code};
use keybackup_protocol::limits::MAX_ANSWER_BYTES;
use serde::Serialize;

use super::head::HeadError;
use super::pace::{self, Holding};
use super::peer::Owner;
use super::pool::Permit;
use super::room::{AnswerMemory, Held, Room};
use crate::error::ApiError;
use crate::log::RequestLog;
use crate::store::StoreError;

/// Bytes in memory that hyper is given at once. An answer of no more asks for no memory.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

/// An answer before it is sent.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Content,
    /// Whether it has asked for its memory.
    is_held: bool,
}

/// What an answer carries.
pub(crate) enum Content {
    /// Bytes in memory, or none.
    Whole(Bytes),
    /// So many bytes, read as they are sent.
    Stream {
        bytes: u64,
        stream: BoxStream<'static, Result<Bytes, StoreError>>,
        /// Its place among those that read files, if it does.
        permit: Option<Permit>,
        /// What tells the connection of that.
        held: Option<pace::Held>,
    },
}

impl Content {
    /// How many bytes are left of it.
    const fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Stream { bytes, .. } => *bytes,
        }
    }
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Content::Whole(Bytes::new()),
            is_held: false,
        }
    }

    /// An answer of JSON.
    ///
    /// # Panics
    /// Never: the API's types serialise.
    pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).expect("the API's types have string keys only");
        Self::json_bytes(status, json)
    }

    /// An answer of JSON in memory that was asked for, from before there was anything of it.
    ///
    /// # Panics
    /// Never, as [`Self::json`].
    pub(crate) fn held_json(value: &impl Serialize, bytes: u64, room: Option<Room>) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(0).min(MAX_ANSWER_BYTES);
        let mut json = Vec::with_capacity(bytes); // as growing would take it twice
        serde_json::to_writer(&mut json, value).expect("the API's types have string keys only");
        Self::json_bytes(StatusCode::OK, json).held(room)
    }

    /// An answer of JSON that is text already.
    pub(crate) fn json_bytes(status: StatusCode, json: Vec<u8>) -> Self {
        Self::empty(status)
            .with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .whole(json)
    }

    /// The same with these bytes for a body.
    pub(crate) fn whole(mut self, bytes: Vec<u8>) -> Self {
        self.body = Content::Whole(bytes.into());
        self
    }

    /// The same with a header set.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Asks for the memory of a large answer that has none yet.
    pub(crate) async fn within(
        self,
        memory: &AnswerMemory,
        owner: Owner,
    ) -> Result<Self, ApiError> {
        match &self.body {
            Content::Whole(bytes) if !self.is_held => {
                let room = memory.take(owner, bytes.len() as u64).await?;
                Ok(self.held(room))
            }
            _ => Ok(self),
        }
    }

    /// Memory that is given back when all of the answer is sent: at once, if it is small.
    fn held(mut self, room: Option<Room>) -> Self {
        self.is_held = true;
        if let (Content::Whole(bytes), Some(room)) = (&mut self.body, room)
            && bytes.len() > PIECE_BYTES
        {
            *bytes = Bytes::from_owner(Held::new(std::mem::take(bytes), room));
        }
        self
    }

    /// Tells the connection while the answer holds memory or a place that others wait for.
    pub(crate) fn paced(mut self, holding: &Holding) -> Self {
        match &mut self.body {
            Content::Whole(bytes) if bytes.len() > PIECE_BYTES => {
                let paced = Paced { bytes: std::mem::take(bytes), _held: holding.begin() };
                *bytes = Bytes::from_owner(paced);
            }
            Content::Stream { permit: Some(_), held, .. } => *held = Some(holding.begin()),
            _ => {}
        }
        self
    }

    /// What hyper sends; its end is the request's line in the log.
    pub(crate) fn into_response(mut self, mut log: RequestLog) -> Response<Tracked> {
        // With a tag, a client may keep it and must ask again; nobody between may keep it at all.
        let caching =
            if self.headers.contains_key(ETAG) { "private, no-cache" } else { "no-store" };
        self.headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        self.headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        log.answered(self.status, self.body.bytes());
        let mut response = Response::new(Tracked { content: self.body, log });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Bytes that are sent at a pace, to the last slice.
struct Paced {
    bytes: Bytes,
    _held: pace::Held,
}

impl AsRef<[u8]> for Paced {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of a response, counting what is sent.
pub(crate) struct Tracked {
    content: Content,
    log: RequestLog,
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let next = match &mut this.content {
            Content::Whole(bytes) if bytes.is_empty() => None,
            // In pieces, so that what was counted as sent is not far ahead of what was.
            Content::Whole(bytes) => Some(Ok(bytes.split_to(bytes.len().min(PIECE_BYTES)))),
            Content::Stream { stream, .. } => std::task::ready!(stream.as_mut().poll_next(cx)),
        };
        Poll::Ready(next.map(|read| match read {
            Ok(bytes) => {
                this.log.sent(bytes.len() as u64);
                if let Content::Stream { bytes: left, .. } = &mut this.content {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "reading a blob failed");
                Err(io::Error::other(error))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.content.bytes())
    }
}

/// The JSON of an error.
pub(crate) fn error_json(code: &str, message: &str) -> Vec<u8> {
    let error = ErrorBody { code: code.to_owned(), message: message.to_owned() };
    serde_json::to_vec(&ErrorAnswer { error }).expect("two strings serialise")
}

/// A whole HTTP/1.1 answer to a head that hyper never sees.
pub(crate) fn refusal_bytes(error: HeadError) -> Bytes {
    raw_answer(error.status(), code::BAD_REQUEST, &error.to_string())
}

/// A whole HTTP/1.1 answer to a connection beyond the limit.
pub(crate) fn busy_bytes() -> Bytes {
    raw_answer(
        StatusCode::SERVICE_UNAVAILABLE,
        code::UNAVAILABLE,
        "the server is at its limit of connections",
    )
}

fn raw_answer(status: StatusCode, code: &str, message: &str) -> Bytes {
    let json = error_json(code, message);
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        json.len()
    )
    .into_bytes();
    answer.extend_from_slice(&json);
    answer.into()
}
