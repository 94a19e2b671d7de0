//! Invitation codes: 16 characters of Crockford's base32 (80 bits), for people to pass on and
//! type; only their keyed hash is kept.

use super::crockford;

/// Characters of a code.
const CODE_LEN: usize = 16;

/// A new code, without separators.
pub(crate) fn generate() -> String {
    crockford::generate::<CODE_LEN>()
}

/// A code as it is shown, in groups of four.
pub(crate) fn display(code: &str) -> String {
    crockford::display(code, 4)
}

/// The code in what somebody typed; `None` when it can't be one.
pub(crate) fn normalise(typed: &str) -> Option<String> {
    crockford::normalise::<CODE_LEN>(typed)
}
