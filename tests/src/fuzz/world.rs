//! The one account that all inputs are of: that of the test vectors, so that these are inputs too.

use std::sync::OnceLock;

use keybackup::keys::{self, SealingKey};
use keybackup::records::Keyring;
use keybackup::seal::{Binding, object, padding};
use keybackup::secret::{DerivedKey, ExportKey, PersonaKey, Phrase, RootKey, VaultKey};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId, KeyId, PersonaId};
use opaque_ke::rand::{CryptoRng, Error, RngCore};

use super::raw::Bound;

pub(super) const ACCOUNT: AccountId = AccountId::from_bytes(*b"account id 16 B.");
pub(super) const EPOCH: EpochId = EpochId::from_bytes(*b"epoch id 16 byte");
pub(super) const PERSONA: PersonaId = PersonaId::from_bytes(*b"persona id 16 B.");
pub(super) const DEVICE: DeviceId = DeviceId::from_bytes(*b"device id 16 by.");
pub(super) const KEY_ID: KeyId = KeyId::from_bytes(*b"vault ky");

/// A generator that gives the bytes it was given, and then what follows from them.
pub(super) struct Fixed {
    first: Vec<u8>,
    then: blake3::OutputReader,
}

impl Fixed {
    /// One that begins with these bytes.
    pub(super) fn beginning(first: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("keybackup fuzz targets");
        Self { first: first.to_vec(), then: hasher.update(first).finalize_xof() }
    }

    /// The one that made the vectors' keys.
    fn of_vectors(name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("keybackup test vectors");
        Self { first: Vec::new(), then: hasher.update(name.as_bytes()).finalize_xof() }
    }
}

impl RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        let count = out.len().min(self.first.len());
        let (first, then) = out.split_at_mut(count);
        first.copy_from_slice(&self.first[..count]);
        self.first.drain(..count);
        self.then.fill(then);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

/// Not true, and nothing here is secret.
impl CryptoRng for Fixed {}

pub(super) fn root() -> RootKey {
    RootKey::generate(&mut Fixed::of_vectors("world: root key"))
}

pub(super) fn vault() -> VaultKey {
    let key = DerivedKey::generate(&mut Fixed::of_vectors("world: vault key"));
    VaultKey::new(KEY_ID, key)
}

pub(super) fn persona_key() -> PersonaKey {
    keys::persona_key(&vault(), PERSONA)
}

/// The account's keyring: the active key, and one that opens only.
pub(super) fn keyring() -> &'static Keyring {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    KEYRING.get_or_init(|| {
        let b64 = |bytes: &[u8]| B64::from(bytes).to_text();
        let json = serde_json::json!({
            "version": 3,
            "min_writer": 1,
            "keys": [
                { "id": KEY_ID, "key": b64(vault().expose()), "state": "active" },
                { "id": KeyId::from_bytes([2; 8]), "key": b64(&[2; 32]), "state": "open-only" },
            ],
        });
        let sealed = Sealed::Keyring.seal(3, json.to_string().as_bytes());
        let sealed = sealed.expect("it is short");
        Keyring::open(&root(), ACCOUNT, EPOCH, 3, &sealed).expect("it is sound")
    })
}

/// The types of sealed objects that there are records for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sealed {
    PasswordSlot,
    RecoverySlot,
    Keyring,
    Index,
    Label,
    DeviceRecord,
    LocalState,
}

impl Sealed {
    pub(super) const ALL: [Self; 7] = [
        Self::PasswordSlot,
        Self::RecoverySlot,
        Self::Keyring,
        Self::Index,
        Self::Label,
        Self::DeviceRecord,
        Self::LocalState,
    ];

    /// The one key that seals it.
    pub(super) fn key(self) -> SealingKey {
        let export_key = || ExportKey::generate(&mut Fixed::of_vectors("world: export key"));
        let phrase = || Phrase::generate(&mut Fixed::of_vectors("world: phrase"));
        match self {
            Self::PasswordSlot => keys::password_slot_key(&export_key()),
            Self::RecoverySlot => keys::recovery_slot_key(&phrase()),
            Self::Keyring => keys::keyring_key(&root()),
            Self::Index => keys::index_key(&vault()),
            Self::Label => keys::label_key(&persona_key()),
            Self::DeviceRecord => keys::device_record_key(&vault()),
            Self::LocalState => keys::local_state_key(&vault()),
        }
    }

    pub(super) const fn binding(self, version: u64) -> Binding {
        match self {
            Self::PasswordSlot | Self::RecoverySlot => Binding::slot(ACCOUNT, EPOCH, version),
            Self::Keyring => Binding::keyring(ACCOUNT, EPOCH, version),
            Self::Index => Binding::index(ACCOUNT, EPOCH, version),
            Self::Label => Binding::label(ACCOUNT, PERSONA, version),
            Self::DeviceRecord => Binding::device_record(ACCOUNT, DEVICE, version),
            Self::LocalState => Binding::local_state(ACCOUNT, DEVICE),
        }
    }

    /// The same for who seals by hand.
    pub(super) const fn bound(self, version: u64) -> Bound {
        let (object, version) = match self {
            Self::Label => (*PERSONA.as_bytes(), version),
            Self::DeviceRecord => (*DEVICE.as_bytes(), version),
            Self::LocalState => (*DEVICE.as_bytes(), 0),
            _ => (*EPOCH.as_bytes(), version),
        };
        Bound { account: ACCOUNT, object, version }
    }

    /// How long its plaintext is around so much JSON, by FORMAT.md section 4.
    pub(super) fn plaintext_bytes(self, json_bytes: usize) -> usize {
        match self {
            Self::PasswordSlot | Self::RecoverySlot => 256,
            Self::Keyring | Self::Label | Self::DeviceRecord => {
                (4 + json_bytes).next_multiple_of(1024)
            }
            Self::Index | Self::LocalState => {
                let padded = padding::padme(4 + json_bytes as u64);
                usize::try_from(padded).expect("inputs are short").max(4096)
            }
        }
    }

    /// Any JSON under its seal; `None` if it is too long for one.
    pub(super) fn seal(self, version: u64, json: &[u8]) -> Option<Vec<u8>> {
        let mut rng = Fixed::beginning(b"any nonce");
        object::seal(&mut rng, &self.key(), &self.binding(version), json).ok()
    }
}
