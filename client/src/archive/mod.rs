//! Directory ↔ zip: walks a tree and fingerprints it, packs it into the zip of `FORMAT.md`, audits
//! a zip before one byte is extracted, unpacks it through directory handles, and puts the result
//! in place whole or not at all.
//!
//! Nothing here knows keys, network, environment or terminal. Errors print names with their
//! control characters escaped, so that their texts may reach a terminal.
//!
//! The way of a push: [`walk()`] → [`fingerprint()`] → [`pack()`]. The way of a pull: [`audit()`] →
//! [`Placement::prepare`] → [`unpack()`] → compare the [`Summary`] with the label →
//! [`Placement::commit`]. The way of an import: [`audit()`] → [`repack()`].
//!
//! # Invariants
//! * No symbolic link is followed below the root of a tree, in either direction ([`Dir`]).
//! * What was audited is what is extracted: [`unpack()`] reads the positions that [`audit()`]
//!   checked, and no second parser sees the zip.
//! * Equal trees make equal bytes (with one build of zstd).

pub mod audit;
mod compress;
mod content;
mod crew;
mod dir;
mod durable;
pub mod entry;
pub mod exclude;
pub mod export;
pub mod fingerprint;
pub mod names;
pub mod pack;
mod packer;
mod paths;
pub mod place;
pub mod plan;
pub mod repack;
pub mod sibling;
pub mod single;
mod source;
pub mod stat_cache;
pub mod time;
pub mod unpack;
pub mod walk;
mod zip;

#[cfg(test)]
mod bad_archives;
#[cfg(test)]
mod foreign_archives;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod testing;

pub use audit::{AuditError, Audited, Limits, Policy, audit, audit_ours};
pub use content::{ContentError, Damage};
pub use crew::Watch;
pub use dir::{Dir, Special};
pub use entry::{Item, Kind, Summary};
pub use exclude::{ExcludeError, Excludes};
pub use export::{ExportError, export};
pub use fingerprint::{FingerprintError, Fingerprinted, fingerprint};
pub use names::{Destination, NameError};
pub use pack::{Changes, PackError, Packed, pack};
pub use paths::Paths;
pub use place::{PlaceError, Placement, is_aside};
pub use plan::Plan;
pub use repack::{RepackError, repack, small_content};
pub use sibling::{remove, sweep};
pub use single::{Listed, SingleError, copy_entry, entries, items};
pub use stat_cache::StatCache;
pub use time::Ticks;
pub use unpack::{UnpackError, unpack, verify};
pub use walk::{Entry, Skipped, Walk, WalkError, walk};
