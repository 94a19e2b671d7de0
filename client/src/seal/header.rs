//! The header of a blob, 121 bytes, all of them bound into its keys or compared.

use keybackup_protocol::{AccountId, KeyId, PersonaId, Reader};

use crate::keys::{BlobType, FORMAT_VERSION};

const MAGIC: &[u8; 7] = b"KEYBKUP";

/// What begins a blob, and stands in the label that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the plaintext is.
    pub blob_type: BlobType,
    /// The vault key.
    pub key_id: KeyId,
    /// The account.
    pub account: AccountId,
    /// The persona.
    pub persona: PersonaId,
    /// The content version: that of the label which the bytes came with.
    pub version: u64,
    /// Fresh for every sealing.
    pub salt: [u8; 32],
    /// To the keys, and through them to all of the above.
    pub commitment: [u8; 32],
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Another length than 121 bytes.
    #[error("a blob's header has {} bytes", Header::LEN)]
    Length,
    /// Something else than a blob.
    #[error("the bytes are not a keybackup blob")]
    Magic,
    /// A format that this program does not know.
    #[error("blobs of version {found} are not known here")]
    UnknownVersion {
        /// The version byte.
        found: u8,
    },
    /// A type that this program does not know.
    #[error("blobs of type {found:#04x} are not known here")]
    UnknownType {
        /// The type byte.
        found: u8,
    },
}

impl Header {
    /// Length in bytes.
    pub const LEN: usize = Self::BOUND_LEN + 32;
    /// Bytes before the commitment, which the keys depend on.
    pub(crate) const BOUND_LEN: usize = 7 + 1 + 1 + 8 + 16 + 16 + 8 + 32;

    /// The bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..Self::BOUND_LEN].copy_from_slice(&self.bound_bytes());
        bytes[Self::BOUND_LEN..].copy_from_slice(&self.commitment);
        bytes
    }

    /// The bytes before the commitment.
    pub(crate) fn bound_bytes(&self) -> [u8; Self::BOUND_LEN] {
        let mut bytes = Vec::with_capacity(Self::BOUND_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[FORMAT_VERSION, self.blob_type.byte()]);
        bytes.extend_from_slice(self.key_id.as_bytes());
        bytes.extend_from_slice(self.account.as_bytes());
        bytes.extend_from_slice(self.persona.as_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.try_into().expect("the fields have BOUND_LEN bytes")
    }

    /// Reads a header; nothing of it is authenticated yet.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() != Self::LEN {
            return Err(HeaderError::Length);
        }
        let mut reader = Reader::new(bytes);
        let mut fields = || -> Result<_, keybackup_protocol::DecodeError> {
            Ok((
                reader.array()?,
                reader.array()?,
                KeyId::from_bytes(reader.array()?),
                AccountId::from_bytes(reader.array()?),
                PersonaId::from_bytes(reader.array()?),
                reader.u64()?,
                reader.array()?,
                reader.array()?,
            ))
        };
        let (magic, [format, blob_type], key_id, account, persona, version, salt, commitment) =
            fields().map_err(|_| HeaderError::Length)?;
        if magic != *MAGIC {
            return Err(HeaderError::Magic);
        }
        if format != FORMAT_VERSION {
            return Err(HeaderError::UnknownVersion { found: format });
        }
        let blob_type =
            BlobType::from_byte(blob_type).ok_or(HeaderError::UnknownType { found: blob_type })?;
        Ok(Self { blob_type, key_id, account, persona, version, salt, commitment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            blob_type: BlobType::Directory,
            key_id: KeyId::from_bytes([1; 8]),
            account: AccountId::from_bytes([2; 16]),
            persona: PersonaId::from_bytes([3; 16]),
            version: 0x0405_0607_0809_0a0b,
            salt: [12; 32],
            commitment: [13; 32],
        }
    }

    /// Holds rule 11.
    #[test]
    fn fields_stand_where_the_format_says() {
        let bytes = header().to_bytes();
        assert_eq!(bytes.len(), 121);
        assert_eq!(bytes[..9], *b"KEYBKUP\x01\x20");
        assert_eq!(bytes[9..17], [1; 8]);
        assert_eq!(bytes[17..33], [2; 16]);
        assert_eq!(bytes[33..49], [3; 16]);
        assert_eq!(bytes[49..57], [4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(bytes[57..89], [12; 32]);
        assert_eq!(bytes[89..], [13; 32]);
        assert_eq!(Header::parse(&bytes), Ok(header()));
    }

    /// Holds rule 3.
    #[test]
    fn refuses_what_it_does_not_know() {
        let bytes = header().to_bytes();
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes;
            bytes[at] = byte;
            Header::parse(&bytes)
        };
        assert_eq!(with(0, b'k'), Err(HeaderError::Magic));
        assert_eq!(with(7, 2), Err(HeaderError::UnknownVersion { found: 2 }));
        assert_eq!(with(8, 0x06), Err(HeaderError::UnknownType { found: 6 }));
        assert_eq!(Header::parse(&bytes[..120]), Err(HeaderError::Length));
        assert_eq!(Header::parse(&[bytes.as_slice(), &[0]].concat()), Err(HeaderError::Length));
    }
}
