//! Mailed codes: 10 characters of Crockford's base32 (50 bits), good for minutes and a few tries;
//! only their keyed hash is kept.

use zeroize::Zeroizing;

use super::crockford;

/// Characters of a code.
const CODE_LEN: usize = 10;

/// A new code, without separators.
#[expect(dead_code, reason = "the worker will use it")]
pub(crate) fn generate() -> Zeroizing<String> {
    crockford::generate(CODE_LEN)
}

/// A code as it is shown, in two groups.
pub(crate) fn display(code: &str) -> String {
    crockford::display(code, 5)
}

/// The code in what somebody typed; `None` when it can't be one.
pub(crate) fn normalise(typed: &str) -> Option<Zeroizing<String>> {
    crockford::normalise(typed, CODE_LEN)
}
