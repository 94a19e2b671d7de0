//! Takes bytes as a sealed object, as a plaintext under a right seal, or as changes to a sound
//! object. An object that opens is the one and only sealing of its JSON under its nonce, its
//! plaintext is padded as FORMAT.md section 4 says, and it opens nowhere else. The JSON goes to its
//! record: slots, keyrings and device records are parsed here.

use keybackup::seal::object;

use super::input::Input;
use super::raw;
use super::records;
use super::world::{Fixed, Sealed};

/// Runs one input: type, what the rest is, version, and the rest.
pub fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let sealed_type = Sealed::ALL[usize::from(input.byte()) % Sealed::ALL.len()];
    let mode = input.byte();
    let version = input.u64();
    match mode % 3 {
        0 => any(sealed_type, version, input.rest()),
        1 => by_hand(sealed_type, version, input),
        _ => changed(sealed_type, version, input),
    }
}

/// Whether these bytes open; then they are what sealing their JSON gives.
fn any(sealed_type: Sealed, version: u64, sealed: &[u8]) -> bool {
    let (key, binding) = (sealed_type.key(), sealed_type.binding(version));
    let Ok(json) = object::open(&key, &binding, sealed) else {
        assert!(!records::opens(sealed_type, version, sealed));
        return false;
    };
    let mut rng = Fixed::beginning(&sealed[10..34]);
    let again = object::seal(&mut rng, &key, &binding, &json).expect("it was sealed once");
    assert!(again == sealed, "not the sealing of its JSON");
    let shape = object::check_shape(sealed, key.object_type(), key.key_id());
    assert_eq!(shape, Ok(()));

    for other in Sealed::ALL.into_iter().filter(|other| *other != sealed_type) {
        assert!(object::open(&other.key(), &other.binding(version), sealed).is_err());
        assert!(object::open(&other.key(), &binding, sealed).is_err());
    }
    if sealed_type != Sealed::LocalState {
        let elsewhen = sealed_type.binding(version ^ 1);
        assert!(object::open(&key, &elsewhen, sealed).is_err());
    }
    records::opens(sealed_type, version, sealed)
}

/// A right seal around any plaintext, which is one of the format or refused.
fn by_hand(sealed_type: Sealed, version: u64, mut input: Input<'_>) -> bool {
    let is_padded = input.byte().is_multiple_of(2);
    let plaintext = if is_padded {
        let length = usize::from(input.u16());
        let json = input.piece(length);
        let mut padded = raw::padded(json, sealed_type.plaintext_bytes(json.len()).max(4 + length));
        input.mutate(&mut padded);
        padded
    } else {
        input.rest().to_vec()
    };
    let sealed = raw::object(&sealed_type.key(), sealed_type.bound(version), [9; 24], &plaintext);
    let json = plaintext.split_first_chunk().and_then(|(length, rest)| {
        let json = rest.get(..u32::from_be_bytes(*length) as usize)?;
        let length = sealed_type.plaintext_bytes(json.len());
        (plaintext.len() == length && raw::padded(json, length) == plaintext).then_some(json)
    });
    let opened = object::open(&sealed_type.key(), &sealed_type.binding(version), &sealed).ok();
    assert!(opened.as_ref().map(|json| json.as_slice()) == json, "padding is not as it must be");
    any(sealed_type, version, &sealed)
}

/// A sound object, changed: it opens only if the changes have cancelled each other out.
fn changed(sealed_type: Sealed, version: u64, mut input: Input<'_>) -> bool {
    let length = usize::from(input.u16());
    let Some(original) = sealed_type.seal(version, input.piece(length)) else { return false };
    let mut sealed = original.clone();
    input.mutate(&mut sealed);
    let opened = object::open(&sealed_type.key(), &sealed_type.binding(version), &sealed);
    assert_eq!(opened.is_ok(), sealed == original, "{:?}", opened.err());
    any(sealed_type, version, &sealed)
}
