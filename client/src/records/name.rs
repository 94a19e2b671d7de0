//! Names of personas and devices, and nicknames: text that other devices will show and use as a
//! directory's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name or nickname, in bytes: what file systems take.
const MAX_BYTES: usize = 255;

/// In the names of what a restore leaves beside a directory: unfinished, or set aside. A persona
/// of such a name would be taken for that, and swept or passed over.
const RESERVED: &str = ".keybackup-";

/// A name: 1 to 255 bytes, no control characters, no `/`, neither `.` nor `..`, and without
/// `.keybackup-` in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text can't be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing.
    #[error("a name has at least one character")]
    Empty,
    /// More than 255 bytes.
    #[error("a name has at most {MAX_BYTES} bytes")]
    TooLong,
    /// A control character, which could steer a terminal.
    #[error("a name has no control characters")]
    Control,
    /// A slash.
    #[error("a name has no slash")]
    Slash,
    /// `.` or `..`.
    #[error("a name is neither . nor ..")]
    Dots,
    /// `.keybackup-`, which marks what a restore leaves.
    #[error("a name has no {RESERVED} in it: that is for what a restore leaves")]
    Reserved,
}

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same with a number behind it, cut so that it fits.
    #[must_use]
    pub fn numbered(&self, number: u64) -> Self {
        let behind = format!(" ({number})");
        let end = self.0.floor_char_boundary(MAX_BYTES - behind.len());
        Self(format!("{}{behind}", &self.0[..end]))
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        match text.as_str() {
            "" => Err(NameError::Empty),
            "." | ".." => Err(NameError::Dots),
            name if name.len() > MAX_BYTES => Err(NameError::TooLong),
            name if name.contains('/') => Err(NameError::Slash),
            name if name.chars().any(char::is_control) => Err(NameError::Control),
            name if name.contains(RESERVED) => Err(NameError::Reserved),
            _ => Ok(Self(text)),
        }
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a persona calls itself: 1 to 255 bytes, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nickname(String);

/// A text can't be a nickname.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nickname has 1 to {MAX_BYTES} bytes and no control characters")]
pub struct NicknameError;

impl Nickname {
    /// The text, without control characters and cut to fit; none if nothing is left.
    pub fn tidy(text: &str) -> Option<Self> {
        let mut tidy: String = text.chars().filter(|letter| !letter.is_control()).collect();
        tidy.truncate(tidy.floor_char_boundary(MAX_BYTES));
        Self::try_from(tidy).ok()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Nickname {
    type Error = NicknameError;

    fn try_from(text: String) -> Result<Self, NicknameError> {
        let fits = (1..=MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text)) } else { Err(NicknameError) }
    }
}

impl From<Nickname> for String {
    fn from(nickname: Nickname) -> Self {
        nickname.0
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rules 18 and 21.
    #[test]
    fn names_can_be_directories() {
        for good in ["a", ".hidden", "...", ".keybackupignore", "Büro ☎", &"n".repeat(255)] {
            let name = good.parse::<Name>().expect("a name");
            assert_eq!((name.as_str(), &*name.to_string()), (good, good));
        }
        for (bad, error) in [
            ("", NameError::Empty),
            (".", NameError::Dots),
            ("..", NameError::Dots),
            ("a/b", NameError::Slash),
            ("a\0b", NameError::Control),
            ("a\u{1b}[2J", NameError::Control),
            ("a\u{9b}b", NameError::Control),
            (&"n".repeat(256), NameError::TooLong),
            (".x.keybackup-0123456789abcdef", NameError::Reserved),
            ("x.keybackup-old-20260101-000000", NameError::Reserved),
        ] {
            assert_eq!(bad.parse::<Name>(), Err(error), "{bad:?}");
        }
        assert!(serde_json::from_str::<Name>("\"..\"").is_err(), "JSON obeys the same rules");
    }

    #[test]
    fn a_numbered_name_is_one() {
        let numbered = |text: &str, number| text.parse::<Name>().expect("a name").numbered(number);
        assert_eq!(numbered("work", 2).as_str(), "work (2)");
        let long = numbered(&"ü".repeat(127), 10);
        assert_eq!(long.as_str(), format!("{} (10)", "ü".repeat(125)));
        assert_eq!(long.as_str().parse(), Ok(long));
    }

    #[test]
    fn nicknames_are_made_to_fit() {
        let tidy = |text: &str| Nickname::tidy(text).map(String::from);
        assert_eq!(tidy("Ali\u{7}ce\n").as_deref(), Some("Alice"));
        assert_eq!(tidy("\n"), None);
        let alice = Nickname::tidy("Alice").expect("a nickname");
        assert_eq!((alice.as_str(), &*alice.to_string()), ("Alice", "Alice"));
        assert_eq!(tidy(&"ü".repeat(200)), Some("ü".repeat(127)));
        assert!(serde_json::from_str::<Nickname>("\"\"").is_err());
        assert!(serde_json::from_str::<Nickname>("\"a\\u0007\"").is_err());
    }
}
