//! What a request head must look like before hyper sees it (RFC 9112, and stricter).
//!
//! hyper 1.12 takes bare LF, two equal `Content-Length`s, `Content-Length` beside
//! `Transfer-Encoding`, no or two `Host`s, absolute URIs and dot segments. Behind a proxy that
//! reads them otherwise, each is a way to smuggle a request, so they are refused here, on the
//! bytes. Bodies without a length are refused too: every body that this API takes has one.

use http::StatusCode;

/// Largest head in bytes, request line and blank line included.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most header lines; hyper's own limit lies above.
const MAX_HEADER_LINES: usize = 64;
/// Methods that some route could have (RFC 9110 section 9, RFC 5789).
const METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"];

/// Why a head is refused. The connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A bare LF or CR, or a NUL byte.
    #[error("lines of a request head end in CR LF and hold no NUL")]
    Line,
    /// Not `METHOD SP target SP HTTP/1.x`.
    #[error("the request line is malformed")]
    RequestLine,
    /// A method that no route has.
    #[error("the method is not implemented")]
    Method,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("only HTTP/1.1 is spoken here")]
    Version,
    /// Absolute form, authority form or `*`.
    #[error("the request target must be a path")]
    Form,
    /// Dot or empty segments, encoded separators, or bytes that a path may not hold.
    #[error("the request target is not a plain path")]
    Target,
    /// A header line without a name, with space before the colon, folded, or with controls.
    #[error("a header line is malformed")]
    Header,
    /// No `Host`, two, or an empty or malformed one.
    #[error("exactly one Host is required")]
    Host,
    /// Two lengths, or one that is no number.
    #[error("Content-Length must be one number")]
    ContentLength,
    /// `Content-Length` beside `Transfer-Encoding`.
    #[error("Content-Length and Transfer-Encoding exclude each other")]
    BothLengths,
    /// `Transfer-Encoding`.
    #[error("a body needs a Content-Length")]
    LengthRequired,
    /// More bytes or lines than a head may have.
    #[error("the request head is too large")]
    TooLarge,
    /// The head did not come in time.
    #[error("the request head did not come in time")]
    Timeout,
}

impl HeadError {
    /// The status that answers it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Looks for the end of a head in what has come so far, refusing bad line ends at once: a head
/// of bare LFs has no end. Bytes before `scanned` were looked at by earlier calls.
pub fn find_end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, HeadError> {
    for at in *scanned..bytes.len() {
        match bytes[at] {
            0 => return Err(HeadError::Line),
            b'\n' if at == 0 || bytes[at - 1] != b'\r' => return Err(HeadError::Line),
            b'\n' if at >= 3 && bytes[at - 2] == b'\n' => return Ok(Some(at + 1)),
            byte if byte != b'\n' && at > 0 && bytes[at - 1] == b'\r' => {
                return Err(HeadError::Line);
            }
            _ => {}
        }
    }
    *scanned = bytes.len();
    if bytes.len() >= MAX_HEAD_BYTES { Err(HeadError::TooLarge) } else { Ok(None) }
}

/// Checks a whole head, blank line included, and returns the length of its body in bytes.
pub fn check(head: &[u8]) -> Result<u64, HeadError> {
    if head.len() > MAX_HEAD_BYTES {
        return Err(HeadError::TooLarge);
    }
    let text = head.strip_suffix(b"\r\n\r\n").ok_or(HeadError::Line)?;
    // `find_end` has seen a CR before every LF.
    let whole = |line| <[u8]>::strip_suffix(line, b"\r").unwrap_or(line);
    let mut lines = text.split(|&byte| byte == b'\n').map(whole);
    request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for (count, line) in lines.enumerate() {
        if count == MAX_HEADER_LINES {
            return Err(HeadError::TooLarge);
        }
        fields.take(line)?;
    }
    fields.body_bytes()
}

fn request_line(line: &[u8]) -> Result<(), HeadError> {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HeadError::RequestLine);
    };
    if method.is_empty() || target.is_empty() || !method.iter().all(|&byte| is_token(byte)) {
        return Err(HeadError::RequestLine);
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        _ if version.starts_with(b"HTTP/") => return Err(HeadError::Version),
        _ => return Err(HeadError::RequestLine),
    }
    if !METHODS.contains(&method) {
        return Err(HeadError::Method);
    }
    check_target(target)
}

fn check_target(target: &[u8]) -> Result<(), HeadError> {
    if target[0] != b'/' {
        return Err(HeadError::Form);
    }
    let allowed = |byte: &u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(byte);
    if !target.iter().all(allowed) {
        return Err(HeadError::Target);
    }
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    let mut segments = path[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        // A trailing slash is a path that no route has; an empty segment before others a trick.
        let hollow = segment.is_empty() && segments.peek().is_some();
        if hollow || matches!(segment, b"." | b"..") {
            return Err(HeadError::Target);
        }
        check_escapes(segment)?;
    }
    Ok(())
}

/// Refuses escapes that hide a dot, a separator or a control character, and broken ones.
fn check_escapes(segment: &[u8]) -> Result<(), HeadError> {
    let mut rest = segment;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        let digits = rest.get(at + 1..at + 3).ok_or(HeadError::Target)?;
        let value = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or(HeadError::Target)?;
        if matches!(value, b'.' | b'/' | b'\\' | b'%' | 0x7f) || value < b' ' {
            return Err(HeadError::Target);
        }
        rest = &rest[at + 3..];
    }
    Ok(())
}

/// The header fields that decide where a request ends and whom it is for.
#[derive(Default)]
struct Fields {
    hosts: u32,
    content_length: Option<u64>,
    transfer_encoding: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), HeadError> {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(HeadError::Header)?;
        let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(HeadError::Header);
        }
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(HeadError::Header);
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            let host = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte);
            if value.is_empty() || !value.iter().all(host) {
                return Err(HeadError::Host);
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.content_length.is_some() {
                return Err(HeadError::ContentLength);
            }
            self.content_length = Some(parse_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.transfer_encoding = true;
        }
        Ok(())
    }

    const fn body_bytes(&self) -> Result<u64, HeadError> {
        if self.hosts != 1 {
            return Err(HeadError::Host);
        }
        match (self.transfer_encoding, self.content_length) {
            (true, Some(_)) => Err(HeadError::BothLengths),
            (true, None) => Err(HeadError::LengthRequired),
            (false, Some(length)) => Ok(length),
            (false, None) => Ok(0),
        }
    }
}

/// Without the white space that may stand around a value (RFC 9110 section 5.6.3): spaces and tabs.
/// `trim_ascii` would also take a form feed away, which others refuse or keep.
const fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Digits only: `str::parse` would also take a plus sign. 18 of them can't overflow.
fn parse_length(value: &[u8]) -> Result<u64, HeadError> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::ContentLength);
    }
    Ok(value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// RFC 9110 section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_'
        )
        || matches!(byte, b'`' | b'|' | b'~')
}

#[cfg(test)]
#[path = "head_tests.rs"]
pub(crate) mod tests;
