//! Why a zip is refused.

use std::io;

use super::super::names::NameError;

/// Why a zip is refused. Nothing of it has been written anywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It couldn't be read; of a sealed one, perhaps because it isn't authentic.
    #[error("can't read the archive")]
    Read(#[from] io::Error),
    /// It doesn't end as a zip does: cut short, continued, or no zip.
    #[error("the archive does not end as a zip does")]
    NoEnd,
    /// More than one place could be its end.
    #[error("the archive has two ends")]
    Ambiguous,
    /// It has parts in other files.
    #[error("the archive is one of several parts")]
    Parts,
    /// The central directory doesn't lie right before the end, or is damaged.
    #[error("the archive's table of contents is damaged")]
    Directory,
    /// The end tells another number of entries than there are.
    #[error("the archive declares {declared} entries and lists {listed}")]
    Count {
        /// By the end.
        declared: u64,
        /// By the central directory.
        listed: u64,
    },
    /// More entries than allowed.
    #[error("the archive holds {count} entries, more than {limit}")]
    TooManyEntries {
        /// How many.
        count: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// All files together are larger than allowed.
    #[error("the archive unpacks to {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Sum of the declared sizes.
        bytes: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// There are bytes between the entries or around them that belong to none.
    #[error("the archive holds bytes that belong to no entry, before byte {before}")]
    Gap {
        /// Where the next entry or the table of contents begins.
        before: u64,
    },
    /// An entry has a name that can't be used.
    #[error("the archive's entry {0}")]
    Name(#[from] NameError),
    /// Something is wrong with an entry.
    #[error("the archive's entry {path:?} {problem}")]
    Entry {
        /// The entry's path.
        path: String,
        /// What is wrong.
        problem: EntryProblem,
    },
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProblem {
    /// It is encrypted by zip's own means.
    #[error("is encrypted")]
    Encrypted,
    /// It has flags that aren't known.
    #[error("has unknown flags {0:#06x}")]
    Flags(u16),
    /// It is compressed in a way that isn't known, or not used here.
    #[error("is compressed by method {0}")]
    Method(u16),
    /// It is a symbolic link, device, or something else that is neither file nor directory; or
    /// its name says the one and its mode the other.
    #[error("is neither a file nor a directory (mode {0:o})")]
    Kind(u32),
    /// It is setuid, setgid or sticky.
    #[error("has mode {0:o}")]
    SpecialBits(u32),
    /// Another entry has the same path.
    #[error("occurs twice")]
    Duplicate,
    /// An entry lies below it, but it is a file.
    #[error("is a file and a directory at once")]
    FileAsDirectory,
    /// The directory that it lies in isn't listed.
    #[error("lies in a directory that is not listed")]
    MissingParent,
    /// It stands out of order.
    #[error("is out of order")]
    Unsorted,
    /// It shares bytes with another entry or the table of contents.
    #[error("overlaps something else")]
    Overlap,
    /// Its local header contradicts the table of contents.
    #[error("is described in two ways")]
    LocalHeader,
    /// An extra field of it is damaged.
    #[error("has a damaged extra field")]
    Extra,
    /// Its sizes can't be true.
    #[error("has impossible sizes")]
    Sizes,
    /// It is larger than allowed.
    #[error("unpacks to {size} bytes, more than {limit}")]
    TooLarge {
        /// Its declared size.
        size: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// It isn't written as this program writes.
    #[error("is not written as keybackup writes")]
    NotOurs,
}

impl AuditError {
    pub(super) fn entry(path: &str, problem: EntryProblem) -> Self {
        Self::Entry { path: path.to_owned(), problem }
    }
}
