//! What a push leaves out: the globs of `--exclude` and of `.keybackupignore` files, in the
//! syntax of gitignore.

use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Name of the file whose lines exclude entries of its directory and below. It is backed up
/// itself.
pub const IGNORE_FILE: &str = ".keybackupignore";
/// Largest ignore file in bytes.
pub(super) const MAX_IGNORE_FILE_BYTES: u64 = 1024 * 1024;

/// A glob that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExcludeError {
    /// A glob given to `--exclude` doesn't parse.
    #[error("{glob:?} is not a pattern")]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        source: ignore::Error,
    },
    /// A line of an ignore file doesn't parse.
    #[error("line {line} of {path:?} is not a pattern")]
    Line {
        /// The ignore file's path below the root.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: ignore::Error,
    },
    /// An ignore file is not UTF-8 or larger than 1 MiB.
    #[error("{path:?} is not UTF-8 text of at most 1 MiB")]
    NotText {
        /// The ignore file's path below the root.
        path: String,
    },
}

/// The globs given with the command; they apply everywhere and win over ignore files.
#[derive(Debug, Clone)]
pub struct Excludes(Gitignore);

impl Default for Excludes {
    fn default() -> Self {
        Self(Gitignore::empty())
    }
}

impl Excludes {
    /// Parses `globs`. A leading `!` re-includes what an earlier glob excluded.
    pub fn new<S: AsRef<str>>(globs: &[S]) -> Result<Self, ExcludeError> {
        let mut builder = GitignoreBuilder::new("");
        let refused = |glob: &str, source| ExcludeError::Glob { glob: glob.to_owned(), source };
        for glob in globs {
            let glob = glob.as_ref();
            let why = if glob.trim().is_empty() { Some("it is empty") } else { unclosed(glob) };
            if let Some(why) = why {
                return Err(refused(glob, not_a_glob(glob, why)));
            }
            builder.add_line(None, glob).map_err(|source| refused(glob, source))?;
        }
        Ok(Self(builder.build().map_err(|source| refused("", source))?))
    }
}

/// Why a glob would silently fit nothing: git takes a class without an end for one that fits
/// nothing, and what was to be left out would leave the device.
fn unclosed(glob: &str) -> Option<&'static str> {
    let mut chars = glob.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                chars.next();
            }
            '[' => {
                // The first of a class is no end of it, also after a negation.
                let class = chars.as_str().trim_start_matches(['!', '^']);
                let first = class.chars().next().map_or(0, char::len_utf8);
                let end = class.get(first..).and_then(|rest| rest.find(']'));
                let Some(end) = end else { return Some("a [ is not closed") };
                chars = class[first + end + 1..].chars();
            }
            _ => {}
        }
    }
    None
}

fn not_a_glob(glob: &str, why: &str) -> ignore::Error {
    ignore::Error::Glob { glob: Some(glob.to_owned()), err: why.to_owned() }
}

/// The globs in force at one place of a walk: those of the command, and of the ignore files of
/// the directories that the walk is in.
#[derive(Debug)]
pub(super) struct Rules<'e> {
    excludes: &'e Excludes,
    /// Each with the length of its directory's path and slash.
    files: Vec<(usize, Gitignore)>,
}

impl<'e> Rules<'e> {
    pub(super) const fn new(excludes: &'e Excludes) -> Self {
        Self { excludes, files: Vec::new() }
    }

    /// Enters the directory whose path with slash is `prefix` and whose ignore file is `text`.
    pub(super) fn enter(&mut self, prefix: &str, text: &[u8]) -> Result<(), ExcludeError> {
        let path = || format!("{prefix}{IGNORE_FILE}");
        let text = str::from_utf8(text).map_err(|_| ExcludeError::NotText { path: path() })?;
        let mut builder = GitignoreBuilder::new("");
        let mut number = 0;
        for line in text.trim_start_matches('\u{feff}').lines() {
            number += 1;
            if let Some(why) = unclosed(line).filter(|_| !line.starts_with('#')) {
                let source = not_a_glob(line, why);
                return Err(ExcludeError::Line { path: path(), line: number, source });
            }
            builder.add_line(None, line).map_err(|source| ExcludeError::Line {
                path: path(),
                line: number,
                source,
            })?;
        }
        let matcher = builder.build().map_err(|source| ExcludeError::Line {
            path: path(),
            line: number,
            source,
        })?;
        self.files.push((prefix.len(), matcher));
        Ok(())
    }

    /// Leaves the directory that was entered last.
    pub(super) fn leave(&mut self) {
        self.files.pop();
    }

    /// Whether the entry at `path` is left out. Its directory is not.
    pub(super) fn exclude(&self, path: &Path, is_directory: bool) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        match self.excludes.0.matched(path, is_directory) {
            Match::Ignore(_) => return true,
            Match::Whitelist(_) => return false,
            Match::None => {}
        }
        for (prefix, matcher) in self.files.iter().rev() {
            let below = path.as_os_str().as_bytes().get(*prefix..).unwrap_or_default();
            match matcher.matched(std::ffi::OsStr::from_bytes(below), is_directory) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_that_could_fit_nothing_is_refused() {
        for glob in ["[", "a[b", "[!]", "[]", "x\\[[", "", " ", "{a"] {
            assert!(Excludes::new(&[glob]).is_err(), "{glob:?}");
        }
        for glob in ["[a]", "[]]", "[!]a]", "\\[", "a[^b-d]*", "*.tmp", "]"] {
            assert!(Excludes::new(&[glob]).is_ok(), "{glob:?}");
        }
        let globs = Excludes::default();
        let mut rules = Rules::new(&globs);
        rules.enter("", b"# [ is only said here\n\n*.log\n").expect("it parses");
        let refused = rules.enter("", b"ok\n[secret\n");
        assert!(matches!(refused, Err(ExcludeError::Line { line: 2, .. })));
    }

    #[test]
    fn the_command_wins_over_files_and_deeper_files_over_others() {
        let globs = Excludes::new(&["*.tmp", "/top"]).expect("they parse");
        let mut rules = Rules::new(&globs);
        rules.enter("", b"# no comment\n*.log\ncache/\n!keep.tmp\n").expect("it parses");
        let excluded = |rules: &Rules<'_>, path: &str, is_directory| {
            rules.exclude(Path::new(path), is_directory)
        };
        assert!(excluded(&rules, "a/keep.tmp", false));
        assert!(excluded(&rules, "top", false));
        assert!(!excluded(&rules, "a/top", false));
        assert!(excluded(&rules, "a/x.log", false));
        assert!(excluded(&rules, "cache", true));
        assert!(!excluded(&rules, "cache", false));
        rules.enter("a/", b"!x.log\n/only-here\n").expect("it parses");
        assert!(!excluded(&rules, "a/x.log", false));
        assert!(excluded(&rules, "a/only-here", false));
        assert!(!excluded(&rules, "a/b/only-here", false));
        rules.leave();
        assert!(excluded(&rules, "a/x.log", false));
    }

    #[test]
    fn a_bad_glob_is_named() {
        assert!(
            matches!(Excludes::new(&["a{b"]), Err(ExcludeError::Glob { glob, .. }) if glob == "a{b")
        );
        let none = Excludes::default();
        let error = Rules::new(&none).enter("d/", b"ok\na{b\n").expect_err("a bad line");
        assert_eq!(error.to_string(), r#"line 2 of "d/.keybackupignore" is not a pattern"#);
        assert!(Rules::new(&none).enter("", b"\xff").is_err());
    }
}
