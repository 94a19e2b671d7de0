//! Every derivation label and every type byte of suite 1. A purpose has one label, a label one
//! purpose; nothing here changes, and a new purpose gets a new line.

/// What a key is derived for: the first field of the HKDF info.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Label {
    /// Export key → key of the password slot; and that slot's object keys.
    PasswordSlot,
    /// Phrase → key of the recovery slot; and that slot's object keys.
    RecoverySlot,
    /// PIN's export key and device secret → key of the device slot (reserved).
    DeviceSlot,
    /// Root key → object keys of a keyring.
    Keyring,
    /// Vault key → key of the index; and its object keys.
    Index,
    /// Persona key → key of its labels; and their object keys.
    Label,
    /// Vault key → key of the records of devices and tokens.
    Device,
    /// Object keys of a device record.
    DeviceRecord,
    /// Object keys of a token record.
    TokenRecord,
    /// Object keys of an invitation (reserved).
    Invitation,
    /// Vault key → key of what a device keeps sealed; and the marks' object keys.
    LocalState,
    /// Object keys of a stat cache.
    StatCache,
    /// Object keys of a parcel.
    Parcel,
    /// Vault key, with a persona id → key of that persona.
    Persona,
    /// Persona key, with salt and header → keys of one blob.
    Blob,
    /// Root key → proof that it is held.
    RootProof,
    /// Phrase → proof that it is held.
    PhraseProof,
    /// Device secret → proof that the device is held (reserved).
    DeviceProof,
}

impl Label {
    /// The bytes of the label.
    pub const fn text(self) -> &'static str {
        match self {
            Self::PasswordSlot => "password slot",
            Self::RecoverySlot => "recovery slot",
            Self::DeviceSlot => "device slot",
            Self::Keyring => "keyring",
            Self::Index => "index",
            Self::Label => "label",
            Self::Device => "device",
            Self::DeviceRecord => "device record",
            Self::TokenRecord => "token record",
            Self::Invitation => "invitation",
            Self::LocalState => "local state",
            Self::StatCache => "stat cache",
            Self::Parcel => "parcel",
            Self::Persona => "persona",
            Self::Blob => "blob",
            Self::RootProof => "root proof",
            Self::PhraseProof => "phrase proof",
            Self::DeviceProof => "device proof",
        }
    }
}

/// The version byte of every sealed object and blob.
pub const FORMAT_VERSION: u8 = 0x01;

/// The types of sealed objects. Their bytes share one register with [`BlobType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectType {
    /// The root key under the password's export key.
    PasswordSlot,
    /// The root key under the phrase.
    RecoverySlot,
    /// The root key under PIN and device secret (reserved).
    DeviceSlot,
    /// The vault keys under the root key.
    Keyring,
    /// What exists.
    Index,
    /// One version of one persona.
    Label,
    /// A device's name.
    DeviceRecord,
    /// A token's name (reserved).
    TokenRecord,
    /// What a joining device is given (reserved).
    Invitation,
    /// What a device has seen.
    LocalState,
    /// What a device knows of unchanged files.
    StatCache,
    /// What a device has sealed and not yet sent.
    Parcel,
}

impl ObjectType {
    /// Every type, in the order of their bytes.
    pub const ALL: [Self; 12] = [
        Self::PasswordSlot,
        Self::RecoverySlot,
        Self::DeviceSlot,
        Self::Keyring,
        Self::Index,
        Self::Label,
        Self::DeviceRecord,
        Self::TokenRecord,
        Self::Invitation,
        Self::LocalState,
        Self::StatCache,
        Self::Parcel,
    ];

    /// The type's byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::PasswordSlot => 0x01,
            Self::RecoverySlot => 0x02,
            Self::DeviceSlot => 0x03,
            Self::Keyring => 0x04,
            Self::Index => 0x05,
            Self::Label => 0x06,
            Self::DeviceRecord => 0x07,
            Self::TokenRecord => 0x08,
            Self::Invitation => 0x09,
            Self::LocalState => 0x0a,
            Self::StatCache => 0x0b,
            Self::Parcel => 0x0d,
        }
    }

    /// The type with this byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }

    /// The label under which an object's own keys are derived.
    pub const fn label(self) -> Label {
        match self {
            Self::PasswordSlot => Label::PasswordSlot,
            Self::RecoverySlot => Label::RecoverySlot,
            Self::DeviceSlot => Label::DeviceSlot,
            Self::Keyring => Label::Keyring,
            Self::Index => Label::Index,
            Self::Label => Label::Label,
            Self::DeviceRecord => Label::DeviceRecord,
            Self::TokenRecord => Label::TokenRecord,
            Self::Invitation => Label::Invitation,
            Self::LocalState => Label::LocalState,
            Self::StatCache => Label::StatCache,
            Self::Parcel => Label::Parcel,
        }
    }
}

/// The types of blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlobType {
    /// A directory, as a zip.
    Directory,
    /// The vault of one-time-password secrets, as a zip (reserved).
    OtpVault,
}

impl BlobType {
    /// The type's byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Directory => 0x20,
            Self::OtpVault => 0x21,
        }
    }

    /// The type with this byte.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x20 => Some(Self::Directory),
            0x21 => Some(Self::OtpVault),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Holds rule 10.
    #[test]
    fn types_are_distinct_and_come_back_from_their_bytes() {
        for kind in ObjectType::ALL {
            assert_eq!(ObjectType::from_byte(kind.byte()), Some(kind));
            assert_eq!(BlobType::from_byte(kind.byte()), None);
        }
        let labels: HashSet<_> = ObjectType::ALL.iter().map(|kind| kind.label().text()).collect();
        assert_eq!(labels.len(), ObjectType::ALL.len());
        for kind in [BlobType::Directory, BlobType::OtpVault] {
            assert_eq!(BlobType::from_byte(kind.byte()), Some(kind));
            assert_eq!(ObjectType::from_byte(kind.byte()), None);
        }
        for byte in 0..=u8::MAX {
            assert_eq!(BlobType::from_byte(byte).map_or(byte, BlobType::byte), byte);
            assert_eq!(ObjectType::from_byte(byte).map_or(byte, ObjectType::byte), byte);
        }
    }
}
