//! Names that configure: of a profile, and of this device.

use std::fmt;
use std::str::FromStr;

/// The name of a profile, which is also that of its directory: 1 to 64 ASCII letters, digits,
/// `-`, `_` and `.`, the first no dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileName(String);

/// A text that can't name a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a profile's name has 1 to 64 letters, digits, - _ and ., and does not begin with a dot")]
pub struct ProfileNameError;

impl ProfileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(text: &str) -> Result<Self, ProfileNameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=64).contains(&text.len()) && !text.starts_with('.');
        if fits && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ProfileNameError)
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to call this device if nobody says: its host name without the domain.
pub fn host_name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    let name: String =
        name.split('.').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() { "device".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 18.
    #[test]
    fn a_profile_name_can_only_be_one_directory() {
        for name in ["default", "a.b-c_9", "A"] {
            assert_eq!(name.parse::<ProfileName>().map(|name| name.0), Ok(name.to_owned()));
        }
        for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "ä", "a\0", &"a".repeat(65)] {
            assert_eq!(name.parse::<ProfileName>(), Err(ProfileNameError), "{name}");
        }
    }

    #[test]
    fn a_device_has_some_name() {
        assert!(!host_name().is_empty() && !host_name().contains('.'));
    }
}
