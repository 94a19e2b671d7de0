//! What the headers of tus 1.0.0 say: lengths, offsets and checksums, each parsed in one place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::error::ApiError;

pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
pub(crate) const H_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(crate) const H_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(crate) const H_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(crate) const H_DEFER: HeaderName = HeaderName::from_static("upload-defer-length");
pub(crate) const H_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const H_CHECKSUM: &str = "upload-checksum";
const H_METHOD: &str = "x-http-method-override";

pub(crate) const EXTENSIONS: HeaderValue = HeaderValue::from_static(
    "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination",
);
pub(crate) const ALGORITHMS: HeaderValue = HeaderValue::from_static("sha1,sha256");

/// Refuses who speaks another version.
pub(crate) fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get(H_RESUMABLE) == Some(&VERSION) { Ok(()) } else { Err(ApiError::TusUnsupported) }
}

/// Refuses bytes that are not said to be an upload's.
pub(crate) fn check_media(headers: &HeaderMap) -> Result<(), ApiError> {
    let media = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if media == Some(b"application/offset+octet-stream") {
        Ok(())
    } else {
        Err(ApiError::MediaType)
    }
}

/// The method that is meant, by who can't send it.
pub(crate) fn method(headers: &HeaderMap) -> Option<Method> {
    Method::from_bytes(headers.get(H_METHOD)?.as_bytes()).ok()
}

/// The length in bytes of an upload that begins; nothing where it is to be said later.
pub(crate) fn announced(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    match (headers.get(H_LENGTH), headers.get(H_DEFER)) {
        (None, Some(value)) if value == "1" => Ok(None),
        (_, None) => Ok(Some(length(headers)?.ok_or(NO_LENGTH)?)),
        _ => Err(ApiError::BadRequest("Upload-Defer-Length is 1, and without Upload-Length")),
    }
}

/// `Upload-Length` in bytes, where it is there.
pub(crate) fn length(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(H_LENGTH) else { return Ok(None) };
    number(value).filter(|&bytes| bytes > 0).map(Some).ok_or(NO_LENGTH)
}

/// `Upload-Offset` in bytes.
pub(crate) fn offset(headers: &HeaderMap) -> Result<u64, ApiError> {
    let offset = headers.get(H_OFFSET).and_then(number);
    offset.ok_or(ApiError::BadRequest("Upload-Offset must say where the bytes go on"))
}

fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.to_str().ok()?;
    let is_number = digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

const NO_LENGTH: ApiError =
    ApiError::BadRequest("Upload-Length must be the upload's length in bytes");

/// What the bytes of a request are to have for a hash, and what of them has come.
pub(crate) struct Checksum {
    hasher: Hasher,
    expected: Vec<u8>,
}

enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// The one that the headers announce, if they do.
    pub(crate) fn announced(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(value) = headers.get(H_CHECKSUM) else { return Ok(None) };
        let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
        let (hasher, length) = match parts.map(|(name, _)| name) {
            Some("sha1") => (Hasher::Sha1(Sha1::new()), 20),
            Some("sha256") => (Hasher::Sha256(Sha256::new()), 32),
            _ => return Err(BAD_CHECKSUM),
        };
        let expected = parts.and_then(|(_, text)| STANDARD.decode(text).ok());
        let expected = expected.filter(|bytes| bytes.len() == length).ok_or(BAD_CHECKSUM)?;
        Ok(Some(Self { hasher, expected }))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Refuses what has another hash.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        let is_it = match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize().as_slice() == self.expected,
            Hasher::Sha256(hasher) => hasher.finalize().as_slice() == self.expected,
        };
        if is_it { Ok(()) } else { Err(ApiError::Checksum) }
    }
}

const BAD_CHECKSUM: ApiError =
    ApiError::BadRequest("Upload-Checksum is sha1 or sha256, a space, and the hash in base64");

/// A time as IMF-fixdate (RFC 9110 section 5.6.7).
pub(crate) fn http_date(unix_s: i64) -> HeaderValue {
    let since = std::time::Duration::from_secs(u64::try_from(unix_s).unwrap_or(0));
    let text = httpdate::fmt_http_date(std::time::UNIX_EPOCH + since);
    HeaderValue::from_str(&text).expect("ASCII without controls")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn dates_are_imf_fixdates() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn an_upload_says_how_long_it_is_or_that_it_will() {
        let announced = |pairs: &[(&'static str, &'static str)]| announced(&headers(pairs)).ok();
        assert_eq!(announced(&[("upload-length", "5")]), Some(Some(5)));
        assert_eq!(announced(&[("upload-defer-length", "1")]), Some(None));
        for neither in [
            &[][..],
            &[("upload-length", "0")],
            &[("upload-length", "+5")],
            &[("upload-length", "")],
            &[("upload-length", "99999999999999999999")],
            &[("upload-defer-length", "0")],
            &[("upload-length", "5"), ("upload-defer-length", "1")],
        ] {
            assert_eq!(announced(neither), None, "{neither:?}");
        }
    }

    #[test]
    fn a_checksum_holds_for_its_bytes_only() {
        // RFC 4648 base64 of the SHA-1 and SHA-256 of "abc" (FIPS 180-4).
        for good in [
            "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        ] {
            let announced = || {
                let found = Checksum::announced(&headers(&[("upload-checksum", good)]));
                found.expect("is well-formed").expect("is there")
            };
            let mut right = announced();
            right.update(b"a");
            right.update(b"bc");
            assert!(right.check().is_ok(), "{good}");
            let mut wrong = announced();
            wrong.update(b"abd");
            assert!(matches!(wrong.check(), Err(ApiError::Checksum)), "{good}");
        }
        for bad in [
            "",
            "sha1",
            "md5 kAFQmDzST7DWlj99KOF/cg==",
            "sha1 qZk+",
            "SHA1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "sha1  qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
        ] {
            assert!(Checksum::announced(&headers(&[("upload-checksum", bad)])).is_err(), "{bad}");
        }
        assert!(Checksum::announced(&headers(&[])).expect("none is fine").is_none());
    }
}
