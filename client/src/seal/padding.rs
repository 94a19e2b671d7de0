//! How long sealed things are made, so that their lengths tell little: fixed sizes, steps of
//! 1 KiB, or Padmé (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, "Reducing Metadata Leakage
//! from Encrypted Files and Communication with PURBs", `PoPETs` 2019(4), section 4).

use keybackup_protocol::limits::{
    MAX_BLOB_BYTES, MAX_INDEX_BYTES, MAX_KEYRING_BYTES, MAX_LABEL_BYTES, MAX_SLOT_BYTES,
};

use super::chunk::{CHUNK_BYTES, SEALED_CHUNK_BYTES};
use super::cipher::TAG_LEN;
use super::header::Header;
use crate::keys::ObjectType;

/// Plaintext of a slot, in bytes.
const SLOT_BYTES: usize = 256;
/// Step of labels, keyrings and records, in bytes.
const STEP_BYTES: usize = 1024;
/// Least plaintext of index, local state and stat cache, in bytes.
const LEAST_LIST_BYTES: usize = 4096;
/// Least plaintext of a blob, in bytes.
pub const LEAST_BLOB_PLAINTEXT_BYTES: u64 = 16 * 1024;
/// The zip length that ends a blob's plaintext, in bytes.
pub(crate) const TRAILER_BYTES: u64 = 8;
/// Largest local state or stat cache: they never travel, so only memory bounds them.
const MAX_LOCAL_BYTES: usize = 512 * 1024 * 1024;

/// The padded length of `bytes` by Padmé: at most 12 % more, and log log n bits of n leak.
///
/// With E = ⌊log₂ n⌋ and S = ⌊log₂ E⌋ + 1, the last E − S bits of the length are zero.
///
/// # Panics
/// Above 2⁶², where rounding up could overflow. Nothing here comes near.
pub const fn padme(bytes: u64) -> u64 {
    assert!(bytes <= 1 << 62, "no length here is that long");
    if bytes <= 1 {
        return bytes;
    }
    let exponent = bytes.ilog2();
    let significant = exponent.ilog2() + 1;
    let mask = (1 << (exponent - significant)) - 1;
    (bytes + mask) & !mask
}

/// Length of a blob's plaintext, padding and trailer included, for a zip of `zip_bytes`.
pub const fn blob_plaintext_bytes(zip_bytes: u64) -> u64 {
    let padded = padme(zip_bytes + TRAILER_BYTES);
    if padded <= LEAST_BLOB_PLAINTEXT_BYTES { LEAST_BLOB_PLAINTEXT_BYTES } else { padded }
}

/// Length of a whole blob, header and tags included, for a zip of `zip_bytes`.
pub const fn blob_bytes(zip_bytes: u64) -> u64 {
    let plaintext = blob_plaintext_bytes(zip_bytes);
    Header::LEN as u64 + plaintext + plaintext.div_ceil(CHUNK_BYTES as u64) * TAG_LEN as u64
}

/// Length of the plaintext of a whole blob of `blob_bytes`, if a blob can have that length.
pub(crate) fn plaintext_of_blob(blob_bytes: u64) -> Option<u64> {
    let payload = blob_bytes.checked_sub(Header::LEN as u64)?;
    let chunks = payload.div_ceil(SEALED_CHUNK_BYTES as u64);
    let plaintext = payload.checked_sub(chunks * TAG_LEN as u64)?;
    let possible = blob_bytes <= MAX_BLOB_BYTES
        && plaintext >= LEAST_BLOB_PLAINTEXT_BYTES
        && padme(plaintext) == plaintext
        && plaintext.div_ceil(CHUNK_BYTES as u64) == chunks;
    possible.then_some(plaintext)
}

/// Length of the padded plaintext of an object whose lp(JSON) has `bytes` bytes, if it fits.
pub(crate) fn object_plaintext_bytes(object_type: ObjectType, bytes: usize) -> Option<usize> {
    let padded = match object_type {
        ObjectType::PasswordSlot | ObjectType::RecoverySlot | ObjectType::DeviceSlot => SLOT_BYTES,
        ObjectType::Keyring
        | ObjectType::Label
        | ObjectType::DeviceRecord
        | ObjectType::TokenRecord
        | ObjectType::Invitation => bytes.checked_next_multiple_of(STEP_BYTES)?,
        ObjectType::Index | ObjectType::LocalState | ObjectType::StatCache | ObjectType::Parcel => {
            let bytes = u64::try_from(bytes).ok().filter(|bytes| *bytes <= 1 << 32)?;
            usize::try_from(padme(bytes)).ok()?.max(LEAST_LIST_BYTES)
        }
    };
    (bytes <= padded).then_some(padded)
}

/// Largest sealed object of a type, in bytes.
pub(crate) const fn max_object_bytes(object_type: ObjectType) -> usize {
    match object_type {
        ObjectType::PasswordSlot | ObjectType::RecoverySlot | ObjectType::DeviceSlot => {
            MAX_SLOT_BYTES
        }
        ObjectType::Keyring => MAX_KEYRING_BYTES,
        ObjectType::Index => MAX_INDEX_BYTES,
        ObjectType::Label
        | ObjectType::DeviceRecord
        | ObjectType::TokenRecord
        | ObjectType::Invitation => MAX_LABEL_BYTES,
        ObjectType::LocalState | ObjectType::StatCache | ObjectType::Parcel => MAX_LOCAL_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Holds rule 20.
    #[test]
    fn padme_agrees_with_the_paper() {
        for (bytes, padded) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (8, 8),
            (9, 10), // the paper's example: 9 bytes become 10
            (63, 64),
            (65, 72),
            (1000, 1024),
            (1025, 1088),
            (65_537, 67_584),
            (1_000_000, 1_015_808),
            ((1 << 30) + 1, (1 << 30) + (1 << 25)),
        ] {
            assert_eq!(padme(bytes), padded, "{bytes}");
        }
    }

    /// Holds rule 20.
    #[test]
    fn blobs_have_the_lengths_of_the_format() {
        assert_eq!(blob_bytes(0), 121 + 16_384 + 16);
        assert_eq!(blob_bytes(16_384 - 8), blob_bytes(0));
        assert_eq!(blob_bytes(16_384 - 7), 121 + 17_408 + 16);
        assert_eq!(blob_bytes(65_536 - 8), 121 + 65_536 + 16);
        assert_eq!(blob_bytes(65_536 - 7), 121 + 67_584 + 32);
        assert_eq!(plaintext_of_blob(121 + 16_384), None);
        assert_eq!(plaintext_of_blob(121 + 65_536 + 16 + 8 + 16), None, "an odd length");
        assert_eq!(plaintext_of_blob(u64::MAX), None);
    }

    /// Holds rule 20.
    #[test]
    fn objects_have_the_lengths_of_the_format() {
        use ObjectType as T;
        for (object_type, bytes, padded) in [
            (T::PasswordSlot, 60, Some(256)),
            (T::RecoverySlot, 256, Some(256)),
            (T::RecoverySlot, 257, None),
            (T::Keyring, 1, Some(1024)),
            (T::Label, 1024, Some(1024)),
            (T::DeviceRecord, 1025, Some(2048)),
            (T::Index, 4, Some(4096)),
            (T::Index, 4097, Some(4352)),
            (T::LocalState, 10_000, Some(10_240)),
            (T::StatCache, usize::MAX, None),
        ] {
            assert_eq!(object_plaintext_bytes(object_type, bytes), padded, "{object_type:?}");
        }
    }

    proptest! {
        #[test]
        fn padme_grows_little_and_never_twice(bytes in 1_u64..1 << 41) {
            let padded = padme(bytes);
            prop_assert!(padded >= bytes && (padded - bytes) * 100 <= bytes * 12);
            prop_assert_eq!(padme(padded), padded);
        }

        #[test]
        fn a_blob_tells_its_plaintext_length(zip_bytes in 0_u64..1 << 39) {
            let expected = Some(blob_plaintext_bytes(zip_bytes));
            prop_assert_eq!(plaintext_of_blob(blob_bytes(zip_bytes)), expected);
        }
    }
}
