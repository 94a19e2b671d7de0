//! The secrets of `server.key`, each with a type, so that none is used for another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use serde::{Deserialize, Deserializer, de};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

/// A secret of fresh random bytes.
pub(super) fn random<const N: usize, S: for<'a> From<&'a [u8; N]>>() -> Result<S, rand08::Error> {
    let mut bytes = Zeroizing::new([0; N]);
    OsRng.try_fill_bytes(bytes.as_mut_slice())?;
    Ok(S::from(&bytes))
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(ZeroizeOnDrop)]
        pub(super) struct $name(Box<[u8; $len]>);

        impl $name {
            pub(super) fn bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Unpadded base64url.
            pub(super) fn to_text(&self) -> Zeroizing<String> {
                Zeroizing::new(URL_SAFE_NO_PAD.encode(&*self.0))
            }
        }

        impl From<&[u8; $len]> for $name {
            fn from(bytes: &[u8; $len]) -> Self {
                Self(Box::new(*bytes))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            // Decoded in place from the file's text, so that no other copy is made.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <&str>::deserialize(deserializer)?;
                let mut secret = Self(Box::new([0; $len]));
                match URL_SAFE_NO_PAD.decode_slice(text, &mut *secret.0) {
                    Ok($len) => Ok(secret),
                    _ => {
                        secret.0.zeroize();
                        Err(de::Error::custom("not the base64url of a key"))
                    }
                }
            }
        }
    };
}

secret!(
    /// The OPRF seed: with an address it makes the address's OPRF key. Never rotated.
    OprfSeed,
    64
);
secret!(
    /// An AKE private key.
    AkeKey,
    32
);
secret!(
    /// The public key of the records that unknown addresses are answered with.
    DummyKey,
    32
);
secret!(
    /// Makes the keyed hashes by which addresses are found. Never rotated.
    AddressHmacKey,
    32
);
secret!(
    /// Seals addresses for mailing. Never rotated.
    AddressAeadKey,
    32
);
secret!(
    /// Seals tickets.
    TicketKey,
    32
);
secret!(
    /// Makes the keyed hashes of codes and invitations. Never rotated.
    CodeKey,
    32
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_other_lengths_are_refused() {
        let secret = random::<32, CodeKey>().expect("random bytes");
        let json = format!("\"{}\"", *secret.to_text());
        let back: CodeKey = serde_json::from_str(&json).expect("parses");
        assert_eq!(back.bytes(), secret.bytes());
        assert!(serde_json::from_str::<OprfSeed>(&json).is_err());
        let seed = random::<64, OprfSeed>().expect("random bytes");
        let json = format!("\"{}\"", *seed.to_text());
        assert!(serde_json::from_str::<CodeKey>(&json).is_err());
        assert!(serde_json::from_str::<CodeKey>("\"\"").is_err());
    }
}
