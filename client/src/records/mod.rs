//! The JSON inside sealed objects: what may stand in it, and how each is sealed and opened. A value
//! of these types has been checked; what breaks a rule of FORMAT.md does not parse.

mod device;
mod digest;
mod index;
mod json;
mod keyring;
mod label;
mod local_state;
mod name;
mod parcel;
pub mod slot;
mod unknown;

#[cfg(test)]
mod swaps;

use keybackup_protocol::KeyId;

pub use device::DeviceRecord;
pub use digest::{Digest, HeaderBytes};
pub use index::{Index, IndexEntry, IndexError};
pub use keyring::{KeyEntry, KeyState, Keyring, KeyringError};
#[cfg(test)]
pub(crate) use label::tests as labels;
pub use label::{Content, Kind, Label, OpenedLabel, Superseded};
pub use local_state::{Base, LocalState, Mark};
pub use name::{Name, NameError, Nickname};
pub use parcel::Parcel;

use crate::seal::{OpenError, SealError};

/// The rules of index and keyring that this program knows how to keep when it rewrites them.
pub const WRITER: u32 = 1;

/// Largest integer in a record: what a double holds exactly, so that every JSON reader agrees.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A sealed record, and the hash that other records name it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// The sealed object.
    pub bytes: Vec<u8>,
    /// Its BLAKE3.
    pub hash: Digest,
}

impl SealedRecord {
    fn new(bytes: Vec<u8>) -> Self {
        let hash = Digest::of(&bytes);
        Self { bytes, hash }
    }
}

/// Why a record did not open or was not sealed. Nothing of its content is in here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The sealed object does not open.
    #[error("the sealed object does not open")]
    Open(#[from] OpenError),
    /// The record can't be sealed.
    #[error("the record can't be sealed")]
    Seal(#[from] SealError),
    /// Authentic, but not JSON of this record: a newer writer, or a broken one.
    #[error("the record's JSON is not of the expected form (line {line}, column {column})")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Authentic, but what it says breaks a rule of the format.
    #[error("the record breaks a rule of the format: {0}")]
    Rule(Rule),
    /// The keyring does not hold the key that sealed it.
    #[error("the keyring has no key {0}")]
    UnknownKey(KeyId),
    /// Sealed under a key that no longer seals this.
    #[error("the record is sealed under key {0}, which is retired")]
    RetiredKey(KeyId),
    /// Only newer programs may rewrite it.
    #[error(
        "a newer program is needed to change this account (rules {needed}, known here {WRITER})"
    )]
    MinWriter {
        /// Rules that a writer must know.
        needed: u32,
    },
}

impl From<Rule> for RecordError {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

/// Rules that a record can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// Versions, counters and floors are 1 or more, and no integer or time is further from 0 than
    /// 2⁵³ − 1.
    #[error("an integer is out of range")]
    Range,
    /// The version inside must be the one that the object is bound to.
    #[error("the version inside is another than outside")]
    Version,
    /// A label that says removed has no content, and every other has.
    #[error("a tombstone with content, or a label without")]
    Tombstone,
    /// The content version is the label's own or an older one.
    #[error("the content version is not one that a label can have")]
    ContentVersion,
    /// The header in a label is of its account, persona, kind and content version.
    #[error("the blob's header belongs to another label")]
    Header,
    /// The blob has the length that its zip's length gives.
    #[error("the sizes of blob and zip do not belong together")]
    Sizes,
    /// Only a persona's version 1 has no predecessor; and it has none.
    #[error("the label's predecessor is missing, or version 1 has one")]
    Previous,
    /// Superseded versions are below the label's own, and at most 64.
    #[error("the superseded versions are not below the label's own, or too many")]
    Supersedes,
    /// A text is longer than it may be, or has control characters.
    #[error("a text is too long or has control characters")]
    Text,
    /// Ids of objects and keys occur once.
    #[error("an id occurs twice")]
    DuplicateId,
    /// Names of what is not removed occur once.
    #[error("a name occurs twice")]
    DuplicateName,
    /// One key of a keyring is active.
    #[error("a keyring has other than one active key")]
    ActiveKeys,
    /// Key ids are not zero.
    #[error("a vault key has the id that means none")]
    KeyId,
    /// More objects or keys than there may be.
    #[error("there are too many entries")]
    TooMany,
}

/// Checks that a time is one that every reader of JSON can hold.
fn moment(unix_seconds: i64) -> Result<(), Rule> {
    if unix_seconds.unsigned_abs() <= MAX_INTEGER { Ok(()) } else { Err(Rule::Range) }
}

/// Checks that a version, counter or floor is one.
fn ordinal(value: u64) -> Result<(), Rule> {
    if (1..=MAX_INTEGER).contains(&value) { Ok(()) } else { Err(Rule::Range) }
}
