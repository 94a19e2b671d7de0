//! Sealed bytes on their way out: label them, commit them, remember them.

use keybackup_protocol::{PersonaId, UploadId};
use rand08::RngCore;
use rand08::rngs::OsRng;

use super::context::{Context, Session, now};
use super::persona::Persona;
use crate::archive::Summary;
use crate::error::Failure;
use crate::marks::{Opened, OpenedPersona};
use crate::records::{
    Base as Standing, Content, Digest, HeaderBytes, Kind, Label, Name, Nickname, Superseded,
};
use crate::remote::Base;
use crate::seal::SealedBlob;
use crate::ui::{Task, Unit};
use crate::vault::{BlobAt, Change, NewBlob};

/// A persona that gets a new version.
pub(super) struct Outgoing<'a> {
    /// Its id.
    pub(super) id: PersonaId,
    /// Its newest version, unless it is new.
    pub(super) remote: Option<&'a OpenedPersona>,
    /// Its name.
    pub(super) name: &'a Name,
    /// Its nickname.
    pub(super) nickname: Option<Nickname>,
    /// The directory that it comes from, if it comes from one.
    pub(super) directory: Option<String>,
    /// Where a repair puts it.
    pub(super) repair: Option<Place>,
}

/// Where a repair puts a new version.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What stands at the server.
    pub(super) base: Base,
    /// A version above that, and above everything that was seen.
    pub(super) version: u64,
    /// What was seen, and the server may lack.
    pub(super) supersedes: Vec<Superseded>,
}

/// What the new version holds, sealed.
pub(super) struct Bytes {
    /// Header and payload.
    pub(super) held: Held,
    /// What the label has to say of them.
    pub(super) blob: SealedBlob,
    /// What is inside.
    pub(super) summary: Summary,
}

/// Where header and payload are.
pub(super) enum Held {
    /// In memory.
    Here(Vec<u8>),
    /// At the server.
    Upload(UploadId),
}

/// An id for a persona that no server knows yet.
pub(super) fn new_persona_id() -> PersonaId {
    let mut bytes = [0; PersonaId::LEN];
    OsRng.fill_bytes(&mut bytes);
    PersonaId::from_bytes(bytes)
}

impl Outgoing<'_> {
    /// The version that the bytes are sealed for.
    pub(super) fn version(&self) -> u64 {
        let next = self.remote.map_or(1, |remote| remote.label.label.version + 1);
        self.repair.as_ref().map_or(next, |place| place.version)
    }

    /// Commits, and remembers what now stands.
    pub(super) fn commit(
        self,
        context: &Context<'_>,
        session: &mut Session,
        opened: &Opened,
        bytes: Bytes,
    ) -> Result<Persona, Failure> {
        let Bytes { held, blob, summary } = bytes;
        let base = match (&self.repair, self.remote) {
            (Some(place), _) => place.base,
            (None, Some(remote)) => Base::Version(remote.label.label.version),
            (None, None) => Base::Absent,
        };
        let label = self.label(session, &blob, &summary);
        let stored_size = blob.blob_bytes;
        let name = Some(self.name.as_str());
        let (bytes, progress) = match &held {
            Held::Here(bytes) => {
                let total = Some(stored_size);
                let shown = context.ui.progress(Task::Sending, name, Unit::Bytes, total);
                (BlobAt::Here(bytes), Some(shown))
            }
            Held::Upload(upload) => (BlobAt::Upload(*upload), None),
        };
        let blob = Some(NewBlob { sealed: blob, bytes });
        let change = Change { persona: self.id, base, label: label.clone(), blob };
        let landed = session.commit(opened.clone(), change, &mut |bytes| {
            if let Some(progress) = &progress {
                progress.advance(bytes);
            }
        })?;
        drop(progress);
        if matches!(held, Held::Upload(_)) {
            session.drop_parcel();
        }
        if let Some(directory) = &self.directory {
            let standing = Standing {
                version: landed.version,
                fingerprint: Digest::from(summary.fingerprint),
                directory: directory.clone(),
            };
            session.vault.state.set_base(self.id, Some(standing));
        }
        session.note_commit()?;
        Ok(Persona {
            name: label.name.to_string(),
            nickname: label.nickname.as_ref().map(ToString::to_string),
            id: Some(self.id),
            kind: "directory",
            version: Some(landed.version),
            content_version: Some(landed.version),
            size: Some(summary.bytes),
            stored_size: Some(stored_size),
            files: Some(summary.files),
            directories: Some(summary.directories),
            changed: true,
            time: Some(label.time),
            device: Some(session.record.device_name.clone()),
            path: self.directory,
            ..Persona::default()
        })
    }

    fn label(&self, session: &Session, blob: &SealedBlob, summary: &Summary) -> Label {
        let version = self.version();
        Label {
            kind: Kind::Directory,
            name: self.name.clone(),
            nickname: self.nickname.clone(),
            version,
            content: Some(content(blob, summary)),
            content_version: Some(version),
            removed: false,
            device: session.vault.device,
            time: now(),
            previous: self.remote.map(|remote| remote.label.hash),
            keyring_version: session.vault.keyring.version(),
            supersedes: self
                .repair
                .as_ref()
                .map_or_else(Vec::new, |place| place.supersedes.clone()),
        }
    }
}

/// What a label says of sealed bytes.
pub(super) fn content(blob: &SealedBlob, summary: &Summary) -> Content {
    Content {
        header: HeaderBytes::from(blob.header),
        blake3: Digest::from(blob.blake3),
        blob_bytes: blob.blob_bytes,
        zip_bytes: blob.zip_bytes,
        fingerprint: Digest::from(summary.fingerprint),
        files: summary.files,
        directories: summary.directories,
        bytes: summary.bytes,
    }
}
