//! BLAKE3 hashes and blob headers as records hold them: unpadded base64url in JSON.

use std::fmt;

use keybackup_protocol::{B64, KeyId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::seal::{Header, HeaderError};

/// A BLAKE3 hash: of a sealed label, a blob, an index, or a fingerprint. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&B64::from(&self.0[..]).to_text())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = B64::deserialize(deserializer)?.0;
        bytes.try_into().map(Self).map_err(|_| de::Error::custom("not 32 bytes"))
    }
}

/// The header of a blob as a label holds it, parsed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBytes {
    bytes: [u8; Header::LEN],
    header: Header,
}

impl HeaderBytes {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Header::LEN] {
        &self.bytes
    }

    /// What they say.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The vault key that the blob is sealed under.
    pub const fn key_id(&self) -> KeyId {
        self.header.key_id
    }
}

impl From<Header> for HeaderBytes {
    fn from(header: Header) -> Self {
        Self { bytes: header.to_bytes(), header }
    }
}

impl TryFrom<[u8; Header::LEN]> for HeaderBytes {
    type Error = HeaderError;

    fn try_from(bytes: [u8; Header::LEN]) -> Result<Self, HeaderError> {
        Header::parse(&bytes).map(|header| Self { bytes, header })
    }
}

impl Serialize for HeaderBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        B64::from(&self.bytes[..]).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HeaderBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: [u8; Header::LEN] = B64::deserialize(deserializer)?
            .0
            .try_into()
            .map_err(|_| de::Error::custom("not as long as a header"))?;
        Self::try_from(bytes).map_err(de::Error::custom)
    }
}
