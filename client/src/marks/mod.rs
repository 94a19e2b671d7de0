//! Marks: a device remembers the highest it has seen of an account and holds every listing against
//! it, so that a server can't roll back, fork, drop or resurrect unnoticed. Pure functions; the
//! caller fetches, and tries a second time before it believes a contradiction.

mod check;
mod contradiction;
mod listing;

pub use check::{ChainNeeded, Contradictions, chains_needed, check, contradictions};
pub use contradiction::{Contradiction, ContradictionKind};
pub use listing::{ListingError, Opened, OpenedPersona, Unopened};
