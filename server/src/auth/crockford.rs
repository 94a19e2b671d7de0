//! Codes for people to read and type: Crockford's base32, in which no two characters look alike.

use rand08::RngCore as _;
use rand08::rngs::OsRng;

/// Digits and capital letters without I, L, O, U.
pub(crate) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A random code of so many characters, 5 bits each.
pub(crate) fn generate<const N: usize>() -> String {
    let mut bytes = [0; N];
    OsRng.fill_bytes(&mut bytes);
    // 32 divides 256, so every character is equally likely.
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// A code as it is shown, in groups.
pub(crate) fn display(code: &str, group: usize) -> String {
    let groups: Vec<_> = code.as_bytes().chunks(group).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

/// The code in what somebody typed: separators dropped, case folded, look-alikes read as
/// Crockford reads them. `None` when it can't be one of `N` characters.
pub(crate) fn normalise<const N: usize>(typed: &str) -> Option<String> {
    if typed.len() > 4 * N {
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
    code.filter(|code| code.len() == N)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_the_alphabet_is_drawn() {
        // That one of 32 is missing among 16,000 would be another generator's doing.
        let codes: String = (0..1000).map(|_| generate::<16>()).collect();
        for letter in ALPHABET {
            assert!(codes.contains(char::from(*letter)), "{}", char::from(*letter));
        }
    }

    /// Holds rule 27.
    #[test]
    fn what_is_shown_can_be_typed() {
        let code = generate::<16>();
        assert_eq!(code.len(), 16);
        assert_ne!(code, generate::<16>());
        let shown = display(&code, 4);
        assert_eq!(shown.len(), 16 + 3);
        assert_eq!(normalise::<16>(&shown), Some(code.clone()));
        assert_eq!(normalise::<16>(&shown.to_lowercase().replace('-', " ")), Some(code.clone()));
        assert_eq!(normalise::<16>("oOiIlL0123456789"), Some("0011110123456789".to_owned()));
        assert_eq!(normalise::<10>(&shown), None, "of another length");
        let hyphens = "-".repeat(3 * 16);
        assert!(normalise::<16>(&format!("{code}{hyphens}")).is_some(), "as long as is looked at");
        assert_eq!(normalise::<16>(&format!("{code}{hyphens}-")), None);
        for bad in ["", "0123", "0123456789ABCDEFG", "0123456789ABCDEU", "0123456789ABCDEÉ"] {
            assert_eq!(normalise::<16>(bad), None, "{bad}");
        }
    }
}
