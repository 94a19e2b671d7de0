//! Pushes: one persona of one account each client, version after version, each durable before its
//! answer.

use keybackup::records::{Content, Digest, Index, Kind, Label};
use keybackup::seal::{BlobType, BlobWriter};
use keybackup_protocol::api::{CommitBlob, CommitHead, CommitIndex};
use keybackup_protocol::{B64, PersonaId, put_lp, routes};
use keybackup_tests::tree::noise;
use rand08::rngs::OsRng;
use std::io::Write as _;

use super::accounts::{Account, DEVICE, library};
use super::connection::{Connection, request};
use super::drive::{Drive, Load};
use crate::failure::{Failure, Result};

pub(crate) const PUSHES_16: &str = "pushes of 16 KiB";
pub(crate) const PUSHES_1: &str = "pushes of 1 KiB";

/// As DESIGN counts them.
pub(crate) const CLIENTS: usize = 64;
/// The persona that each account has.
pub(crate) const PERSONA: PersonaId = PersonaId::from_bytes([3; 16]);

/// Who pushes. Label, index and blob are sealed once, by the client's library, and sent as every
/// version: to a server all sealed bytes are alike, and sealing would cost what it should have.
pub(crate) struct Pusher {
    connection: Connection,
    authorization: String,
    head: CommitHead,
    blob: Vec<u8>,
}

impl Pusher {
    /// The pusher of an account whose first push is made.
    pub(crate) fn new(address: &str, account: &Account) -> Result<Self> {
        let (blob, head) = seal(account)?;
        let mut pusher = Self {
            connection: Connection::open(address, "push")?,
            authorization: format!("Bearer {}", account.token),
            head,
            blob,
        };
        pusher.push("if-none-match", "*")?;
        Ok(pusher)
    }

    /// Makes the next version, with the blob's first `bytes` or all of it.
    fn next(&mut self, bytes: usize) -> Result<bool> {
        if self.blob.len() > bytes {
            self.blob.truncate(bytes);
            let hash = blake3::hash(&self.blob).as_bytes().to_vec();
            self.head.blob =
                Some(CommitBlob { bytes: bytes as u64, blake3: B64(hash), upload: None });
        }
        let base = format!("\"{}\"", self.head.version);
        self.head.version += 1;
        self.head.content_version = Some(self.head.version);
        if let Some(index) = &mut self.head.index {
            index.base = index.counter;
            index.counter += 1;
        }
        self.push("if-match", &base).map(|()| true)
    }

    fn push(&mut self, condition: &str, base: &str) -> Result<()> {
        use base64::Engine as _;
        let json = serde_json::to_vec(&self.head).expect("a head is JSON");
        let persona = PERSONA.to_string();
        let hash = blake3::Hasher::new().update(&json).update(persona.as_bytes()).finalize();
        let hash = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(hash.as_bytes());
        let headers = [
            ("authorization", &*self.authorization),
            ("content-type", "application/octet-stream"),
            (routes::H_JSON_HASH, &hash),
            (condition, base),
        ];
        let mut body = Vec::with_capacity(4 + json.len() + self.blob.len());
        put_lp(&mut body, &json);
        body.extend_from_slice(&self.blob);
        let line = format!("POST {}/{persona}", routes::PERSONAS);
        self.connection.exchange(&request(&line, &headers, &body)).map(drop)
    }
}

/// Pushes of `bytes` each, or of all that the smallest blob has.
pub(crate) fn pushes(
    drive: Drive<'_>,
    what: &'static str,
    pushers: &mut [Pusher],
    bytes: usize,
) -> Result<Load> {
    drive.run(what, pushers, |pusher| pusher.next(bytes))
}

/// The smallest blob there is, of random bytes in 16 KiB, and the head of the push that brings it.
fn seal(account: &Account) -> Result<(Vec<u8>, CommitHead)> {
    let sealing = |source| Failure::Broke { what: "blob", source };
    let registration = &account.registration;
    let (keyring, id) = (&registration.epoch.keyring, registration.account);
    let key = keyring.active_persona_key(PERSONA);
    let writer = BlobWriter::create(&mut OsRng, &key, BlobType::Directory, id, 1, Vec::new());
    let mut writer = writer.map_err(sealing)?;
    writer.write_all(&noise(16_000, 16)).map_err(sealing)?;
    let (blob, sealed) = writer.finish().map_err(sealing)?;
    let label = Label {
        kind: Kind::Directory,
        name: "bench".parse().map_err(library)?,
        nickname: None,
        version: 1,
        content_version: Some(1),
        removed: false,
        content: Some(Content {
            header: sealed.header.into(),
            blake3: Digest::from(sealed.blake3),
            blob_bytes: sealed.blob_bytes,
            zip_bytes: sealed.zip_bytes,
            fingerprint: Digest::of(b"bench"),
            files: 20,
            directories: 1,
            bytes: 16_000,
        }),
        device: DEVICE,
        time: 1_700_000_000,
        previous: None,
        keyring_version: keyring.version(),
        supersedes: Vec::new(),
    };
    let label_sealed = label.seal(&mut OsRng, keyring, id, PERSONA).map_err(library)?;
    let mut index = Index::new(keyring.version());
    let base = index.counter();
    index.put(PERSONA, &label, label_sealed.hash).map_err(library)?;
    index.next(keyring.version());
    let index_sealed =
        index.seal(&mut OsRng, keyring, id, registration.epoch.id).map_err(library)?;
    let blake3 = B64(sealed.blake3.to_vec());
    let head = CommitHead {
        epoch: registration.epoch.id,
        keyring_version: keyring.version(),
        version: 1,
        label: B64(label_sealed.bytes),
        blob: Some(CommitBlob { bytes: sealed.blob_bytes, blake3, upload: None }),
        content_version: Some(1),
        removed: false,
        index: Some(CommitIndex {
            base,
            counter: index.counter(),
            sealed: B64(index_sealed.bytes),
        }),
    };
    Ok((blob, head))
}
