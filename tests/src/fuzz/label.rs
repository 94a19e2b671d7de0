//! Takes bytes as a label's JSON under a right seal. What opens as a label keeps every rule of
//! FORMAT.md section 6.4, and seals again to the same label.

use super::records;
use super::world::Sealed;

/// Runs one input.
pub fn run(data: &[u8]) -> bool {
    records::takes(Sealed::Label, data)
}
