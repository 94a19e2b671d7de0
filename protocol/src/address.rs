//! E-mail addresses in the one form that is hashed, authenticated and mailed to.
//!
//! Anything looser is account takeover by look-alikes, so the local part is ASCII only and the
//! domain is A-labels; nothing is folded but ASCII case, and neither dots nor `+tags` are removed.

use std::fmt;
use std::str::FromStr;

/// A normalised address: trimmed, lower case, domain as A-labels. These exact bytes are the
/// OPAQUE client identity, the input of the server's HMAC, and the SMTP envelope.
///
/// It does not print itself in `Debug`, since logs must not hold addresses.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

/// Why a text is no address that keybackup takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`, or nothing on one side of it.
    #[error("an e-mail address has the form name@domain")]
    Form,
    /// A character that the local part may not have (RFC 5321 dot-atom, ASCII only).
    #[error("the part before the @ may hold only ASCII letters, digits and .!#$%&'*+/=?^_`{{|}}~-")]
    Local,
    /// A domain that is not a host name (UTS 46).
    #[error("the part after the @ is not a domain name")]
    Domain,
    /// Longer than RFC 5321 section 4.5.3.1 allows: local part 64, all 254 bytes.
    #[error("the e-mail address is too long")]
    Length,
}

impl Address {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normalised bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.trim().rsplit_once('@').ok_or(AddressError::Form)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Form);
        }
        if !local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte)) {
            return Err(AddressError::Local);
        }
        // Strict: STD3 rules, hyphens checked, DNS lengths checked, so that what a resolver
        // would refuse is refused here and no two spellings of one domain differ.
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain)?;
        let address = format!("{}@{domain}", local.to_ascii_lowercase());
        if local.len() > 64 || address.len() > 254 {
            return Err(AddressError::Length);
        }
        Ok(Self(address))
    }
}

/// RFC 5322 `atext`.
const fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        )
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 23.
    #[test]
    fn normalises_case_space_and_domain_only() {
        for (text, normal) in [
            (" Alice@Example.ORG\n", "alice@example.org"),
            ("a.b+tag@example.org", "a.b+tag@example.org"),
            ("bob@Bücher.example", "bob@xn--bcher-kva.example"),
            ("bob@xn--bcher-kva.example", "bob@xn--bcher-kva.example"),
            ("root@localhost", "root@localhost"),
        ] {
            assert_eq!(
                text.parse::<Address>().map(|a| a.as_str().to_owned()),
                Ok(normal.to_owned())
            );
        }
    }

    #[test]
    fn refuses_what_looks_alike_or_injects() {
        for (text, error) in [
            ("alice", AddressError::Form),
            ("@example.org", AddressError::Form),
            ("alice@", AddressError::Form),
            ("аlice@example.org", AddressError::Local), // Cyrillic а
            ("a\r\nBcc: x@example.org", AddressError::Local),
            ("\"a b\"@example.org", AddressError::Local),
            (".a@example.org", AddressError::Local),
            ("a..b@example.org", AddressError::Local),
            ("a@b@example.org", AddressError::Local),
            ("a@exa mple.org", AddressError::Domain),
            ("a@example..org", AddressError::Domain),
            ("a@[127.0.0.1]", AddressError::Domain),
            ("a@example.org>", AddressError::Domain),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        assert_eq!(long.parse::<Address>(), Err(AddressError::Length));
    }

    /// Holds rule 26.
    #[test]
    fn does_not_print_itself() {
        let address: Address = "alice@example.org".parse().expect("an address");
        assert_eq!(format!("{address:?}"), "Address(..)");
    }
}
