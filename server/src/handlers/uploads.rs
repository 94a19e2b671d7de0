//! `POST /uploads`: bytes that a later commit names. tus 1.0.0 with creation-with-upload, the
//! whole in one request; resuming comes later.

use std::sync::Arc;

use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use keybackup_protocol::UploadId;
use keybackup_protocol::api::Uploaded;
use keybackup_protocol::routes::UPLOADS;

use super::random_id;
use super::receive::{self, ReceivedPart, to_the_end};
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::RequestBody;
use crate::router::Call;
use crate::store::{NewUpload, Part, Store};

const TUS_VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const H_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const H_LENGTH: &str = "upload-length";
const H_DEFER: &str = "upload-defer-length";

/// Takes an upload whole.
pub(crate) async fn create(call: &Call<'_>, body: &mut RequestBody) -> Result<Answer, ApiError> {
    if call.headers().get(H_RESUMABLE) != Some(&TUS_VERSION) {
        return Err(ApiError::TusUnsupported);
    }
    let session = call.current_session().await?;
    let bytes = announced(call.headers())?;
    if bytes > call.server.settings.blob_bytes {
        return Err(ApiError::TooLarge);
    }
    if body.length() != bytes {
        return Err(ApiError::BadRequest("an upload comes whole, in the request that creates it"));
    }
    let received = receive::part(call.server, session.account, body, bytes, None).await?;
    let id = UploadId::from_bytes(random_id());
    // Counted from the end of the upload, which may have taken hours.
    let now = call.server.now();
    let expires_at = now.saturating_add(call.server.settings.upload_ttl_s);
    let (session, account, blake3) = (session.id, session.account, received.blake3());
    let upload = move |part| NewUpload { session, account, id, part, blake3, now, expires_at };
    keep(Arc::clone(&call.server.store), received, upload).await?;
    let location = format!("{}{UPLOADS}/{id}", call.server.settings.path_prefix);
    let text = |text: &str| HeaderValue::from_str(text).expect("ASCII without controls");
    Ok(Answer::json(StatusCode::CREATED, &Uploaded { upload: id, expires_at })
        .with(LOCATION, text(&location))
        .with(H_RESUMABLE, TUS_VERSION)
        .with(HeaderName::from_static("upload-offset"), HeaderValue::from(bytes))
        .with(HeaderName::from_static("upload-expires"), text(&http_date(expires_at))))
}

/// Makes what came durable, and an upload of it.
pub(super) async fn keep(
    store: Arc<dyn Store>,
    received: ReceivedPart,
    upload: impl FnOnce(Part) -> NewUpload + Send + 'static,
) -> Result<(), ApiError> {
    to_the_end(async move { store.add_upload(upload(received.finish().await?)).await }).await
}

/// The length of an upload in bytes.
fn announced(headers: &HeaderMap) -> Result<u64, ApiError> {
    if headers.contains_key(H_DEFER) {
        return Err(ApiError::BadRequest("Upload-Defer-Length is not supported by this server"));
    }
    let media = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if media != Some(b"application/offset+octet-stream") {
        return Err(ApiError::BadRequest("an upload is application/offset+octet-stream"));
    }
    let digits = headers.get(H_LENGTH).and_then(|value| value.to_str().ok());
    digits
        .filter(|text| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|&bytes: &u64| bytes > 0)
        .ok_or(ApiError::BadRequest("Upload-Length must be the upload's length in bytes"))
}

/// What tus clients ask first.
pub(crate) fn discover(call: &Call<'_>) -> Answer {
    Answer::empty(StatusCode::NO_CONTENT)
        .with(H_RESUMABLE, TUS_VERSION)
        .with(HeaderName::from_static("tus-version"), TUS_VERSION)
        .with(
            HeaderName::from_static("tus-extension"),
            HeaderValue::from_static("creation,creation-with-upload,expiration"),
        )
        .with(
            HeaderName::from_static("tus-max-size"),
            HeaderValue::from(call.server.settings.blob_bytes),
        )
        .with(ALLOW, HeaderValue::from_static("POST, OPTIONS"))
}

/// A time as IMF-fixdate (RFC 9110 section 5.6.7).
fn http_date(unix_s: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(unix_s).unwrap_or(0));
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_imf_fixdates() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn an_upload_announces_its_length_and_type() {
        let announced = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            announced(&headers).ok()
        };
        let media = ("content-type", "application/offset+octet-stream");
        assert_eq!(announced(&[media, ("upload-length", "5")]), Some(5));
        assert_eq!(announced(&[media]), None);
        assert_eq!(announced(&[("upload-length", "5")]), None);
        assert_eq!(announced(&[media, ("upload-length", "0")]), None);
        assert_eq!(announced(&[media, ("upload-length", "+5")]), None);
        assert_eq!(announced(&[media, ("upload-length", "99999999999999999999")]), None);
        assert_eq!(announced(&[media, ("upload-length", "5"), ("upload-defer-length", "1")]), None);
    }
}
