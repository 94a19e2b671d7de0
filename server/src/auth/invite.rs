//! Invitation codes: 16 characters of Crockford's base32 (80 bits), for people to pass on and
//! type; only their keyed hash is kept.

use rand08::RngCore as _;
use rand08::rngs::OsRng;

/// Digits and capital letters without I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code.
const CODE_LEN: usize = 16;

/// A new code, without separators.
pub(crate) fn generate() -> String {
    let mut bytes = [0; CODE_LEN];
    OsRng.fill_bytes(&mut bytes);
    // 32 divides 256, so every character is equally likely.
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// A code as it is shown, in groups of four.
pub(crate) fn display(code: &str) -> String {
    let groups: Vec<_> = code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

/// The code in what somebody typed: separators dropped, case folded, look-alikes read as
/// Crockford reads them. `None` when it can't be one.
pub(crate) fn normalise(typed: &str) -> Option<String> {
    if typed.len() > 4 * CODE_LEN {
        return None;
    }
    let code: Option<String> = typed
        .chars()
        .filter(|char| !matches!(char, '-' | ' '))
        .map(|char| match char.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            upper => {
                u8::try_from(upper).ok().filter(|byte| ALPHABET.contains(byte)).map(char::from)
            }
        })
        .collect();
    code.filter(|code| code.len() == CODE_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_the_alphabet_is_drawn() {
        // That one of 32 is missing among 16,000 would be another generator's doing.
        let codes: String = (0..1000).map(|_| generate()).collect();
        for letter in ALPHABET {
            assert!(codes.contains(char::from(*letter)), "{}", char::from(*letter));
        }
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        let code = generate();
        assert_eq!(code.len(), CODE_LEN);
        assert_ne!(code, generate());
        let shown = display(&code);
        assert_eq!(shown.len(), CODE_LEN + 3);
        assert_eq!(normalise(&shown), Some(code.clone()));
        assert_eq!(normalise(&shown.to_lowercase().replace('-', " ")), Some(code.clone()));
        assert_eq!(normalise("oOiIlL0123456789"), Some("0011110123456789".to_owned()));
        let hyphens = "-".repeat(3 * CODE_LEN);
        assert!(normalise(&format!("{code}{hyphens}")).is_some(), "as long as is looked at");
        assert_eq!(normalise(&format!("{code}{hyphens}-")), None);
        for bad in ["", "0123", "0123456789ABCDEFG", "0123456789ABCDEU", "0123456789ABCDEÉ"] {
            assert_eq!(normalise(bad), None, "{bad}");
        }
    }
}
