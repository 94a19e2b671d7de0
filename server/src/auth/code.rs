//! Mailed codes: 10 characters of Crockford's base32 (50 bits), good for one purpose and one
//! address, a quarter of an hour and five tries; only a keyed hash is kept. What undoes a change of
//! the address is mailed once and holds for days, so that nobody may end it by guessing: it has 25
//! characters (125 bits), and any number of tries.

use super::crockford;
use crate::keyfile::ServerKey;
use crate::store::{AddressTag, CodePurpose, CodeTag};

/// Characters of a code that holds for minutes.
const CODE_LEN: usize = 10;
/// Characters of one that holds for days.
const LONG_LEN: usize = 25;

/// A new code, without separators.
pub(crate) fn generate(purpose: CodePurpose) -> String {
    match purpose {
        CodePurpose::Reset | CodePurpose::Confirm => crockford::generate::<CODE_LEN>(),
        CodePurpose::UndoAddress => crockford::generate::<LONG_LEN>(),
    }
}

/// A code as it is shown, in groups of five.
pub(crate) fn display(code: &str) -> String {
    crockford::display(code, 5)
}

/// The code in what somebody typed; `None` when it can't be one.
pub(crate) fn normalise(purpose: CodePurpose, typed: &str) -> Option<String> {
    match purpose {
        CodePurpose::Reset | CodePurpose::Confirm => crockford::normalise::<CODE_LEN>(typed),
        CodePurpose::UndoAddress => crockford::normalise::<LONG_LEN>(typed),
    }
}

/// What is kept of what somebody typed. What can't be a code has a tag, too, which is none's: it is
/// refused, and counted, like a wrong one.
pub(crate) fn tag(
    key: &ServerKey,
    purpose: CodePurpose,
    address: AddressTag,
    typed: &str,
) -> CodeTag {
    let code = normalise(purpose, typed).unwrap_or_default();
    key.code_tag(purpose, address, code.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 27.
    #[test]
    fn a_tag_is_of_one_code_one_purpose_and_one_address() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = ServerKey::open_or_create(dir.path(), None).expect("makes a key");
        let (purpose, address) = (CodePurpose::Reset, AddressTag([1; 32]));
        let code = generate(purpose);
        let of = |purpose, address, typed: &str| tag(&key, purpose, address, typed).0;
        let right = of(purpose, address, &code);
        assert_eq!(right, of(purpose, address, &display(&code).to_lowercase()));
        assert_ne!(right, of(CodePurpose::Confirm, address, &code));
        assert_ne!(right, of(purpose, AddressTag([2; 32]), &code));
        assert_ne!(right, of(purpose, address, &generate(purpose)));
        assert_eq!(generate(CodePurpose::UndoAddress).len(), 25);
        for none in ["", "no code", &code[1..]] {
            assert_ne!(right, of(purpose, address, none));
        }
    }
}
