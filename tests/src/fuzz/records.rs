//! Opens sealed records and holds them to FORMAT.md: what opens keeps every rule of section 6, can
//! be sealed again and opens as the same, and opens as no other version.

use keybackup::records::{DeviceRecord, Index, Keyring, Label, LocalState, RecordError, slot};
use keybackup::seal::object;
use serde_json::Value;

use super::rules;
use super::terminal::assert_inert;
use super::world::{ACCOUNT, DEVICE, EPOCH, Fixed, PERSONA, Sealed, keyring, root};

/// Whether this JSON, under a right seal, opens as a record. Its version outside is the one inside,
/// if there is one.
pub(super) fn takes(sealed_type: Sealed, json: &[u8]) -> bool {
    let inside = serde_json::from_slice::<Value>(json).ok();
    let inside = inside.and_then(|json| json.get(version_field(sealed_type))?.as_u64());
    let version = inside.unwrap_or(1);
    sealed_type.seal(version, json).is_some_and(|sealed| opens(sealed_type, version, &sealed))
}

/// Whether a sealed object, good or bad, opens as a record.
pub(super) fn opens(sealed_type: Sealed, version: u64, sealed: &[u8]) -> bool {
    let opened = again(sealed_type, version, sealed);
    let resealed = match opened {
        Ok(resealed) => resealed,
        // Nothing but newer programs may rewrite it: it opened nevertheless.
        Err(RecordError::MinWriter { .. }) => {
            rules::check(sealed_type, version, &json(sealed_type, version, sealed));
            return true;
        }
        Err(RecordError::Seal(error)) => panic!("what was opened can't be sealed: {error}"),
        Err(error) => {
            let mut texts = vec![error.to_string()];
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                texts.push(source.to_string());
                cause = source;
            }
            for text in texts {
                assert_inert(&text);
            }
            return false;
        }
    };
    let (before, after) =
        (json(sealed_type, version, sealed), json(sealed_type, version, &resealed));
    rules::check(sealed_type, version, &before);
    rules::check(sealed_type, version, &after);
    rules::assert_kept(sealed_type, &before, &after);
    if sealed_type != Sealed::LocalState {
        assert!(again(sealed_type, version.wrapping_add(1), sealed).is_err(), "another version");
    }
    true
}

/// The JSON in an object that opens.
fn json(sealed_type: Sealed, version: u64, sealed: &[u8]) -> Vec<u8> {
    let opened = object::open(&sealed_type.key(), &sealed_type.binding(version), sealed);
    opened.expect("it opened before").to_vec()
}

/// Opens a record, seals it again, opens that, and finds the same. Gives the second sealing.
fn again(sealed_type: Sealed, version: u64, sealed: &[u8]) -> Result<Vec<u8>, RecordError> {
    const SAME: &str = "what was sealed opens";
    let rng = &mut Fixed::beginning(b"the other sealing");
    match sealed_type {
        Sealed::PasswordSlot | Sealed::RecoverySlot => {
            let key = sealed_type.key();
            let root = slot::open(&key, ACCOUNT, EPOCH, version, sealed)?;
            let resealed = slot::seal(rng, &key, ACCOUNT, EPOCH, version, &root)?;
            let same = slot::open(&key, ACCOUNT, EPOCH, version, &resealed).expect(SAME);
            assert_eq!(same.expose(), root.expose());
            Ok(resealed)
        }
        Sealed::Keyring => {
            let opened = Keyring::open(&root(), ACCOUNT, EPOCH, version, sealed)?;
            let resealed = opened.seal(rng, &root(), ACCOUNT, EPOCH)?;
            let same = Keyring::open(&root(), ACCOUNT, EPOCH, version, &resealed).expect(SAME);
            assert!(same.contains_all(&opened) && opened.contains_all(&same));
            assert_eq!((same.version(), same.active().id()), (version, opened.active().id()));
            Ok(resealed)
        }
        Sealed::Index => {
            let opened = Index::open(keyring(), ACCOUNT, EPOCH, version, sealed)?;
            let resealed = opened.seal(rng, keyring(), ACCOUNT, EPOCH)?.bytes;
            let same = Index::open(keyring(), ACCOUNT, EPOCH, version, &resealed).expect(SAME);
            assert_eq!(same, opened);
            Ok(resealed)
        }
        Sealed::Label => {
            let opened = Label::open(keyring(), ACCOUNT, PERSONA, version, sealed)?.label;
            let resealed = opened.seal(rng, keyring(), ACCOUNT, PERSONA).expect(SAME).bytes;
            let same = Label::open(keyring(), ACCOUNT, PERSONA, version, &resealed).expect(SAME);
            assert_eq!(same.label, opened);
            Ok(resealed)
        }
        Sealed::DeviceRecord => {
            let opened = DeviceRecord::open(keyring(), ACCOUNT, DEVICE, version, sealed)?;
            let resealed = opened.seal(rng, keyring(), ACCOUNT, DEVICE, version).expect(SAME).bytes;
            let same = DeviceRecord::open(keyring(), ACCOUNT, DEVICE, version, &resealed);
            assert_eq!(same.expect(SAME), opened);
            Ok(resealed)
        }
        Sealed::LocalState => {
            let opened = LocalState::open(keyring(), ACCOUNT, DEVICE, sealed)?;
            let resealed = opened.seal(rng, keyring(), ACCOUNT, DEVICE).expect(SAME);
            let same = LocalState::open(keyring(), ACCOUNT, DEVICE, &resealed).expect(SAME);
            assert_eq!(same, opened);
            Ok(resealed)
        }
    }
}

/// The field that says again which version it is.
const fn version_field(sealed_type: Sealed) -> &'static str {
    if matches!(sealed_type, Sealed::Index) { "counter" } else { "version" }
}
