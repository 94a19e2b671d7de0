//! Sealed objects: `version ‖ type ‖ key id ‖ nonce ‖ commitment ‖ ciphertext`, bound to account,
//! object and object version, and padded.

use keybackup_protocol::{AccountId, DeviceId, EpochId, KeyId, PersonaId, Reader};
use rand08::{CryptoRng, RngCore};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::cipher::{Cipher, NONCE_LEN, TAG_LEN};
use super::padding::{max_object_bytes, object_plaintext_bytes};
use crate::keys::{FORMAT_VERSION, ObjectType, SealingKey, derive};
use crate::secret::DerivedKey;

const COMMITMENT_LEN: usize = 32;
/// Before the commitment: version, type, key id, nonce.
const HEAD_LEN: usize = 1 + 1 + KeyId::LEN + NONCE_LEN;
/// Where the ciphertext begins.
const BODY_AT: usize = HEAD_LEN + COMMITMENT_LEN;
/// What an object is longer than its padded plaintext.
const AROUND_LEN: usize = BODY_AT + TAG_LEN;
/// Before the JSON: its length.
const LENGTH_LEN: usize = 4;

/// What an object is bound to beside its own head: it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    account: AccountId,
    object: [u8; 16],
    version: u64,
}

impl Binding {
    /// Of a slot: its epoch and generation.
    pub const fn slot(account: AccountId, epoch: EpochId, generation: u64) -> Self {
        Self { account, object: *epoch.as_bytes(), version: generation }
    }

    /// Of a keyring: its epoch and version.
    pub const fn keyring(account: AccountId, epoch: EpochId, version: u64) -> Self {
        Self { account, object: *epoch.as_bytes(), version }
    }

    /// Of an index: its epoch and counter.
    pub const fn index(account: AccountId, epoch: EpochId, counter: u64) -> Self {
        Self { account, object: *epoch.as_bytes(), version: counter }
    }

    /// Of a label: its persona and version.
    pub const fn label(account: AccountId, persona: PersonaId, version: u64) -> Self {
        Self { account, object: *persona.as_bytes(), version }
    }

    /// Of a device record: its device and revision.
    pub const fn device_record(account: AccountId, device: DeviceId, revision: u64) -> Self {
        Self { account, object: *device.as_bytes(), version: revision }
    }

    /// Of a device's local state.
    pub const fn local_state(account: AccountId, device: DeviceId) -> Self {
        Self { account, object: *device.as_bytes(), version: 0 }
    }

    /// Of a persona's stat cache.
    pub const fn stat_cache(account: AccountId, persona: PersonaId) -> Self {
        Self { account, object: *persona.as_bytes(), version: 0 }
    }

    /// Of a device's parcel.
    pub const fn parcel(account: AccountId, device: DeviceId) -> Self {
        Self { account, object: *device.as_bytes(), version: 0 }
    }

    /// The associated data: everything before the commitment ‖ account ‖ object ‖ version.
    fn associated(&self, head: &[u8; HEAD_LEN]) -> [u8; HEAD_LEN + 16 + 16 + 8] {
        let mut associated = [0; HEAD_LEN + 16 + 16 + 8];
        associated[..HEAD_LEN].copy_from_slice(head);
        associated[HEAD_LEN..][..16].copy_from_slice(self.account.as_bytes());
        associated[HEAD_LEN + 16..][..16].copy_from_slice(&self.object);
        associated[HEAD_LEN + 32..].copy_from_slice(&self.version.to_be_bytes());
        associated
    }
}

/// Why a text was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Longer than an object of this type may be.
    #[error("{bytes} bytes are too many for a sealed object of type {object_type:?}")]
    TooLong {
        /// The type.
        object_type: ObjectType,
        /// Length of the JSON.
        bytes: usize,
    },
}

/// Why a sealed object did not open, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Fewer bytes than any sealed object has.
    #[error("the sealed object ends early")]
    TooShort,
    /// More bytes than an object of this type may have.
    #[error("the sealed object is too long")]
    TooLong,
    /// A format that this program does not know.
    #[error("sealed objects of version {found} are not known here")]
    UnknownVersion {
        /// The version byte.
        found: u8,
    },
    /// A type that this program does not know.
    #[error("sealed objects of type {found:#04x} are not known here")]
    UnknownType {
        /// The type byte.
        found: u8,
    },
    /// Another type than asked for.
    #[error("a sealed {found:?} stands in for a {expected:?}")]
    WrongType {
        /// What was asked for.
        expected: ObjectType,
        /// What it claims to be.
        found: ObjectType,
    },
    /// Another vault key than the one given.
    #[error("the object is sealed under key {found}, not {expected}")]
    WrongKeyId {
        /// The key that was given.
        expected: KeyId,
        /// The key that it names.
        found: KeyId,
    },
    /// The key is another, or nonce or commitment are damaged. Under a key that has been proven
    /// it is damage; under a phrase it may be a wrong phrase.
    #[error("the key does not fit, or the sealed object is damaged")]
    Commitment,
    /// The key fits, but the content, its account, its id or its version does not.
    #[error("the sealed object is damaged or belongs elsewhere")]
    Damaged,
    /// The key fits and the content is authentic, but its length is not one of the format, or
    /// the padding is not zeros: whoever sealed it did not follow the format.
    #[error("the sealed object is padded in another way than the format says")]
    Padding,
}

/// The type and vault key that a sealed object claims, to choose the key that may open it. Not
/// authenticated by itself; [`open`] compares both.
pub fn head(sealed: &[u8]) -> Result<(ObjectType, KeyId), OpenError> {
    let short = |_| OpenError::TooShort;
    let mut head = Reader::new(sealed.first_chunk::<HEAD_LEN>().ok_or(OpenError::TooShort)?);
    let [version, object_type] = head.array().map_err(short)?;
    if version != FORMAT_VERSION {
        return Err(OpenError::UnknownVersion { found: version });
    }
    let object_type =
        ObjectType::from_byte(object_type).ok_or(OpenError::UnknownType { found: object_type })?;
    Ok((object_type, KeyId::from_bytes(head.array().map_err(short)?)))
}

/// Checks what can be seen of an object without its key: version, type, key id, and that it has a
/// length that its type can have.
pub fn check_shape(
    sealed: &[u8],
    expected_type: ObjectType,
    expected_id: KeyId,
) -> Result<(), OpenError> {
    let (found_type, found_id) = head(sealed)?;
    if found_type != expected_type {
        return Err(OpenError::WrongType { expected: expected_type, found: found_type });
    }
    if found_id != expected_id {
        return Err(OpenError::WrongKeyId { expected: expected_id, found: found_id });
    }
    if sealed.len() > max_object_bytes(expected_type) {
        return Err(OpenError::TooLong);
    }
    let plaintext_bytes = sealed.len().checked_sub(AROUND_LEN);
    let plaintext_bytes =
        plaintext_bytes.filter(|bytes| *bytes >= LENGTH_LEN).ok_or(OpenError::TooShort)?;
    // A padded length is its own padded length, and no other is.
    if object_plaintext_bytes(expected_type, plaintext_bytes) != Some(plaintext_bytes) {
        return Err(OpenError::Padding);
    }
    Ok(())
}

/// Seals `json` under a fresh nonce.
pub fn seal(
    rng: &mut (impl RngCore + CryptoRng),
    key: &SealingKey,
    binding: &Binding,
    json: &[u8],
) -> Result<Vec<u8>, SealError> {
    let object_type = key.object_type();
    let too_long = SealError::TooLong { object_type, bytes: json.len() };
    let plaintext_bytes = json
        .len()
        .checked_add(LENGTH_LEN)
        .and_then(|bytes| object_plaintext_bytes(object_type, bytes))
        .filter(|bytes| AROUND_LEN + bytes <= max_object_bytes(object_type))
        .ok_or(too_long)?;
    let json_bytes = u32::try_from(json.len()).map_err(|_| too_long)?;

    let mut head = [0; HEAD_LEN];
    head[0] = FORMAT_VERSION;
    head[1] = object_type.byte();
    head[2..10].copy_from_slice(key.key_id().as_bytes());
    rng.fill_bytes(&mut head[10..]);
    let nonce = nonce_of(&head);
    let keys = ObjectKeys::derive(key, nonce);

    // The plaintext is written where the ciphertext will be, in room that will not grow.
    let mut sealed = Vec::with_capacity(AROUND_LEN + plaintext_bytes);
    sealed.extend_from_slice(&head);
    sealed.extend_from_slice(keys.commitment());
    sealed.extend_from_slice(&json_bytes.to_be_bytes());
    sealed.extend_from_slice(json);
    sealed.resize(BODY_AT + plaintext_bytes, 0);
    let tag = keys.cipher().seal(nonce, &binding.associated(&head), &mut sealed[BODY_AT..]);
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens a sealed object and gives its JSON.
pub fn open(
    key: &SealingKey,
    binding: &Binding,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let expected = key.object_type();
    if sealed.len() < AROUND_LEN + LENGTH_LEN {
        return Err(OpenError::TooShort);
    }
    let (found, key_id) = self::head(sealed)?;
    if found != expected {
        return Err(OpenError::WrongType { expected, found });
    }
    if key_id != key.key_id() {
        return Err(OpenError::WrongKeyId { expected: key.key_id(), found: key_id });
    }
    if sealed.len() > max_object_bytes(expected) {
        return Err(OpenError::TooLong);
    }
    let (head, rest) = sealed.split_first_chunk::<HEAD_LEN>().ok_or(OpenError::TooShort)?;
    let (commitment, rest) =
        rest.split_first_chunk::<COMMITMENT_LEN>().ok_or(OpenError::TooShort)?;
    let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(OpenError::TooShort)?;
    let nonce = nonce_of(head);
    let keys = ObjectKeys::derive(key, nonce);
    if !bool::from(keys.commitment().ct_eq(commitment)) {
        return Err(OpenError::Commitment);
    }
    let mut plaintext = Zeroizing::new(body.to_vec());
    keys.cipher()
        .open(nonce, &binding.associated(head), &mut plaintext, tag)
        .map_err(|_| OpenError::Damaged)?;
    strip_padding(expected, plaintext)
}

/// Checks that the plaintext is lp(JSON) ‖ zeros of the right length, and leaves the JSON.
fn strip_padding(
    object_type: ObjectType,
    mut plaintext: Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut reader = Reader::new(&plaintext);
    let json_bytes = reader.lp().map_err(|_| OpenError::Padding)?.len();
    let is_zeros = reader.rest().iter().all(|byte| *byte == 0);
    let padded = object_plaintext_bytes(object_type, LENGTH_LEN + json_bytes);
    if !is_zeros || padded != Some(plaintext.len()) {
        return Err(OpenError::Padding);
    }
    plaintext.copy_within(LENGTH_LEN..LENGTH_LEN + json_bytes, 0);
    plaintext.truncate(json_bytes);
    Ok(plaintext)
}

fn nonce_of(head: &[u8; HEAD_LEN]) -> &[u8; NONCE_LEN] {
    head.last_chunk().expect("the head ends with the nonce")
}

/// One object's own keys: encryption key ‖ commitment.
struct ObjectKeys(DerivedKey<64>);

impl ObjectKeys {
    fn derive(key: &SealingKey, nonce: &[u8; NONCE_LEN]) -> Self {
        Self(derive(key.expose(), nonce, key.object_type().label(), &[]))
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(self.0.expose().first_chunk().expect("64 bytes hold 32"))
    }

    fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        self.0.expose().last_chunk().expect("64 bytes hold 32")
    }
}

#[cfg(test)]
mod tests;
