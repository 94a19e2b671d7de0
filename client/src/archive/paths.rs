//! A list of names inside an error's text.

use std::fmt;

/// How many of the names an error's text spells out.
const SHOWN: usize = 10;

/// Paths that an error is about. Prints the first ten, quoted and with control characters
/// escaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths(pub Vec<String>);

impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0, |f, path| write!(f, "{path:?}"))
    }
}

/// Writes the first ten of `all`, separated by commas, and how many more there are.
pub(super) fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    all: &[T],
    mut one: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (at, item) in all.iter().take(SHOWN).enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        one(f, item)?;
    }
    match all.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 21.
    #[test]
    fn names_are_quoted_escaped_and_counted() {
        assert_eq!(Paths(vec!["a".into(), "b\u{1b}[m".into()]).to_string(), r#""a", "b\u{1b}[m""#);
        let many = Paths((0..12).map(|n| n.to_string()).collect());
        assert!(many.to_string().ends_with(r#""9" and 2 more"#));
    }
}
