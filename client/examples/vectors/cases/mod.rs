//! All cases, by what they are about.

mod archives;
mod blobs;
mod encodings;
mod keys;
mod listings;
mod objects;
mod records;
mod texts;
mod world;

use std::collections::HashSet;

use super::case::Case;

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let cases: Vec<Case> = [
        encodings::cases(),
        texts::cases(),
        keys::cases(),
        objects::cases(),
        records::cases(),
        archives::cases(),
        blobs::cases(),
        listings::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let files: HashSet<String> = cases.iter().map(Case::file).collect();
    assert_eq!(files.len(), cases.len(), "each case has a file of its own");
    cases
}
