//! Codes on the command line: secret while they hold, and so no text that prints itself.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A mailed code or an invitation, as it was typed.
#[derive(Clone)]
pub struct TypedCode(String);

impl TypedCode {
    /// What was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TypedCode {
    type Err = Infallible;

    fn from_str(typed: &str) -> Result<Self, Infallible> {
        Ok(Self(typed.to_owned()))
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 34.
    #[test]
    fn a_code_does_not_print_itself() {
        let Ok(code) = "7K2MX-9QF4T".parse::<TypedCode>();
        assert_eq!(code.as_str(), "7K2MX-9QF4T");
        assert!(!format!("{code:?}").contains("7K2MX"));
    }
}
