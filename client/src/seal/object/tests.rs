//! What opens, what does not, and which error tells of it.

use proptest::prelude::*;
use rand08::rngs::OsRng;

use super::*;
use crate::keys;
use crate::seal::cipher::Cipher;
use crate::secret::{DerivedKey, Phrase, RootKey, VaultKey};

const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
const EPOCH: EpochId = EpochId::from_bytes([2; 16]);

fn vault(byte: u8) -> VaultKey {
    VaultKey::new(KeyId::from_bytes([byte; 8]), DerivedKey::init_with(|key| key.fill(byte)))
}

/// Seals a plaintext that need not follow the format.
fn seal_raw(key: &SealingKey, binding: &Binding, plaintext: &[u8]) -> Vec<u8> {
    let mut head = [0; HEAD_LEN];
    (head[0], head[1]) = (FORMAT_VERSION, key.object_type().byte());
    head[2..10].copy_from_slice(key.key_id().as_bytes());
    let keys = ObjectKeys::derive(key, nonce_of(&head));
    let mut body = plaintext.to_vec();
    let tag = keys.cipher().seal(nonce_of(&head), &binding.associated(&head), &mut body);
    [&head[..], keys.commitment(), &body, &tag].concat()
}

/// Holds rules 3, 4, 8 and 11.
#[test]
fn each_fault_has_its_error_in_the_order_of_the_checks() {
    let key = keys::index_key(&vault(3));
    let binding = Binding::index(ACCOUNT, EPOCH, 1);
    let sealed = seal(&mut OsRng, &key, &binding, b"{}").expect("it fits");
    assert_eq!(sealed.len(), BODY_AT + 4096 + TAG_LEN);
    assert_eq!(head(&sealed), Ok((ObjectType::Index, KeyId::from_bytes([3; 8]))));
    let fault = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut sealed = sealed.clone();
        change(&mut sealed);
        open(&key, &binding, &sealed).err()
    };
    assert_eq!(fault(&|_| ()), None);
    assert_eq!(fault(&|sealed| sealed.truncate(BODY_AT + TAG_LEN)), Some(OpenError::TooShort));
    let shortest = BODY_AT + TAG_LEN + LENGTH_LEN;
    assert_eq!(fault(&|sealed| sealed.truncate(shortest - 1)), Some(OpenError::TooShort));
    assert_eq!(fault(&|sealed| sealed.truncate(shortest)), Some(OpenError::Damaged));
    assert_eq!(fault(&|sealed| sealed[0] = 2), Some(OpenError::UnknownVersion { found: 2 }));
    assert_eq!(fault(&|sealed| sealed[1] = 0x20), Some(OpenError::UnknownType { found: 0x20 }));
    let (expected, found) = (ObjectType::Index, ObjectType::Label);
    assert_eq!(fault(&|sealed| sealed[1] = 6), Some(OpenError::WrongType { expected, found }));
    let wrong_key = fault(&|sealed| sealed[2] = 0);
    assert!(matches!(wrong_key, Some(OpenError::WrongKeyId { .. })));
    let longest = max_object_bytes(ObjectType::Index);
    assert_eq!(fault(&|sealed| sealed.resize(longest + 1, 0)), Some(OpenError::TooLong));
    assert_eq!(fault(&|sealed| sealed.resize(longest, 0)), Some(OpenError::Damaged));
    assert_eq!(fault(&|sealed| sealed[10] ^= 1), Some(OpenError::Commitment), "the nonce");
    assert_eq!(fault(&|sealed| sealed[HEAD_LEN] ^= 1), Some(OpenError::Commitment));
    assert_eq!(fault(&|sealed| sealed[BODY_AT] ^= 1), Some(OpenError::Damaged));
    assert_eq!(fault(&|sealed| sealed.truncate(sealed.len() - 1)), Some(OpenError::Damaged));
    let elsewhere = Binding::index(ACCOUNT, EPOCH, 2);
    assert_eq!(open(&key, &elsewhere, &sealed).err(), Some(OpenError::Damaged));
    let phrase = |byte| {
        let phrase = Phrase::init_with(|bytes| bytes.fill(byte));
        keys::recovery_slot_key(&phrase)
    };
    let slot = seal(&mut OsRng, &phrase(1), &binding, b"{}").expect("it fits");
    assert_eq!(open(&phrase(2), &binding, &slot).err(), Some(OpenError::Commitment));
}

/// What of an object can be seen without its key, as a login looks at a recovery slot.
#[test]
fn a_shape_is_seen_without_the_key() {
    let slot_key = keys::recovery_slot_key(&Phrase::init_with(|bytes| bytes.fill(1)));
    let binding = Binding::slot(ACCOUNT, EPOCH, 1);
    let slot = seal(&mut OsRng, &slot_key, &binding, b"{}").expect("it fits");
    let shape = |sealed: &[u8]| check_shape(sealed, ObjectType::RecoverySlot, KeyId::NONE).err();
    let with = |at: usize, byte: u8| {
        let mut slot = slot.clone();
        slot[at] = byte;
        shape(&slot)
    };
    assert_eq!(shape(&slot), None);
    assert_eq!(with(0, 2), Some(OpenError::UnknownVersion { found: 2 }));
    let (expected, found) = (ObjectType::RecoverySlot, ObjectType::PasswordSlot);
    assert_eq!(with(1, 1), Some(OpenError::WrongType { expected, found }));
    assert!(matches!(with(2, 1), Some(OpenError::WrongKeyId { .. })));
    assert_eq!(shape(&slot[..HEAD_LEN - 1]), Some(OpenError::TooShort));
    for length in [BODY_AT + TAG_LEN - 1, BODY_AT + TAG_LEN] {
        assert_eq!(shape(&slot[..length]), Some(OpenError::TooShort), "{length} bytes");
    }
    assert_eq!(shape(&slot[..slot.len() - 1]), Some(OpenError::Padding));
    assert_eq!(shape(&[&slot[..], &[0; 1024]].concat()), Some(OpenError::Padding));

    let label_key = keys::label_key(&keys::persona_key(&vault(1), PersonaId::from_bytes([1; 16])));
    let longest = seal(&mut OsRng, &label_key, &binding, &vec![b' '; 63 * 1024 - 4]);
    let longest = longest.expect("it fits");
    let shape = |sealed: &[u8]| check_shape(sealed, ObjectType::Label, label_key.key_id()).err();
    assert_eq!(shape(&longest), None);
    let most = max_object_bytes(ObjectType::Label);
    let odd = [&longest[..], &vec![0; most - longest.len()]].concat();
    assert_eq!(shape(&odd), Some(OpenError::Padding));
    assert_eq!(shape(&[&longest[..], &[0; 1024]].concat()), Some(OpenError::TooLong));
}

/// Holds rule 20.
#[test]
fn padding_has_one_form() {
    let key = keys::keyring_key(&RootKey::init_with(|bytes| bytes.fill(1)));
    let binding = Binding::keyring(ACCOUNT, EPOCH, 1);
    let padded = |json_bytes: u32, length: usize| {
        let mut plaintext = json_bytes.to_be_bytes().to_vec();
        plaintext.resize(plaintext.len() + json_bytes as usize, b' ');
        plaintext.resize(length, 0);
        plaintext
    };
    let opened = |plaintext: &[u8]| open(&key, &binding, &seal_raw(&key, &binding, plaintext));
    assert_eq!(opened(&padded(2, 1024)).map(|json| json.to_vec()), Ok(b"  ".to_vec()));
    assert_eq!(opened(&padded(1020, 1024)).map(|json| json.len()), Ok(1020));
    let mut dirty = padded(2, 1024);
    dirty[1023] = 1;
    let mut beyond = padded(2, 1024);
    beyond[..4].copy_from_slice(&1021_u32.to_be_bytes());
    for bad in [padded(2, 2048), padded(2, 1023), padded(2, 6), dirty, beyond, vec![0xff; 1024]] {
        assert_eq!(opened(&bad).err(), Some(OpenError::Padding));
    }
}

/// Holds rule 2.
#[test]
fn what_does_not_fit_is_not_sealed() {
    let slot = keys::recovery_slot_key(&Phrase::init_with(|bytes| bytes.fill(1)));
    let label = keys::label_key(&keys::persona_key(&vault(1), PersonaId::from_bytes([1; 16])));
    let binding = Binding::slot(ACCOUNT, EPOCH, 1);
    assert!(seal(&mut OsRng, &slot, &binding, &[b' '; 252]).is_ok());
    let error = seal(&mut OsRng, &slot, &binding, &[b' '; 253]);
    assert_eq!(
        error,
        Err(SealError::TooLong { object_type: ObjectType::RecoverySlot, bytes: 253 })
    );
    assert!(seal(&mut OsRng, &label, &binding, &vec![b' '; 63 * 1024 - 4]).is_ok());
    assert!(seal(&mut OsRng, &label, &binding, &vec![b' '; 63 * 1024 - 3]).is_err());
    // What stays on the device may be far larger than what a server takes.
    let local = keys::local_state_key(&vault(1));
    assert!(seal(&mut OsRng, &local, &binding, &vec![b' '; 2 * 1024 * 1024]).is_ok());
}

/// The whole construction once more, from the text of FORMAT.md.
#[test]
fn is_what_the_format_says() {
    let (key, binding) = (keys::index_key(&vault(3)), Binding::index(ACCOUNT, EPOCH, 5));
    let sealed = seal(&mut OsRng, &key, &binding, b"{}").expect("it fits");
    let nonce: &[u8; 24] = sealed[10..34].try_into().expect("24 bytes");
    let keys = derive::<64>(key.expose(), nonce, ObjectType::Index.label(), &[]);
    assert_eq!(sealed[34..66], keys.expose()[32..]);
    let mut associated = sealed[..34].to_vec();
    associated.extend_from_slice(&[1; 16]);
    associated.extend_from_slice(&[2; 16]);
    associated.extend_from_slice(&5_u64.to_be_bytes());
    let (body, tag) = sealed[66..].split_last_chunk().expect("there is a tag");
    let mut body = body.to_vec();
    let cipher = Cipher::new(keys.expose()[..32].try_into().expect("32 bytes"));
    cipher.open(nonce, &associated, &mut body, tag).expect("it opens");
    assert_eq!(body[..6], *b"\0\0\0\x02{}");
}

proptest! {
    #[test]
    fn any_text_round_trips(json in proptest::collection::vec(any::<u8>(), 0..6000), version: u64) {
        let key = keys::index_key(&vault(9));
        let binding = Binding::index(ACCOUNT, EPOCH, version);
        let sealed = seal(&mut OsRng, &key, &binding, &json).expect("it fits");
        prop_assert_eq!(&*open(&key, &binding, &sealed).expect("it opens"), &json);
        let again = seal(&mut OsRng, &key, &binding, &json).expect("it fits");
        prop_assert_ne!(sealed, again, "a fresh nonce each time");
    }
}

#[test]
fn a_shape_without_room_for_json_is_none() {
    let head = [&[FORMAT_VERSION, ObjectType::Keyring.byte()][..], &[0; 8]].concat();
    let shape = |plaintext_bytes| {
        let mut sealed = head.clone();
        sealed.resize(BODY_AT + plaintext_bytes + TAG_LEN, 0);
        check_shape(&sealed, ObjectType::Keyring, KeyId::NONE)
    };
    assert_eq!(shape(1024), Ok(()));
    assert_eq!(shape(1023), Err(OpenError::Padding));
    // The least multiple of 1024 that nothing has, and one that no length fits in.
    assert_eq!((shape(0), shape(3)), (Err(OpenError::TooShort), Err(OpenError::TooShort)));
}
