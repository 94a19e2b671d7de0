//! `GET /personas/<id>`: the bytes of a version, whole or a range of them.

use http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_RANGE, RANGE,
};
use http::{Method, StatusCode};
use keybackup_protocol::PersonaId;
use keybackup_protocol::routes::H_VERSION;

use crate::error::ApiError;
use crate::http::answer::{Answer, Content};
use crate::http::conditional::{entity_tag, not_modified};
use crate::http::peer::Owner;
use crate::http::range::Span;
use crate::router::Call;
use crate::store::ROW_BYTES;

/// Sends them; of the newest version that has bytes, unless `?version=N` names one.
pub(crate) async fn read(call: &Call<'_>, persona: PersonaId) -> Result<Answer, ApiError> {
    let version = match call.query("version") {
        Ok(version) => version,
        Err(malformed) => {
            // Strangers learn first that they are.
            call.current_session().await?;
            return Err(malformed);
        }
    };
    let store = &*call.server.store;
    let (session, blob) = call.current_session_and_blob(persona, version).await?;
    let tag = entity_tag(&blake3::Hash::from_bytes(blob.blake3));
    if not_modified(call.headers(), &tag) {
        return Ok(Answer::empty(StatusCode::NOT_MODIFIED).with(ETAG, tag));
    }
    let (status, range) = match span(call, &tag, blob.bytes) {
        Span::Whole => (StatusCode::OK, 0..blob.bytes),
        Span::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Span::Unsatisfiable => return Err(ApiError::Range { length: blob.bytes }),
    };
    let mut answer = Answer::empty(status)
        .with(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .with(ACCEPT_RANGES, HeaderValue::from_static("bytes"))
        .with(ETAG, tag)
        .with(HeaderName::from_static(H_VERSION), HeaderValue::from(blob.version));
    if status == StatusCode::PARTIAL_CONTENT {
        let value = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.bytes);
        let value = HeaderValue::from_str(&value).expect("digits and ASCII letters");
        answer = answer.with(CONTENT_RANGE, value);
    }
    let bytes = range.end - range.start;
    answer.body = if call.parts.method == Method::HEAD {
        // The length is told and nothing is read.
        Content::Stream { bytes, stream: Box::pin(Nothing), permit: None, held: None }
    } else {
        // What lies in a row is in memory already.
        let from_file = blob.bytes > ROW_BYTES as u64;
        let downloads = &call.server.downloads;
        let owner = Owner::Account(session.account);
        let permit = if from_file { Some(downloads.take(owner, 1).await?) } else { None };
        Content::Stream { bytes, stream: store.read(&blob, range).await?, permit, held: None }
    };
    Ok(answer)
}

/// The range asked for, unless `If-Range` names other content (RFC 9110 section 13.1.5). Only GET
/// has ranges (section 14.2).
fn span(call: &Call<'_>, tag: &HeaderValue, length: u64) -> Span {
    if call.parts.method != Method::GET {
        return Span::Whole;
    }
    let same = call.headers().get(IF_RANGE).is_none_or(|named| named == tag);
    match call.headers().get(RANGE).filter(|_| same).and_then(|value| value.to_str().ok()) {
        Some(value) => Span::parse(value, length),
        None => Span::Whole,
    }
}

/// A stream that ends at once.
struct Nothing;

impl futures_core::Stream for Nothing {
    type Item = Result<bytes::Bytes, crate::store::StoreError>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(None)
    }
}
