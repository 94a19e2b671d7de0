//! Bearer tokens and device cookies: random, prefixed so that scanners for leaked secrets find
//! them, and kept only as SHA-256. (They have as much entropy as a key, so a slow hash would buy
//! nothing.)

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keybackup_protocol::routes::{DEVICE_COOKIE_PREFIX, TOKEN_PREFIX};
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::store::{Bucket, TokenHash};

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;
/// Bytes of randomness in a device cookie.
const COOKIE_BYTES: usize = 16;

/// A secret of `N` random bytes behind a prefix. Without `Debug`, `Clone` and `Serialize`.
pub(crate) struct Secret<const N: usize>(Zeroizing<[u8; N]>);

/// A bearer token.
pub(crate) type Token = Secret<TOKEN_BYTES>;
/// A known-device cookie.
pub(crate) type DeviceCookie = Secret<COOKIE_BYTES>;

impl<const N: usize> Secret<N> {
    fn random() -> Self {
        let mut bytes = Zeroizing::new([0; N]);
        OsRng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    fn parse(text: &str, prefix: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?);
        bytes.as_slice().try_into().ok().map(Zeroizing::new).map(Self)
    }

    fn text(&self, prefix: &str) -> String {
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_slice()).into()
    }
}

impl Token {
    /// A new token.
    pub(crate) fn new() -> Self {
        Self::random()
    }

    /// The token in a text of exactly its form.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Self::parse(text, TOKEN_PREFIX)
    }

    /// What is handed out, once.
    pub(crate) fn to_text(&self) -> String {
        self.text(TOKEN_PREFIX)
    }

    /// What is kept.
    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash(self.sha256())
    }
}

impl DeviceCookie {
    /// A new cookie.
    pub(crate) fn new() -> Self {
        Self::random()
    }

    /// What is handed out.
    pub(crate) fn to_text(&self) -> String {
        self.text(DEVICE_COOKIE_PREFIX)
    }

    /// What is kept.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.sha256()
    }

    /// The bucket that a login with this cookie counts in; none, or one that is no cookie at
    /// all, is a stranger's.
    pub(crate) fn bucket(text: Option<&str>) -> Bucket {
        text.and_then(|text| Self::parse(text, DEVICE_COOKIE_PREFIX))
            .map_or(Bucket::Strangers, |cookie| Bucket::Device(cookie.hash()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 33.
    #[test]
    fn a_token_is_its_prefix_and_256_bits() {
        let token = Token::new();
        let text = token.to_text();
        assert_eq!(text.len(), 3 + 43);
        assert!(text.starts_with("kb_"));
        let parsed = Token::from_text(&text).expect("its own text");
        assert!(parsed.hash() == token.hash());
        assert!(Token::new().hash() != token.hash());
        for bad in [
            "",
            "kb_",
            &text[3..],
            &text[..45],
            &format!("{text}A"),
            &format!(" {text}"),
            &format!("{text}="),
            &text.replacen("kb_", "kbd_", 1),
        ] {
            assert!(Token::from_text(bad).is_none(), "{bad}");
        }
    }

    /// Holds rule 25.
    #[test]
    fn a_cookie_that_is_none_is_a_strangers() {
        let cookie = DeviceCookie::new();
        let text = cookie.to_text();
        assert_eq!(text.len(), 4 + 22);
        assert!(DeviceCookie::bucket(Some(&text)) == Bucket::Device(cookie.hash()));
        for bad in [None, Some(""), Some("kbd_"), Some(&text[4..]), Some("kbd_????")] {
            assert!(DeviceCookie::bucket(bad) == Bucket::Strangers);
        }
    }
}
