//! Recovery phrases: 16 random bytes as twelve words of the English BIP39 list. The entropy is the
//! key; BIP39's seed function (PBKDF2) is never used.

use bip39::{Language, Mnemonic};
use rand08::{CryptoRng, RngCore};
use zeroize::{Zeroize as _, Zeroizing};

use crate::secret::Phrase;

/// Words of a phrase.
pub const WORDS: usize = 12;

/// Longest text looked at, in bytes: far more than twelve words and the spaces of a letter.
const MAX_TEXT_BYTES: usize = 4096;

/// Why a text is no recovery phrase. No word of it is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// Another number of words.
    #[error("a recovery phrase has {WORDS} words, this one has {found}")]
    WordCount {
        /// Words that there are.
        found: usize,
    },
    /// A word that the list does not have.
    #[error("word {position} is not one that a recovery phrase can have")]
    UnknownWord {
        /// Its place, counted from 1.
        position: usize,
    },
    /// All words are of the list, but they do not belong together.
    #[error("the words are not a recovery phrase: one is wrong or two have changed places")]
    Checksum,
}

/// A fresh phrase.
pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Phrase {
    Phrase::generate(rng)
}

/// The words, in order.
#[expect(clippy::missing_panics_doc, reason = "16 bytes are twelve words of BIP39")]
pub fn words(phrase: &Phrase) -> [&'static str; WORDS] {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, phrase.expose())
        .expect("16 bytes are an entropy of BIP39");
    let mut words = mnemonic.words();
    std::array::from_fn(|_| words.next().expect("16 bytes are twelve words"))
}

/// The words with single spaces between them.
pub fn text(phrase: &Phrase) -> Zeroizing<String> {
    Zeroizing::new(words(phrase).join(" "))
}

/// Reads a phrase as people type it: in any case, with any white space.
#[expect(clippy::missing_panics_doc, reason = "twelve words of BIP39 are 16 bytes")]
pub fn parse(typed: &str) -> Result<Phrase, PhraseError> {
    let found = typed.split_whitespace().take(MAX_TEXT_BYTES).count();
    if found != WORDS || typed.len() > MAX_TEXT_BYTES {
        return Err(PhraseError::WordCount { found });
    }
    let mut text = Zeroizing::new(String::with_capacity(typed.len()));
    for word in typed.split_whitespace() {
        // ASCII case only: the list is ASCII, and other folding could make a word of none.
        text.extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
        text.push(' ');
    }
    let mnemonic =
        Mnemonic::parse_in_normalized(Language::English, &text).map_err(|error| match error {
            bip39::Error::UnknownWord(index) => PhraseError::UnknownWord { position: index + 1 },
            _ => PhraseError::Checksum,
        })?;
    let (mut entropy, length) = mnemonic.to_entropy_array();
    let phrase = Phrase::from_slice(&entropy[..length]).expect("twelve words are 16 bytes");
    entropy.zeroize();
    Ok(phrase)
}

#[cfg(test)]
mod tests {
    use rand08::rngs::OsRng;

    use super::*;

    const ZEROS: &str = "abandon abandon abandon abandon abandon abandon \
                         abandon abandon abandon abandon abandon about";

    /// From the test vectors that BIP39 links to.
    #[test]
    fn agrees_with_bip39() {
        for (byte, expected) in [
            (0x00, ZEROS),
            (0x7f, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
            (
                0x80,
                "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
            ),
            (0xff, "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"),
        ] {
            let phrase = Phrase::init_with(|bytes| bytes.fill(byte));
            assert_eq!(*text(&phrase), expected);
            assert_eq!(parse(expected).expect("a phrase").expose(), &[byte; 16]);
        }
    }

    #[test]
    fn every_phrase_round_trips_as_people_type_it() {
        for _ in 0..64 {
            let phrase = generate(&mut OsRng);
            let typed = format!("\t{}\r\n", words(&phrase).join(" \n ").to_ascii_uppercase());
            assert_eq!(parse(&typed).expect("a phrase").expose(), phrase.expose());
        }
    }

    /// Holds rule 34.
    #[test]
    fn says_which_word_is_wrong_and_never_the_word() {
        assert_eq!(parse("").err(), Some(PhraseError::WordCount { found: 0 }));
        let eleven = ZEROS.rsplit_once(' ').expect("there are spaces").0;
        assert_eq!(parse(eleven).err(), Some(PhraseError::WordCount { found: 11 }));
        let fifteen = format!("{ZEROS} zoo zoo zoo");
        assert_eq!(parse(&fifteen).err(), Some(PhraseError::WordCount { found: 15 }));
        // White space without end is not worked through.
        assert!(parse(&format!("{ZEROS:4096}")).is_ok());
        let error = parse(&format!("{ZEROS:4097}")).err();
        assert_eq!(error, Some(PhraseError::WordCount { found: 12 }));
        let unknown = ZEROS.replacen("abandon", "hunter2", 3).replacen("hunter2", "abandon", 2);
        let error = parse(&unknown).err().expect("no such word");
        assert_eq!(error, PhraseError::UnknownWord { position: 3 });
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert_eq!(parse(&ZEROS.replace("about", "abandon")).err(), Some(PhraseError::Checksum));
        // The Kelvin sign lower-cases to k, but is no k.
        assert!(parse("zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo \u{212a}ey").is_err());
    }
}
