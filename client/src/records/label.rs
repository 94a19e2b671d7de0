//! Labels: one for every version of every persona, kept after its bytes are gone.

use keybackup_protocol::{AccountId, DeviceId, KeyId, PersonaId};
use rand08::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::json::{decode, encode, present};
use super::{
    Digest, HeaderBytes, KeyState, Keyring, MAX_INTEGER, Name, Nickname, RecordError, Rule,
    SealedRecord, moment, ordinal,
};
use crate::keys::{self, BlobType};
use crate::seal::{Binding, object, padding};

/// Most versions that one label supersedes.
const MAX_SUPERSEDED: usize = 64;

/// What an object of the account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A persona: a directory.
    Directory,
    /// The vault of one-time-password secrets.
    Otp,
}

impl Kind {
    /// The type that its blobs have.
    pub const fn blob_type(self) -> BlobType {
        match self {
            Self::Directory => BlobType::Directory,
            Self::Otp => BlobType::OtpVault,
        }
    }
}

/// One version of one persona. Fields that are `None` are null in JSON, not absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// What the persona is; never changes.
    pub kind: Kind,
    /// What it is called; a tombstone keeps the last name.
    pub name: Name,
    /// What it calls itself.
    #[serde(deserialize_with = "present")]
    pub nickname: Option<Nickname>,
    /// Which version this is, from 1.
    pub version: u64,
    /// The version whose bytes this label names: its own if it brought some, an older one after a
    /// rename, none for a tombstone.
    #[serde(deserialize_with = "present")]
    pub content_version: Option<u64>,
    /// Whether this version removes the persona.
    pub removed: bool,
    /// The bytes.
    #[serde(deserialize_with = "present")]
    pub content: Option<Content>,
    /// The device that made it.
    pub device: DeviceId,
    /// When, by that device's clock, in unix seconds.
    pub time: i64,
    /// BLAKE3 of the sealed label before it; none for version 1, and for a repair of a persona
    /// that the server has lost.
    #[serde(deserialize_with = "present")]
    pub previous: Option<Digest>,
    /// The keyring that its maker knew.
    pub keyring_version: u64,
    /// Versions that a repair has passed over.
    pub supersedes: Vec<Superseded>,
}

/// The bytes of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The blob's header.
    pub header: HeaderBytes,
    /// BLAKE3 of header and payload.
    pub blake3: Digest,
    /// Length of header and payload.
    pub blob_bytes: u64,
    /// Length of the zip inside.
    pub zip_bytes: u64,
    /// Of the tree, as FORMAT.md defines it.
    pub fingerprint: Digest,
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Sum of the files' sizes.
    pub bytes: u64,
}

/// A version that a repair has passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// The version.
    pub version: u64,
    /// BLAKE3 of its sealed label.
    pub label: Digest,
}

/// A label and what is known of its seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLabel {
    /// The label.
    pub label: Label,
    /// BLAKE3 of the sealed label.
    pub hash: Digest,
    /// The vault key that sealed it.
    pub key_id: KeyId,
    /// What that key may do today.
    pub key_state: KeyState,
}

impl Label {
    /// Opens version `version` of a persona's labels, under whichever key of the keyring sealed it;
    /// whether that key could still do so is for [`crate::marks::check`] to judge.
    pub fn open(
        keyring: &Keyring,
        account: AccountId,
        persona: PersonaId,
        version: u64,
        sealed: &[u8],
    ) -> Result<OpenedLabel, RecordError> {
        let (_, key_id) = object::head(sealed)?;
        let (vault_key, key_state) = keyring.find(key_id).ok_or(RecordError::UnknownKey(key_id))?;
        let key = keys::label_key(&keys::persona_key(vault_key, persona));
        let json = object::open(&key, &Binding::label(account, persona, version), sealed)?;
        let label: Self = decode(&json)?;
        label.check(account, persona)?;
        if label.version != version {
            return Err(Rule::Version.into());
        }
        Ok(OpenedLabel { label, hash: Digest::of(sealed), key_id, key_state })
    }

    /// Seals it under the active key.
    pub fn seal(
        &self,
        rng: &mut (impl RngCore + CryptoRng),
        keyring: &Keyring,
        account: AccountId,
        persona: PersonaId,
    ) -> Result<SealedRecord, RecordError> {
        self.check(account, persona)?;
        let key = keys::label_key(&keyring.active_persona_key(persona));
        let binding = Binding::label(account, persona, self.version);
        Ok(SealedRecord::new(object::seal(rng, &key, &binding, &encode(self))?))
    }

    fn check(&self, account: AccountId, persona: PersonaId) -> Result<(), Rule> {
        ordinal(self.version)?;
        ordinal(self.keyring_version)?;
        moment(self.time)?;
        if self.version == 1 && self.previous.is_some() {
            return Err(Rule::Previous);
        }
        let below = |superseded: &Superseded| (1..self.version).contains(&superseded.version);
        if self.supersedes.len() > MAX_SUPERSEDED || !self.supersedes.iter().all(below) {
            return Err(Rule::Supersedes);
        }
        match (self.removed, &self.content, self.content_version) {
            (true, None, None) => Ok(()),
            (false, Some(content), Some(content_version)) => {
                if !(1..=self.version).contains(&content_version) {
                    return Err(Rule::ContentVersion);
                }
                let header = content.header.header();
                let belongs = header.account == account
                    && header.persona == persona
                    && header.version == content_version
                    && header.blob_type == self.kind.blob_type();
                if belongs { content.check() } else { Err(Rule::Header) }
            }
            _ => Err(Rule::Tombstone),
        }
    }
}

impl Content {
    fn check(&self) -> Result<(), Rule> {
        let integers = [self.zip_bytes, self.blob_bytes, self.files, self.directories, self.bytes];
        if integers.iter().any(|integer| *integer > MAX_INTEGER) {
            return Err(Rule::Range);
        }
        if padding::blob_bytes(self.zip_bytes) == self.blob_bytes {
            Ok(())
        } else {
            Err(Rule::Sizes)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rand08::rngs::OsRng;

    use super::*;
    use crate::seal::Header;

    pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);
    pub(crate) const PERSONA: PersonaId = PersonaId::from_bytes([2; 16]);

    /// Version `version` of a directory called `name`, with bytes of its own.
    pub(crate) fn label(name: &str, version: u64, previous: Option<Digest>) -> Label {
        let header = Header {
            blob_type: BlobType::Directory,
            key_id: KeyId::from_bytes([3; 8]),
            account: ACCOUNT,
            persona: PERSONA,
            version,
            salt: [4; 32],
            commitment: [5; 32],
        };
        Label {
            kind: Kind::Directory,
            name: name.parse().expect("a name"),
            nickname: None,
            version,
            content_version: Some(version),
            removed: false,
            content: Some(Content {
                header: header.into(),
                blake3: Digest::of(b"blob"),
                blob_bytes: padding::blob_bytes(1000),
                zip_bytes: 1000,
                fingerprint: Digest::of(b"tree"),
                files: 2,
                directories: 1,
                bytes: 900,
            }),
            device: DeviceId::from_bytes([6; 16]),
            time: 1_700_000_000,
            previous,
            keyring_version: 1,
            supersedes: Vec::new(),
        }
    }

    #[test]
    fn round_trips_with_every_field() {
        let keyring = Keyring::first(&mut OsRng);
        let mut full = label("work", 9, Some(Digest::of(b"8")));
        full.nickname = Nickname::tidy("Alice");
        full.supersedes = vec![Superseded { version: 8, label: Digest::of(b"8'") }];
        let mut tombstone = label("work", 2, Some(Digest::of(b"1")));
        (tombstone.removed, tombstone.content, tombstone.content_version) = (true, None, None);
        for label in [full, tombstone, label("first", 1, None)] {
            let sealed = label.seal(&mut OsRng, &keyring, ACCOUNT, PERSONA).expect("sound");
            let opened = Label::open(&keyring, ACCOUNT, PERSONA, label.version, &sealed.bytes)
                .expect("it opens");
            assert_eq!(opened.hash, Digest::of(&sealed.bytes));
            assert_eq!((opened.hash, &opened.label), (sealed.hash, &label));
            assert_eq!(opened.key_state, KeyState::Active);
        }
    }

    /// Holds rule 8.
    #[test]
    fn refuses_what_breaks_a_rule() {
        let check = |change: fn(&mut Label)| {
            let mut label = label("work", 5, Some(Digest::of(b"4")));
            change(&mut label);
            label.check(ACCOUNT, PERSONA).err()
        };
        let content = |label: &mut Label, change: fn(&mut Content)| {
            change(label.content.as_mut().expect("there is content"));
        };
        assert_eq!(check(|_| ()), None);
        assert_eq!(check(|label| label.version = 0), Some(Rule::Range));
        assert_eq!(check(|label| label.version = 1 << 53), Some(Rule::Range));
        assert_eq!(check(|label| label.version = (1 << 53) - 1), None);
        assert_eq!(check(|label| label.time = (1 << 53) - 1), None);
        assert_eq!(check(|label| label.time = 1 << 53), Some(Rule::Range));
        assert_eq!(check(|label| label.time = -(1 << 53)), Some(Rule::Range));
        assert_eq!(check(|label| label.keyring_version = 0), Some(Rule::Range));
        assert_eq!(check(|label| label.removed = true), Some(Rule::Tombstone));
        assert_eq!(check(|label| label.content = None), Some(Rule::Tombstone));
        assert_eq!(check(|label| label.content_version = None), Some(Rule::Tombstone));
        assert_eq!(check(|label| label.content_version = Some(6)), Some(Rule::ContentVersion));
        assert_eq!(check(|label| label.content_version = Some(4)), Some(Rule::Header));
        assert_eq!(check(|label| label.kind = Kind::Otp), Some(Rule::Header));
        let supersedes = |version, count| {
            let superseded = Superseded { version, label: Digest::of(b"") };
            let label = Label { supersedes: vec![superseded; count], ..label("work", 5, None) };
            label.check(ACCOUNT, PERSONA)
        };
        assert_eq!(supersedes(1, 64), Ok(()));
        for (version, count) in [(4, 65), (5, 1), (0, 1)] {
            assert_eq!(supersedes(version, count), Err(Rule::Supersedes), "{version}, {count}");
        }
        let mut wrong = label("work", 1, Some(Digest::of(b"0")));
        assert_eq!(wrong.check(ACCOUNT, PERSONA), Err(Rule::Previous));
        wrong.previous = None;
        assert_eq!(wrong.check(AccountId::from_bytes([9; 16]), PERSONA), Err(Rule::Header));
        assert_eq!(wrong.check(ACCOUNT, PersonaId::from_bytes([9; 16])), Err(Rule::Header));
        content(&mut wrong, |content| content.files = (1 << 53) - 1);
        assert_eq!(wrong.check(ACCOUNT, PERSONA), Ok(()));
        content(&mut wrong, |content| content.files += 1);
        assert_eq!(wrong.check(ACCOUNT, PERSONA), Err(Rule::Range));
        content(&mut wrong, |content| content.files = 2);
        content(&mut wrong, |content| content.blob_bytes += 1);
        assert_eq!(wrong.check(ACCOUNT, PERSONA), Err(Rule::Sizes));
        content(&mut wrong, |content| content.zip_bytes = u64::MAX);
        assert_eq!(wrong.check(ACCOUNT, PERSONA), Err(Rule::Range));
    }

    /// Holds rule 8.
    #[test]
    fn a_field_that_may_be_null_may_not_be_missing() {
        let json = serde_json::to_value(label("work", 1, None)).expect("it serialises");
        let fields: Vec<String> = json.as_object().expect("a map").keys().cloned().collect();
        assert_eq!(fields.len(), 12);
        for field in fields {
            let mut without = json.clone();
            without.as_object_mut().expect("a map").remove(&field);
            let parsed = decode::<Label>(without.to_string().as_bytes());
            assert!(parsed.is_err(), "{field} may not be missing");
        }
        let mut more = json;
        more["later"] = serde_json::json!({});
        assert!(decode::<Label>(more.to_string().as_bytes()).is_ok(), "unknown ones are ignored");
    }
}
