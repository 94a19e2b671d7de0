//! Checks the whole structure of a zip before one byte is extracted, and tells where its contents
//! lie. What isn't checked here doesn't get past [`super::unpack()`] either, since it reads only
//! what an [`Audited`] says.

mod central;
mod end;
mod error;
mod layout;
mod tree;

use std::io::{Read, Seek};

use super::entry::Kind;
use super::names::{Destination, NameError};
use super::time::Ticks;
use super::zip::headers::Style;
use super::zip::{Meta, Placed};

pub use error::{AuditError, EntryProblem};

/// Whose zip it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// One of [`super::pack()`]'s: every byte outside of contents must be as it writes them.
    Ours,
    /// Anybody's, to import: deflate, other orders, data descriptors, missing modes and parents
    /// are fine; nothing that could hide something is.
    Foreign,
}

/// What a zip may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most files and directories.
    pub entries: u64,
    /// Largest file in bytes.
    pub file_bytes: u64,
    /// Largest sum of all files in bytes.
    pub total_bytes: u64,
}

impl Limits {
    /// For our own zips: what one blob could hold if nothing were compressed, and more.
    pub const OURS: Self = Self {
        entries: super::walk::MAX_ENTRIES as u64,
        file_bytes: 1 << 42,
        total_bytes: 1 << 42,
    };
    /// For zips of others: persona directories are small.
    pub const FOREIGN: Self = Self { entries: 100_000, file_bytes: 1 << 32, total_bytes: 1 << 33 };
}

impl Policy {
    /// The limits that go with it.
    pub const fn limits(self) -> Limits {
        match self {
            Self::Ours => Limits::OURS,
            Self::Foreign => Limits::FOREIGN,
        }
    }
}

/// One entry of an audited zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) mtime: Ticks,
    pub(super) placed: Placed,
    /// Position of the compressed content.
    pub(super) data: u64,
    /// General purpose flags of the central header.
    flags: u16,
}

impl Record {
    pub(super) fn meta(&self) -> Meta<'_> {
        let Self { path, kind, mode, mtime, placed, .. } = self;
        Meta { path, kind: *kind, mode: *mode, mtime: *mtime, placed: *placed }
    }
}

/// A zip's table of contents after the audit: paths valid, unique and sorted by their bytes, each
/// below directories that are listed too, contents side by side and within the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    pub(super) records: Vec<Record>,
    /// Number of files.
    pub files: u64,
    /// Number of directories.
    pub directories: u64,
    /// Sum of the sizes of all files, as declared; unpacking holds them to it.
    pub bytes: u64,
}

/// Audits the zip that all of `reader` is.
pub fn audit<R: Read + Seek>(
    reader: &mut R,
    policy: Policy,
    limits: &Limits,
) -> Result<Audited, AuditError> {
    let (end, records) = table(reader, policy, limits)?;
    let records = match policy {
        Policy::Ours => {
            layout::compare(reader, &records)?;
            records
        }
        Policy::Foreign => {
            let records = layout::trace(reader, records, end.directory)?;
            tree::complete(records, limits)?
        }
    };
    Audited::new(records, limits)
}

/// Audits one of our zips with a thread for each of `readers`, which read the same bytes: of a
/// sealed one, whose entries are small, that opens nearly every chunk.
///
/// # Panics
/// Without any reader.
pub fn audit_ours<R: Read + Seek + Send>(
    readers: &mut [R],
    limits: &Limits,
) -> Result<Audited, AuditError> {
    let (_, records) = table(readers.first_mut().expect("somebody reads"), Policy::Ours, limits)?;
    layout::compare_side_by_side(readers, &records)?;
    Audited::new(records, limits)
}

/// Audits only the central directory of one of our zips: enough to list it, or to read single
/// entries by [`check_local`], without touching the rest.
pub(super) fn contents<R: Read + Seek>(reader: &mut R) -> Result<Audited, AuditError> {
    let limits = Limits::OURS;
    let (_, records) = table(reader, Policy::Ours, &limits)?;
    Audited::new(records, &limits)
}

/// Checks the local header and descriptor of one entry of our zips.
pub(super) fn check_local<R: Read + Seek>(
    reader: &mut R,
    record: &Record,
) -> Result<(), AuditError> {
    layout::compare(reader, std::slice::from_ref(record))
}

fn table<R: Read + Seek>(
    reader: &mut R,
    policy: Policy,
    limits: &Limits,
) -> Result<(end::End, Vec<Record>), AuditError> {
    let end = end::locate(reader, policy)?;
    if end.count > limits.entries {
        return Err(AuditError::TooManyEntries { count: end.count, limit: limits.entries });
    }
    let mut records = central::read(reader, &end, policy)?;
    if policy == Policy::Ours {
        tree::check(&records)?;
        layout::place(&mut records, end.directory)?;
    }
    Ok((end, records))
}

impl Audited {
    fn new(records: Vec<Record>, limits: &Limits) -> Result<Self, AuditError> {
        let mut audited = Self { records, files: 0, directories: 0, bytes: 0 };
        for record in &audited.records {
            let size = record.placed.size;
            if size > limits.file_bytes {
                let problem = EntryProblem::TooLarge { size, limit: limits.file_bytes };
                return Err(AuditError::entry(&record.path, problem));
            }
            match record.kind {
                Kind::File => audited.files += 1,
                Kind::Directory => audited.directories += 1,
            }
            audited.bytes = audited.bytes.saturating_add(size);
        }
        if audited.bytes > limits.total_bytes {
            let (bytes, limit) = (audited.bytes, limits.total_bytes);
            return Err(AuditError::TooLarge { bytes, limit });
        }
        Ok(audited)
    }

    /// Refuses names that `destination` can't hold.
    pub fn check_names(&self, destination: Destination) -> Result<(), NameError> {
        destination.check(self.records.iter().map(|record| record.path.as_str()))
    }

    /// Whether there is an entry at `path`.
    pub fn contains(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    pub(super) fn find(&self, path: &str) -> Option<&Record> {
        let at = self.records.binary_search_by(|record| record.path.as_str().cmp(path)).ok()?;
        self.records.get(at)
    }

    /// The one directory that all other entries lie in, if that is so: whoever zipped a persona
    /// may have zipped the directory or what is in it.
    pub fn single_top(&self) -> Option<&str> {
        let top = self.records.first().filter(|record| record.kind == Kind::Directory)?;
        let is_below = |record: &Record| {
            record.path.strip_prefix(&top.path).is_some_and(|rest| rest.starts_with('/'))
        };
        self.records[1..].iter().all(is_below).then_some(&top.path)
    }

    /// Takes the entries out of the one directory that all lie in, if that is so.
    #[must_use]
    pub fn without_top(mut self) -> Self {
        if let Some(top) = self.single_top().map(str::len) {
            self.records.remove(0);
            self.directories -= 1;
            for record in &mut self.records {
                record.path.drain(..=top);
            }
        }
        self
    }
}

/// Of our zips, the length of what surrounds the contents is known from the name.
fn local_header_bytes(record: &Record) -> u64 {
    record.meta().local_header(Style::Sealed).len() as u64
}
