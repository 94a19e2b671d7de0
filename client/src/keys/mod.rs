//! From password, phrase and root to the key of every sealed thing: derivations, labels, password
//! preparation, recovery phrases, key stretching, and the client's side of OPAQUE (RFC 9807).

pub mod derive;
pub mod ksf;
pub mod labels;
pub mod opaque;
pub mod password;
pub mod phrase;
#[cfg(test)]
mod rfc9807;
mod tree;

pub use derive::derive;
pub use labels::{BlobType, FORMAT_VERSION, Label, ObjectType};
pub use tree::{
    BlobKeys, SealingKey, device_record_key, index_key, keyring_key, label_key, local_state_key,
    parcel_key, password_slot_key, persona_key, phrase_proof, recovery_slot_key, root_proof,
    stat_cache_key, token_record_key, verifier,
};
