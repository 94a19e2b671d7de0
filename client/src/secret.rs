//! Every secret has a newtype here: built in place, zeroised when dropped, compared in constant
//! time, and without `Debug`, `Display`, `Clone`, `PartialEq` or `Serialize`, so that none reaches
//! a log, a message or a second copy by accident. `expose` is the only way in.

use keybackup_protocol::routes::{DEVICE_COOKIE_PREFIX, TOKEN_PREFIX};
use keybackup_protocol::{KeyId, PersonaId};
use rand08::{CryptoRng, RngCore};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// `N` secret bytes on the heap, so that moving them leaves no copy behind.
pub struct DerivedKey<const N: usize>(Box<[u8; N]>);

impl<const N: usize> DerivedKey<N> {
    /// Length in bytes.
    pub const LEN: usize = N;

    /// Bytes that `fill` writes where they will stay.
    pub fn init_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// Fresh random bytes.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self::init_with(|bytes| rng.fill_bytes(bytes))
    }

    /// A copy of `bytes`, if there are `N`. The caller wipes the original.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == N).then(|| Self::init_with(|secret| secret.copy_from_slice(bytes)))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> ConstantTimeEq for DerivedKey<N> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.as_slice().ct_eq(other.0.as_slice())
    }
}

impl<const N: usize> Drop for DerivedKey<N> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for DerivedKey<N> {}

macro_rules! secret_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        pub struct $name(DerivedKey<$len>);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// A secret that `fill` writes where it will stay.
            pub fn init_with(fill: impl FnOnce(&mut [u8; $len])) -> Self {
                Self(DerivedKey::init_with(fill))
            }

            /// A fresh random secret.
            pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
                Self(DerivedKey::generate(rng))
            }

            /// A copy of `bytes`, if there are as many as it has. The caller wipes the original.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                DerivedKey::from_slice(bytes).map(Self)
            }

            /// The bytes.
            pub fn expose(&self) -> &[u8; $len] {
                self.0.expose()
            }
        }

        impl From<DerivedKey<$len>> for $name {
            fn from(key: DerivedKey<$len>) -> Self {
                Self(key)
            }
        }

        impl ConstantTimeEq for $name {
            fn ct_eq(&self, other: &Self) -> Choice {
                self.0.ct_eq(&other.0)
            }
        }
    };
}

secret_bytes!(
    /// The root of one epoch: it opens the keyring, and through it everything of that epoch.
    RootKey,
    32
);
secret_bytes!(
    /// What OPAQUE gives the client and nobody else (RFC 9807 section 3.1).
    ExportKey,
    64
);
secret_bytes!(
    /// The entropy of a recovery phrase: twelve BIP39 words less their checksum.
    Phrase,
    16
);
secret_bytes!(
    /// Shown to the server as proof that a phrase or a root is held; it keeps SHA-256 of it.
    Proof,
    32
);
secret_bytes!(
    /// The half of a PIN slot's key that lies on the device.
    DeviceSecret,
    32
);

/// A vault key and the id under which the keyring and what it sealed name it.
pub struct VaultKey {
    id: KeyId,
    key: DerivedKey<32>,
}

impl VaultKey {
    /// The key with this id.
    pub fn new(id: KeyId, key: DerivedKey<32>) -> Self {
        Self { id, key }
    }

    /// A fresh random key with a fresh random id, which is never [`KeyId::NONE`].
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut id = [0; KeyId::LEN];
        while id == *KeyId::NONE.as_bytes() {
            rng.fill_bytes(&mut id);
        }
        Self::new(KeyId::from_bytes(id), DerivedKey::generate(rng))
    }

    /// Its id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }

    /// A second one, for the keyring that two others become.
    pub(crate) fn copied(&self) -> Self {
        let key = DerivedKey::init_with(|bytes| bytes.copy_from_slice(self.key.expose()));
        Self { id: self.id, key }
    }
}

impl ConstantTimeEq for VaultKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.id.as_bytes().ct_eq(other.id.as_bytes()) & self.key.ct_eq(&other.key)
    }
}

/// The key of one persona under one vault key: all that a token holds.
pub struct PersonaKey {
    key_id: KeyId,
    persona: PersonaId,
    key: DerivedKey<32>,
}

impl PersonaKey {
    /// The key of `persona` under the vault key `key_id`.
    pub fn new(key_id: KeyId, persona: PersonaId, key: DerivedKey<32>) -> Self {
        Self { key_id, persona, key }
    }

    /// The vault key that it comes from.
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The persona whose key it is.
    pub const fn persona(&self) -> PersonaId {
        self.persona
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }
}

/// A secret text that does not have the form it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretTextError {
    /// Not the prefix, length or alphabet of a bearer token.
    #[error("the text is not a session token")]
    Token,
    /// Not the prefix, length or alphabet of a device cookie.
    #[error("the text is not a device cookie")]
    DeviceCookie,
}

macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// The text.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl ConstantTimeEq for $name {
            fn ct_eq(&self, other: &Self) -> Choice {
                self.0.as_bytes().ct_eq(other.0.as_bytes())
            }
        }
    };
}

secret_text!(
    /// A password or PIN as it was typed or read.
    Password
);
secret_text!(
    /// A password after [`crate::keys::password::prepare`], the only kind that OPAQUE takes.
    PreparedPassword
);
secret_text!(
    /// A bearer token: `kb_` and 43 characters of base64url.
    Token
);
secret_text!(
    /// A known device's cookie: `kbd_` and 22 characters of base64url.
    DeviceCookie
);

impl Password {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl PreparedPassword {
    pub(crate) fn from_prepared(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl Token {
    /// Takes over a text of the form that servers hand out.
    pub fn parse(text: String) -> Result<Self, SecretTextError> {
        checked(text, TOKEN_PREFIX, 43).map(Self).ok_or(SecretTextError::Token)
    }
}

impl DeviceCookie {
    /// Takes over a text of the form that servers hand out.
    pub fn parse(text: String) -> Result<Self, SecretTextError> {
        checked(text, DEVICE_COOKIE_PREFIX, 22).map(Self).ok_or(SecretTextError::DeviceCookie)
    }
}

/// The text, if it is `prefix` and `length` characters of base64url; wiped if it is not.
fn checked(text: String, prefix: &str, length: usize) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(text);
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let rest = text.strip_prefix(prefix)?;
    (rest.len() == length && rest.bytes().all(is_base64url)).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use rand08::rngs::OsRng;
    use static_assertions::assert_not_impl_any;

    use super::*;

    macro_rules! assert_secret {
        ($($secret:ty),* $(,)?) => { $(
            assert_not_impl_any!($secret: Clone, Copy, Debug, Display, PartialEq, serde::Serialize,
                std::hash::Hash, AsRef<[u8]>, AsRef<str>);
            const _: () = assert!(std::mem::needs_drop::<$secret>());
        )* };
    }

    assert_secret!(
        DerivedKey<32>,
        RootKey,
        ExportKey,
        Phrase,
        Proof,
        DeviceSecret,
        VaultKey,
        PersonaKey,
        Password,
        PreparedPassword,
        Token,
        DeviceCookie,
    );

    /// Holds rule 34.
    #[test]
    fn secrets_are_built_in_place_and_compared_by_content() {
        let one = RootKey::init_with(|bytes| bytes.fill(7));
        assert_eq!(one.expose(), &[7; 32]);
        assert!(bool::from(one.ct_eq(&RootKey::from_slice(&[7; 32]).expect("32 bytes"))));
        assert!(!bool::from(one.ct_eq(&RootKey::generate(&mut OsRng))));
        assert!(RootKey::from_slice(&[7; 31]).is_none());
    }

    #[test]
    fn a_vault_key_never_has_the_id_that_means_none() {
        // A generator that begins with the reserved id.
        struct Zeros(usize);
        impl RngCore for Zeros {
            fn next_u32(&mut self) -> u32 {
                unreachable!("keys are filled")
            }
            fn next_u64(&mut self) -> u64 {
                unreachable!("keys are filled")
            }
            fn fill_bytes(&mut self, out: &mut [u8]) {
                out.fill(u8::from(self.0 > 0));
                self.0 += 1;
            }
            fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand08::Error> {
                self.fill_bytes(out);
                Ok(())
            }
        }
        impl CryptoRng for Zeros {}
        assert_eq!(VaultKey::generate(&mut Zeros(0)).id(), KeyId::from_bytes([1; 8]));
    }

    /// Holds rule 33.
    #[test]
    fn tokens_and_cookies_have_one_form() {
        let token = format!("kb_{}", "A-_z".repeat(11).split_at(43).0);
        assert_eq!(Token::parse(token.clone()).ok().as_ref().map(Token::expose), Some(&*token));
        let cookie = format!("kbd_{}", "b".repeat(22));
        assert!(DeviceCookie::parse(cookie.clone()).is_ok());
        for bad in ["", "kb_", &token[3..], &format!("{token}A"), &token.replace('z', "+"), &cookie]
        {
            assert_eq!(Token::parse(bad.to_owned()).err(), Some(SecretTextError::Token), "{bad}");
        }
        assert_eq!(DeviceCookie::parse(token).err(), Some(SecretTextError::DeviceCookie));
    }
}
