//! An argument that names either a persona or a directory, told apart by its form alone: what
//! lies on the disk never changes what a command line means.

use std::ffi::OsString;
use std::path::{MAIN_SEPARATOR, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};

/// A persona or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// With a separator, or `.` or `..`.
    Path(PathBuf),
    /// Anything else: a name, nickname, id, or the start of one.
    Persona(String),
}

/// Neither a path nor a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// A name that is no text.
    #[error("it is not UTF-8; put ./ in front of it if it is a directory")]
    Encoding,
}

impl TryFrom<OsString> for Target {
    type Error = TargetError;

    fn try_from(argument: OsString) -> Result<Self, TargetError> {
        if argument.is_empty() {
            return Err(TargetError::Empty);
        }
        let bytes = argument.as_encoded_bytes();
        let separated =
            bytes.iter().any(|&byte| byte == b'/' || char::from(byte) == MAIN_SEPARATOR);
        if separated || argument == "." || argument == ".." {
            return Ok(Self::Path(argument.into()));
        }
        argument.into_string().map(Self::Persona).map_err(|_| TargetError::Encoding)
    }
}

/// How clap reads one.
pub(super) fn parser() -> impl TypedValueParser<Value = Target> {
    OsStringValueParser::new().try_map(Target::try_from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_or_dots_make_a_path() {
        for text in ["./work", "work/", "/work", "a/b", ".", ".."] {
            assert_eq!(Target::try_from(OsString::from(text)), Ok(Target::Path(text.into())));
        }
        for text in ["work", ".work", "...", "a b", "a\\b"] {
            assert_eq!(Target::try_from(OsString::from(text)), Ok(Target::Persona(text.into())));
        }
        assert_eq!(Target::try_from(OsString::new()), Err(TargetError::Empty));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_need_not_be_text_but_a_name_must() {
        use std::os::unix::ffi::OsStringExt as _;

        let name = OsString::from_vec(b"w\xffrk".to_vec());
        assert_eq!(Target::try_from(name), Err(TargetError::Encoding));
        let path = OsString::from_vec(b"./w\xffrk".to_vec());
        assert_eq!(Target::try_from(path.clone()), Ok(Target::Path(path.into())));
    }
}
