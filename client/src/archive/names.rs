//! The one validator of entry names: it serves push and pull, so that nothing is pushed that
//! can't come back.

use std::collections::HashMap;

/// Longest path of an entry in bytes.
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest component of a path in bytes: what ext4, XFS, APFS and NTFS hold, or less.
pub const MAX_COMPONENT_BYTES: usize = 255;
/// Most components of a path.
pub const MAX_DEPTH: usize = 64;

/// An entry's name that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} {problem}")]
pub struct NameError {
    /// The name; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// Why it is refused.
    pub problem: NameProblem,
}

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// No name at all.
    #[error("is empty")]
    Empty,
    /// Bytes that are not UTF-8.
    #[error("is not valid UTF-8")]
    NotUtf8,
    /// It begins with `/` or a drive letter.
    #[error("is absolute")]
    Absolute,
    /// A NUL or another control character (Unicode category Cc).
    #[error("holds a control character")]
    Control,
    /// A component `.`, `..`, or nothing between two slashes.
    #[error("has an empty, `.` or `..` component")]
    Component,
    /// A component beyond [`MAX_COMPONENT_BYTES`].
    #[error("has a component of more than {MAX_COMPONENT_BYTES} bytes")]
    ComponentTooLong,
    /// Beyond [`MAX_PATH_BYTES`].
    #[error("is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// Beyond [`MAX_DEPTH`].
    #[error("lies deeper than {MAX_DEPTH} directories")]
    TooDeep,
    /// The destination reserves it or one of its characters.
    #[error("can't be a file's name at the destination")]
    Reserved,
    /// The destination can't tell it from another entry.
    #[error("is the same as {other:?} at the destination")]
    SameAs {
        /// The other entry.
        other: String,
    },
}

/// The path that `bytes` are, if every destination could be asked to hold it: relative,
/// `/`-separated UTF-8 without a final slash, no control characters, no `.`, `..` or empty
/// components, within the limits of length and depth.
pub fn validate(bytes: &[u8]) -> Result<&str, NameError> {
    let refuse = |problem| {
        // A hostile name may be long; its beginning is enough to find it by.
        let shown = &bytes[..bytes.len().min(MAX_PATH_BYTES)];
        Err(NameError { name: String::from_utf8_lossy(shown).into_owned(), problem })
    };
    if bytes.is_empty() {
        return refuse(NameProblem::Empty);
    }
    if bytes.len() > MAX_PATH_BYTES {
        return refuse(NameProblem::TooLong);
    }
    let Ok(path) = std::str::from_utf8(bytes) else { return refuse(NameProblem::NotUtf8) };
    if path.chars().any(char::is_control) {
        return refuse(NameProblem::Control);
    }
    if path.starts_with('/') || is_drive(path) {
        return refuse(NameProblem::Absolute);
    }
    let mut depth = 0;
    for component in path.split('/') {
        depth += 1;
        match component {
            "" | "." | ".." => return refuse(NameProblem::Component),
            long if long.len() > MAX_COMPONENT_BYTES => {
                return refuse(NameProblem::ComponentTooLong);
            }
            _ if depth > MAX_DEPTH => return refuse(NameProblem::TooDeep),
            _ => {}
        }
    }
    Ok(path)
}

/// Whether the first component is a drive (`C:`), or a path that starts at one (`C:\`). Other
/// colons and backslashes are ordinary where files are named by bytes; [`Destination`] refuses
/// them where they aren't.
fn is_drive(path: &str) -> bool {
    match path.as_bytes() {
        [letter, b':'] | [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    }
}

/// What a destination can't hold though it is a valid name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Destination {
    /// Names equal but for case are one file (macOS, Windows, some mounts).
    pub folds_case: bool,
    /// Windows' reserved names and characters.
    pub windows: bool,
}

impl Destination {
    /// Refuses the first of `paths` that the destination can't hold beside the ones before it.
    pub fn check<'a>(self, paths: impl IntoIterator<Item = &'a str>) -> Result<(), NameError> {
        let mut seen = HashMap::new();
        for path in paths {
            let refuse = |problem| Err(NameError { name: path.to_owned(), problem });
            if self.windows && path.split('/').any(is_reserved) {
                return refuse(NameProblem::Reserved);
            }
            if self.folds_case
                && let Some(other) = seen.insert(path.to_lowercase(), path)
            {
                return refuse(NameProblem::SameAs { other: other.to_owned() });
            }
        }
        Ok(())
    }
}

/// Whether Windows can't have a file of this name ("Naming Files, Paths, and Namespaces").
fn is_reserved(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or(component).trim_end().to_ascii_uppercase();
    let numbered = |prefix| {
        stem.strip_prefix(prefix).is_some_and(|digit| {
            matches!(digit, "¹" | "²" | "³") || matches!(digit.as_bytes(), [b'0'..=b'9'])
        })
    };
    component.ends_with([' ', '.'])
        || component.contains(['<', '>', ':', '"', '\\', '|', '?', '*'])
        || matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &[u8]) -> Option<NameProblem> {
        validate(name).err().map(|error| error.problem)
    }

    #[test]
    fn odd_but_harmless_names_pass() {
        for name in [
            "a",
            "ä/ü ",
            "...",
            "a b/..c",
            "-rf",
            "~",
            "a\\b",
            "subkey(1).json",
            "x:y",
            "CON",
            "🦀/\u{202e}",
        ] {
            assert_eq!(validate(name.as_bytes()), Ok(name));
        }
    }

    /// Holds rules 18 and 21.
    #[test]
    fn names_that_could_escape_or_confuse_are_refused() {
        use NameProblem as P;
        let long = "x".repeat(256);
        let deep = "d/".repeat(64) + "f";
        let path = format!("{}x", "abcdefg/".repeat(600));
        let cases: [(&[u8], P); 19] = [
            (b"", P::Empty),
            (b"/etc", P::Absolute),
            (b"C:", P::Absolute),
            (b"c:/x", P::Absolute),
            (b"c:\\x", P::Absolute),
            (b"..", P::Component),
            (b"a/../b", P::Component),
            (b"a/..", P::Component),
            (b"./a", P::Component),
            (b"a//b", P::Component),
            (b"a/", P::Component),
            (b"a\0b", P::Control),
            (b"a\nb", P::Control),
            (b"a\x7f", P::Control),
            ("a\u{9b}".as_bytes(), P::Control),
            (b"a\xff", P::NotUtf8),
            (long.as_bytes(), P::ComponentTooLong),
            (deep.as_bytes(), P::TooDeep),
            (path.as_bytes(), P::TooLong),
        ];
        for (name, expected) in cases {
            assert_eq!(problem(name), Some(expected), "{}", name.escape_ascii());
        }
        assert_eq!(problem(&deep.as_bytes()[2..]), None);
        assert_eq!(problem(&long.as_bytes()[1..]), None);
    }

    /// Holds rule 18.
    #[test]
    fn a_destination_refuses_what_it_cannot_hold() {
        let paths = ["Ä", "ä"];
        assert_eq!(Destination::default().check(paths), Ok(()));
        let folding = Destination { folds_case: true, windows: false };
        let error = folding.check(paths).expect_err("one file there");
        assert_eq!(error.problem, NameProblem::SameAs { other: "Ä".into() });
        let windows = Destination { folds_case: true, windows: true };
        for name in ["con", "a/NUL.txt", "com1", "a\\b", "a:b", "dot.", "space ", "lpt².x"] {
            assert!(windows.check([name]).is_err(), "{name}");
        }
        assert_eq!(windows.check(["console", "a/b.c", "com", "com10"]), Ok(()));
    }
}
