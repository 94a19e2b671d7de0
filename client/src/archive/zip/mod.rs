//! The bytes of a zip (PKWARE's APPNOTE 6.3.10; sections are named as 4.3.7 and so on): one
//! definition of each header, used for writing and, by comparison, for auditing.
//!
//! The zip crate is not used here: it merges entries of one name silently, so an audit beside it
//! would look at another archive than the one that it extracts, and it makes a compression
//! context for every entry.

pub(super) mod headers;
pub(super) mod writer;

use std::io::{self, Read, Seek, SeekFrom};

use super::entry::Kind;
use super::time::Ticks;

/// How an entry's content is kept (4.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// As it is.
    Stored,
    /// Deflate; only in zips of others and in exports.
    Deflate,
    /// One Zstandard frame.
    Zstd,
}

impl Method {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflate => 8,
            Self::Zstd => 93,
        }
    }

    pub(super) const fn from_code(code: u16) -> Option<Self> {
        match code {
            0 => Some(Self::Stored),
            8 => Some(Self::Deflate),
            93 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// All that a zip says of one entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta<'a> {
    /// Without the slash that directories' names end in.
    pub(super) path: &'a str,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) mtime: Ticks,
    pub(super) placed: Placed,
}

/// Where and how an entry's content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) method: Method,
    pub(super) crc: u32,
    pub(super) size: u64,
    pub(super) compressed: u64,
    /// Position of the local header.
    pub(super) header: u64,
}

impl Placed {
    pub(super) const EMPTY: Self =
        Self { method: Method::Stored, crc: 0, size: 0, compressed: 0, header: 0 };
}

/// Reads `length` bytes at `position`.
pub(super) fn read_at<R: Read + Seek>(
    reader: &mut R,
    position: u64,
    length: usize,
) -> io::Result<Vec<u8>> {
    reader.seek(SeekFrom::Start(position))?;
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Takes little-endian fields from the front of a slice.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
