//! Identifiers: random bytes that name things to both sides and mean nothing by themselves.
//! In text (JSON, paths, the command line) they are lower-case hexadecimal, and nothing else
//! parses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text that is not the lower-case hexadecimal of the right length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: {expected} lower-case hexadecimal digits were expected")]
pub struct IdError {
    /// Digits that the id has.
    pub expected: usize,
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let digits = text.as_bytes();
    let error = IdError { expected: 2 * N };
    if digits.len() != 2 * N {
        return Err(error);
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(error),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The id with these bytes, if there are as many as it has.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// An account, for ever; made by the client at registration.
    AccountId,
    16
);
id!(
    /// One epoch of an account: one root key and what it seals.
    EpochId,
    16
);
id!(
    /// A session of an account, for listing and revoking; made by the server.
    SessionId,
    8
);
id!(
    /// A persona (or other kept object), through renames, key rotation and unlocking.
    PersonaId,
    16
);
id!(
    /// A device (one profile of one client).
    DeviceId,
    16
);
id!(
    /// An upload that waits for the commit that names it; made by the server.
    UploadId,
    16
);
id!(
    /// A vault key, inside sealed objects and blob headers. Zero where no vault key seals.
    KeyId,
    8
);

impl KeyId {
    /// The key id of what no vault key seals: slots, keyrings, invitations.
    pub const NONE: Self = Self([0; 8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 36.
    #[test]
    fn text_round_trips_and_only_lower_case_of_the_right_length_parses() {
        let id = PersonaId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "30",
            "3031323334353637383961626364656G",
            "30313233343536373839616263646566 ",
            "3031323334353637383961626364656F",
            "../../../../../../etc/passwd/aaaa",
        ] {
            assert_eq!(bad.parse::<PersonaId>(), Err(IdError { expected: 32 }), "{bad}");
        }
    }

    #[test]
    fn json_is_the_text() {
        let id = KeyId::from_bytes([1, 2, 3, 4, 5, 6, 7, 255]);
        let json = serde_json::to_string(&id).expect("an id serialises");
        assert_eq!(json, "\"01020304050607ff\"");
        assert_eq!(serde_json::from_str::<KeyId>(&json).expect("and comes back"), id);
    }
}
