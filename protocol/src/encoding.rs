//! The byte encodings shared by formats and messages: `lp`, fixed-width integers, base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Appends `lp(bytes)`: the length as a big-endian u32, then the bytes (DESIGN, "Encodings").
///
/// # Panics
/// If `bytes` is 4 GiB or longer, which nothing that this project encodes can be.
pub fn put_lp(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("nothing encoded with lp reaches 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Bytes that ended early, or went on where nothing was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the encoding announced.
    #[error("the encoding ends early")]
    Truncated,
    /// Bytes after the end of the encoding.
    #[error("bytes follow the end of the encoding")]
    Trailing,
}

/// Reads fixed-width and length-prefixed fields from the front of a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    /// A big-endian u32.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A big-endian u64.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// The bytes of an `lp` field.
    pub fn lp(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| DecodeError::Truncated)?)
    }

    /// All that is left.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Asserts that nothing is left.
    pub const fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }
}

/// Bytes that are unpadded base64url in JSON. Not for secrets: it prints and compares freely.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct B64(pub Vec<u8>);

impl B64 {
    /// The text form.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// The bytes of a text form; padding, other alphabets and stray bits are refused.
    pub fn from_text(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok().map(Self)
    }
}

impl From<Vec<u8>> for B64 {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for B64 {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl AsRef<[u8]> for B64 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for B64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for B64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| de::Error::custom("not unpadded base64url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lp_is_a_big_endian_length_and_the_bytes() {
        let mut out = Vec::new();
        put_lp(&mut out, b"abc");
        put_lp(&mut out, b"");
        assert_eq!(out, b"\0\0\0\x03abc\0\0\0\0");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.lp(), Ok(&b"abc"[..]));
        assert_eq!(reader.clone().end(), Err(DecodeError::Trailing));
        assert_eq!(reader.lp(), Ok(&b""[..]));
        assert_eq!(reader.lp(), Err(DecodeError::Truncated));
        assert_eq!(reader.end(), Ok(()));
    }

    /// Holds rule 2.
    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert_eq!(Reader::new(b"\xff\xff\xff\xffabc").lp(), Err(DecodeError::Truncated));
    }

    #[test]
    fn base64url_is_strict() {
        assert_eq!(B64(vec![0xfb, 0xff]).to_text(), "-_8");
        for bad in ["-_8=", "+/8", "-_9", "a", "-_8 "] {
            assert_eq!(B64::from_text(bad), None, "{bad}");
        }
    }
}
