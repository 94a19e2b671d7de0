//! Sealing once more, from the text of FORMAT.md and with nothing of the program but `derive`:
//! to check what it seals, and to seal what it would not.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use keybackup::keys::{Label, ObjectType, SealingKey, derive};
use keybackup_protocol::{AccountId, KeyId, PersonaId};

/// What an object is bound to.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) account: AccountId,
    pub(crate) object: [u8; 16],
    pub(crate) version: u64,
}

/// A sealed object around any plaintext.
pub(crate) fn object(key: &SealingKey, bound: Bound, nonce: [u8; 24], plaintext: &[u8]) -> Vec<u8> {
    let object_type: ObjectType = key.object_type();
    let mut sealed = vec![1, object_type.byte()];
    sealed.extend_from_slice(key.key_id().as_bytes());
    sealed.extend_from_slice(&nonce);
    let associated =
        [&sealed[..], bound.account.as_bytes(), &bound.object, &bound.version.to_be_bytes()]
            .concat();
    let keys = derive::<64>(key.expose(), &nonce, object_type.label(), &[]);
    sealed.extend_from_slice(&keys.expose()[32..]);
    sealed.extend_from_slice(&encrypt(&keys.expose()[..32], &nonce, &associated, plaintext));
    sealed
}

/// lp(JSON) and zeros to `length` bytes.
pub(crate) fn padded(json: &[u8], length: usize) -> Vec<u8> {
    let mut plaintext = u32::try_from(json.len()).expect("it is short").to_be_bytes().to_vec();
    plaintext.extend_from_slice(json);
    plaintext.resize(length, 0);
    plaintext
}

/// What the keys of a blob depend on.
#[derive(Clone, Copy)]
pub(crate) struct BlobOf<'a> {
    pub(crate) key_id: KeyId,
    pub(crate) account: AccountId,
    pub(crate) persona: PersonaId,
    pub(crate) persona_key: &'a [u8; 32],
    pub(crate) version: u64,
    pub(crate) salt: [u8; 32],
}

/// A blob around any chunks.
pub(crate) fn blob(of: BlobOf<'_>, chunks: &[&[u8]]) -> Vec<u8> {
    let mut blob = b"KEYBKUP\x01\x20".to_vec();
    blob.extend_from_slice(of.key_id.as_bytes());
    blob.extend_from_slice(of.account.as_bytes());
    blob.extend_from_slice(of.persona.as_bytes());
    blob.extend_from_slice(&of.version.to_be_bytes());
    blob.extend_from_slice(&of.salt);
    let keys = derive::<83>(of.persona_key, &of.salt, Label::Blob, &[&blob]);
    let (key, rest) = keys.expose().split_at(32);
    let (prefix, commitment) = rest.split_at(19);
    blob.extend_from_slice(commitment);
    for (counter, chunk) in (0_u32..).zip(chunks) {
        let last = u8::from(counter as usize + 1 == chunks.len());
        let nonce = [prefix, &counter.to_be_bytes(), &[last]].concat();
        blob.extend_from_slice(&encrypt(key, &nonce, b"", chunk));
    }
    blob
}

fn encrypt(key: &[u8], nonce: &[u8], associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new_from_slice(key).expect("keys have 32 bytes");
    let nonce = nonce.try_into().expect("nonces have 24 bytes");
    let mut sealed = plaintext.to_vec();
    let tag = cipher
        .encrypt_inout_detached(&nonce, associated, sealed.as_mut_slice().into())
        .expect("it is short");
    sealed.extend_from_slice(&tag);
    sealed
}
