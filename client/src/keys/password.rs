//! Passwords before OPAQUE: RFC 8265's `OpaqueString` with Unicode 18, and the binding of a
//! password to its account.

use keybackup_protocol::put_lp;
use sha2::{Digest as _, Sha512};
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use zeroize::Zeroizing;

use crate::secret::{DerivedKey, Password, PreparedPassword};

/// Longest password taken, in bytes of UTF-8.
pub const MAX_PASSWORD_BYTES: usize = 4096;

/// NFC makes UTF-8 at most three times as long (UAX 15, section 12).
const NFC_GROWTH: usize = 3;

/// Why a password is not taken. Nothing of the password is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreparationError {
    /// No characters.
    #[error("the password is empty")]
    Empty,
    /// Longer than [`MAX_PASSWORD_BYTES`].
    #[error("the password is longer than {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// A control, an invisible format character, or a code point that Unicode 18 does not assign.
    #[error("character {position} of the password is a control or has no assigned meaning")]
    Forbidden {
        /// Its place, counted in characters from 1, after normalisation.
        position: usize,
    },
}

/// Brings a password to the one form that every device derives the same bytes from.
///
/// RFC 8265 section 4.2: spaces other than U+0020 become U+0020, then NFC; then the empty string
/// is refused, and what RFC 8264's `FreeformClass` refuses: controls, unassigned and private code
/// points, line and paragraph separators, format characters. Of the last, U+200C and U+200D are
/// kept, without RFC 5892's rules of context, since emoji and several scripts are typed with them.
/// Case and the rest are left alone.
pub fn prepare(password: &Password) -> Result<PreparedPassword, PreparationError> {
    let typed = password.expose();
    if typed.len() > MAX_PASSWORD_BYTES {
        return Err(PreparationError::TooLong);
    }
    // Room for the longest outcome, so that growing leaves no copy behind.
    let mut prepared = Zeroizing::new(String::with_capacity(NFC_GROWTH * typed.len()));
    prepared.extend(typed.chars().map(map_space).nfc());
    if prepared.is_empty() {
        return Err(PreparationError::Empty);
    }
    if let Some(index) = prepared.chars().position(is_forbidden) {
        return Err(PreparationError::Forbidden { position: index + 1 });
    }
    Ok(PreparedPassword::from_prepared(prepared))
}

fn map_space(character: char) -> char {
    match character.general_category() {
        GeneralCategory::SpaceSeparator => ' ',
        _ => character,
    }
}

fn is_forbidden(character: char) -> bool {
    const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
    const ZERO_WIDTH_JOINER: char = '\u{200d}';
    match character.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Unassigned
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator => true,
        GeneralCategory::Format => !matches!(character, ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER),
        _ => false,
    }
}

/// The input of OPAQUE: SHA-512(context ‖ lp(identity) ‖ lp(prepared password)). A server that
/// used one OPRF key for everybody could otherwise make one table for all accounts.
pub fn opaque_input(
    context: &[u8],
    identity: &[u8],
    password: &PreparedPassword,
) -> DerivedKey<64> {
    let password = password.expose().as_bytes();
    let length = context.len() + 4 + identity.len() + 4 + password.len();
    let mut preimage = Zeroizing::new(Vec::with_capacity(length));
    preimage.extend_from_slice(context);
    put_lp(&mut preimage, identity);
    put_lp(&mut preimage, password);
    debug_assert_eq!(preimage.len(), length, "room for all of it, so that it never moved");
    DerivedKey::init_with(|out| Sha512::new_with_prefix(&*preimage).finalize_into(out.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(text: &str) -> Result<String, PreparationError> {
        prepare(&Password::new(text.to_owned())).map(|password| password.expose().to_owned())
    }

    /// Another table is another password for somebody: a new suite, not an update.
    #[test]
    fn unicode_is_that_of_suite_1() {
        assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0));
        assert_eq!(unicode_properties::UNICODE_VERSION, (18, 0, 0));
    }

    #[test]
    fn normalises_as_rfc_8265_says() {
        for (typed, expected) in [
            ("correct horse battery staple", "correct horse battery staple"),
            ("Correct Horse", "Correct Horse"),
            ("πßå", "πßå"),
            ("Jack of ♦s", "Jack of ♦s"),
            ("foo\u{1680}bar", "foo bar"), // Ogham space mark, RFC 8265 table 4
            ("a\u{a0}\u{3000}b", "a  b"),
            ("u\u{308}", "ü"),
            ("\u{212b}", "å".to_uppercase().as_str()), // Ångström sign
            ("ﬁ", "ﬁ"),                                // NFC, not NFKC
            ("👩\u{200d}🔧", "👩\u{200d}🔧"),
            (" ", " "),
        ] {
            assert_eq!(prepared(typed).as_deref(), Ok(expected), "{typed:?}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_typed_again() {
        assert_eq!(prepared(""), Err(PreparationError::Empty));
        assert_eq!(prepared(&"a".repeat(4097)), Err(PreparationError::TooLong));
        for bad in
            ['\0', '\t', '\n', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{feff}', '\u{ad}']
        {
            let expected = Err(PreparationError::Forbidden { position: 3 });
            assert_eq!(prepared(&format!("ab{bad}")), expected, "{bad:?}");
        }
        for bad in ['\u{e000}', '\u{378}', '\u{fdd0}', '\u{10ffff}', '\u{e0001}'] {
            let expected = Err(PreparationError::Forbidden { position: 1 });
            assert_eq!(prepared(&bad.to_string()), expected, "{bad:?}");
        }
    }

    #[test]
    fn the_room_set_aside_holds_the_longest_outcome() {
        let longest = "\u{1d160}".repeat(MAX_PASSWORD_BYTES / 4);
        let password = prepared(&longest).expect("a musical symbol is assigned");
        assert_eq!(password.len(), NFC_GROWTH * MAX_PASSWORD_BYTES);
    }

    /// Holds rules 6 and 26.
    #[test]
    fn the_input_depends_on_context_and_account() {
        let password = prepare(&Password::new("secret".into())).expect("it can be prepared");
        let base = opaque_input(b"context", b"identity", &password);
        let expected = Sha512::digest(b"context\0\0\0\x08identity\0\0\0\x06secret");
        assert_eq!(base.expose()[..], expected[..]);
        for (context, identity) in [(&b"contextX"[..], &b"identity"[..]), (b"context", b"other")] {
            assert_ne!(opaque_input(context, identity, &password).expose(), base.expose());
        }
    }
}
