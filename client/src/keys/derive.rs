//! The one key derivation: HKDF-SHA-512 (RFC 5869) with an info that nothing else can produce.

use hkdf::Hkdf;
use keybackup_protocol::put_lp;
use sha2::Sha512;

use super::labels::Label;
use crate::secret::DerivedKey;

/// Begins every info. It names format 1, not the suite: another version derives other keys.
const DOMAIN: &[u8] = b"keybackup/1 ";

/// `derive(key, salt, label, ctx…; L)` of FORMAT.md: HKDF-SHA-512, extract and expand, with info =
/// `keybackup/1 ` ‖ lp(label) ‖ lp(ctx)…. An empty salt is RFC 5869's default, 64 zero bytes.
#[expect(clippy::missing_panics_doc, reason = "L is checked when it is compiled")]
pub fn derive<const L: usize>(
    key: &[u8],
    salt: &[u8],
    label: Label,
    context: &[&[u8]],
) -> DerivedKey<L> {
    const { assert!(L <= 255 * 64, "HKDF-SHA-512 can't give more") };
    let mut info = DOMAIN.to_vec();
    put_lp(&mut info, label.text().as_bytes());
    for field in context {
        put_lp(&mut info, field);
    }
    let hkdf = Hkdf::<Sha512>::new(Some(salt), key);
    DerivedKey::init_with(|out| {
        hkdf.expand(&info, out).expect("the length was checked when this was compiled");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from Python's `cryptography` (HKDF over OpenSSL), not from this code.
    #[test]
    fn agrees_with_another_implementation() {
        let key: Vec<u8> = (0..32).collect();
        let plain = derive::<32>(&key, b"", Label::RootProof, &[]);
        assert_eq!(
            hex(plain.expose()),
            "2ca0fefd0bad321dba77fe3340589f6ab9b98a8974b10b37b760558ba9508c1c"
        );
        let salted = derive::<83>(&key, &[9; 32], Label::Blob, &[b"one", b""]);
        assert_eq!(
            hex(salted.expose()),
            "c42c2dad67a55f0e0a4900cf4fb64d5f06f8c31e0db4476ab64aae11adbff797148f40bd0506495e83d1af36389ec8106c7833bc27a312d15d43369b2b599ecdc8a34b32dea5ba925669beffb75cbd2853eef0"
        );
    }

    /// Holds rule 10.
    #[test]
    fn every_input_counts_and_fields_do_not_run_together() {
        let base = derive::<32>(b"k", b"s", Label::Persona, &[b"ab", b"c"]);
        for other in [
            derive::<32>(b"K", b"s", Label::Persona, &[b"ab", b"c"]),
            derive::<32>(b"k", b"S", Label::Persona, &[b"ab", b"c"]),
            derive::<32>(b"k", b"s", Label::Blob, &[b"ab", b"c"]),
            derive::<32>(b"k", b"s", Label::Persona, &[b"a", b"bc"]),
            derive::<32>(b"k", b"s", Label::Persona, &[b"abc"]),
            derive::<32>(b"k", b"s", Label::Persona, &[b"ab", b"c", b""]),
        ] {
            assert_ne!(base.expose(), other.expose());
        }
    }

    fn digit(nibble: u8) -> char {
        char::from_digit(u32::from(nibble), 16).expect("a nibble")
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
    }
}
