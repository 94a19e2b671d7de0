//! Crockford's base32, for what people pass on and type: invitations and mailed codes.

use rand08::RngCore as _;
use rand08::rngs::OsRng;
use zeroize::Zeroizing;

/// Digits and capital letters without I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// So many random characters, five bits each, without separators.
pub(crate) fn generate(characters: usize) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(vec![0; characters]);
    OsRng.fill_bytes(&mut bytes);
    // 32 divides 256, so every character is equally likely.
    Zeroizing::new(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// A code as it is shown, in groups of so many characters.
pub(crate) fn display(code: &str, group: usize) -> String {
    let groups: Vec<_> = code.as_bytes().chunks(group).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

/// The code of so many characters in what somebody typed: separators dropped, case folded,
/// look-alikes read as Crockford reads them. `None` when it can't be one.
pub(crate) fn normalise(typed: &str, characters: usize) -> Option<Zeroizing<String>> {
    if typed.len() > 4 * characters {
        return None;
    }
    // As long as it can get, so that it does not move while it grows.
    let mut code = Zeroizing::new(String::with_capacity(4 * characters));
    for char in typed.chars().filter(|char| !matches!(char, '-' | ' ')) {
        code.push(match char.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            upper => {
                u8::try_from(upper).ok().filter(|byte| ALPHABET.contains(byte)).map(char::from)?
            }
        });
    }
    (code.len() == characters).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_the_alphabet_is_drawn() {
        // That one of 32 is missing among 16,000 would be another generator's doing.
        let codes: String = (0..1000).map(|_| generate(16).to_string()).collect();
        for letter in ALPHABET {
            assert!(codes.contains(char::from(*letter)), "{}", char::from(*letter));
        }
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        for (characters, group) in [(16, 4), (10, 5)] {
            let code = generate(characters);
            assert_eq!(code.len(), characters);
            assert!(code != generate(characters));
            let shown = display(&code, group);
            let read = |typed: &str| normalise(typed, characters);
            assert_eq!(shown.len(), characters + (characters - 1) / group);
            assert!(read(&shown).is_some_and(|read| read == code));
            assert!(read(&shown.to_lowercase().replace('-', " ")).is_some_and(|read| read == code));
            let hyphens = "-".repeat(3 * characters);
            assert!(read(&format!("{}{hyphens}", *code)).is_some(), "as long as is looked at");
            assert!(read(&format!("{}{hyphens}-", *code)).is_none());
        }
        let read = |typed: &str| normalise(typed, 16).map(|code| code.to_string());
        assert_eq!(read("oOiIlL0123456789"), Some("0011110123456789".to_owned()));
        for bad in ["", "0123", "0123456789ABCDEFG", "0123456789ABCDEU", "0123456789ABCDEÉ"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
