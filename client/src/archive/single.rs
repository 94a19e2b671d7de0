//! Looks into one of our zips by random access: lists it, reads one entry, hashes all. Nothing is
//! written but what the caller writes.

use std::io::{self, Read, Seek, Write};

use super::audit::{self, AuditError, Limits, Policy, Record, audit};
use super::content::{ContentError, Decoder};
use super::entry::{Item, Kind};
use super::time::Ticks;
use super::unpack::{UnpackError, hashed};

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path, without a final slash.
    pub path: String,
    /// File or directory.
    pub kind: Kind,
    /// Size in bytes, 0 for a directory.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Time of the last modification.
    pub mtime: Ticks,
}

/// Why an archive couldn't be looked into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SingleError {
    /// The archive is refused.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The content couldn't be had.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The contents couldn't be hashed.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// There is no such entry.
    #[error("the archive has no entry {0:?}")]
    NotFound(String),
    /// The entry has no content.
    #[error("{0:?} is a directory")]
    IsDirectory(String),
    /// No memory for a decompressor.
    #[error("can't start decompressing")]
    Start(#[source] io::Error),
}

/// All entries, in ascending order of their paths' bytes. Reads only the table of contents.
pub fn entries<R: Read + Seek>(reader: &mut R) -> Result<Vec<Listed>, SingleError> {
    let list = |record: Record| {
        let Record { path, kind, mode, mtime, placed, .. } = record;
        Listed { path, kind, size: placed.size, mode, mtime }
    };
    Ok(audit::contents(reader)?.records.into_iter().map(list).collect())
}

/// Writes the content of the file at `path` to `out`; returns its length in bytes. Reads the
/// table of contents and that entry. What is written before an error is a true beginning of the
/// content only if `reader` authenticates.
pub fn copy_entry<R: Read + Seek>(
    reader: &mut R,
    path: &str,
    out: &mut dyn Write,
) -> Result<u64, SingleError> {
    let contents = audit::contents(reader)?;
    let record = contents.find(path).ok_or_else(|| SingleError::NotFound(path.to_owned()))?;
    if record.kind == Kind::Directory {
        return Err(SingleError::IsDirectory(path.to_owned()));
    }
    audit::check_local(reader, record)?;
    let mut decoder = Decoder::new().map_err(SingleError::Start)?;
    decoder.read(reader, record, &mut |bytes| out.write_all(bytes))?;
    Ok(record.placed.size)
}

/// All entries with the hashes of their contents, to compare with a tree's. Reads everything.
pub fn items<R: Read + Seek + Send>(reader: &mut R) -> Result<Vec<Item>, SingleError> {
    let audited = audit(reader, Policy::Ours, &Limits::OURS)?;
    Ok(hashed(reader, &audited)?)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::archive::testing::{Tree, fingerprinted, packed};

    #[test]
    fn lists_copies_and_hashes() {
        let tree = Tree::new().file("a/b", "bee").file("c", "").directory("d");
        let mut zip = Cursor::new(packed(&tree));
        let list = entries(&mut zip).expect("ours");
        let paths: Vec<_> = list.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a", "a/b", "c", "d"]);
        assert_eq!((list[1].size, list[3].kind), (3, Kind::Directory));

        let mut out = Vec::new();
        assert_eq!(copy_entry(&mut zip, "a/b", &mut out).expect("there"), 3);
        assert_eq!(out, b"bee");
        let none = copy_entry(&mut zip, "x", &mut out);
        assert!(matches!(none, Err(SingleError::NotFound(path)) if path == "x"));
        let directory = copy_entry(&mut zip, "d", &mut out);
        assert!(matches!(directory, Err(SingleError::IsDirectory(_))));

        assert_eq!(items(&mut zip).expect("ours"), fingerprinted(&tree).items());
    }
}
