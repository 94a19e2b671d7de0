//! Cross-origin requests from the web pages that the operator lists (Fetch standard, "CORS
//! protocol"). Off by default; cookies are never involved, so credentials are not allowed.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};

use super::answer::Answer;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, if-match, if-none-match, if-range, keybackup-json-hash, \
     keybackup-protocol, range, \
     tus-resumable, upload-checksum, upload-defer-length, upload-length, upload-offset",
);
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "accept-ranges, content-range, etag, keybackup-epoch, keybackup-keyring, keybackup-version, \
     location, retry-after, tus-checksum-algorithm, tus-extension, tus-max-size, tus-resumable, \
     tus-version, upload-defer-length, upload-expires, upload-length, upload-offset",
);

/// The answer to a preflight request, if it is one and any origin is listed.
pub(crate) fn preflight(
    origins: &[HeaderValue],
    method: &Method,
    headers: &HeaderMap,
) -> Option<Answer> {
    let asks = !origins.is_empty()
        && method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        Answer::empty(StatusCode::NO_CONTENT)
            .with(ACCESS_CONTROL_ALLOW_METHODS, METHODS)
            .with(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS)
            .with(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"))
    })
}

/// Lets the page that asks read the answer, if its origin is listed.
pub(crate) fn allow(origins: &[HeaderValue], request: &HeaderMap, answer: &mut HeaderMap) {
    if origins.is_empty() {
        return;
    }
    answer.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = request.get(ORIGIN).filter(|origin| origins.contains(origin)) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    } else {
        for name in [ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_HEADERS] {
            answer.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_may_read() {
        let origins = [HeaderValue::from_static("https://app.example")];
        for (origin, allowed) in [
            ("https://app.example", true),
            ("https://app.example.evil", false),
            ("http://app.example", false),
            ("null", false),
        ] {
            let mut request = HeaderMap::new();
            request.insert(ORIGIN, HeaderValue::from_static(origin));
            let mut answer = HeaderMap::new();
            allow(&origins, &request, &mut answer);
            assert_eq!(answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{origin}");
            assert_eq!(answer.get(VARY).map(HeaderValue::as_bytes), Some(&b"origin"[..]));
            let mut answer = HeaderMap::new();
            allow(&[], &request, &mut answer);
            assert!(answer.is_empty(), "off by default");
        }
    }
}
