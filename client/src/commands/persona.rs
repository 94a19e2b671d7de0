//! One persona as every command shows it: the JSON of `docs/json.md`, and its parts.

use keybackup_protocol::{DeviceId, PersonaId};
use serde::Serialize;

use crate::archive::{Skipped, Special};
use crate::error::Failure;
use crate::marks::OpenedPersona;
use crate::records::{DeviceRecord, Kind};
use crate::vault::Vault;

/// A persona in a document; commands add fields of their own beside these.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the document has them, each on its own")]
pub(super) struct Persona {
    pub(super) name: String,
    pub(super) nickname: Option<String>,
    pub(super) id: Option<PersonaId>,
    pub(super) kind: &'static str,
    pub(super) version: Option<u64>,
    pub(super) content_version: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) stored_size: Option<u64>,
    pub(super) files: Option<u64>,
    pub(super) directories: Option<u64>,
    pub(super) changed: bool,
    pub(super) locked: bool,
    pub(super) removed: bool,
    pub(super) trashed: bool,
    pub(super) time: Option<i64>,
    pub(super) device: Option<String>,
    pub(super) path: Option<String>,
    pub(super) skipped: Vec<SkippedEntry>,
    pub(super) error: Option<serde_json::Value>,
}

/// Something that was left out, by name.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SkippedEntry {
    pub(super) path: String,
    pub(super) reason: &'static str,
}

impl From<&Skipped> for SkippedEntry {
    fn from(skipped: &Skipped) -> Self {
        let reason = match skipped.special {
            Special::Symlink => "symlink",
            Special::Fifo => "fifo",
            Special::Socket => "socket",
            _ => "device",
        };
        Self { path: skipped.path.clone(), reason }
    }
}

impl Persona {
    /// A persona that the server does not know.
    pub(super) fn local(name: &str, nickname: Option<String>) -> Self {
        Self { name: name.to_owned(), nickname, kind: "directory", ..Self::default() }
    }

    /// A persona as its newest label has it.
    pub(super) fn of(id: PersonaId, opened: &OpenedPersona) -> Self {
        let label = &opened.label.label;
        let content = label.content.as_ref();
        Self {
            name: label.name.to_string(),
            nickname: label.nickname.as_ref().map(ToString::to_string),
            id: Some(id),
            kind: match label.kind {
                Kind::Directory => "directory",
                Kind::Otp => "otp",
            },
            version: Some(label.version),
            content_version: label.content_version,
            size: content.map(|content| content.bytes),
            stored_size: content.map(|content| content.blob_bytes),
            files: content.map(|content| content.files),
            directories: content.map(|content| content.directories),
            removed: label.removed,
            trashed: opened.trashed,
            time: Some(label.time),
            device: Some(label.device.to_string()),
            ..Self::default()
        }
    }

    /// The same with why it failed.
    pub(super) fn failed(mut self, failure: &Failure) -> Self {
        self.error = Some(failure.to_json());
        self
    }
}

/// Names of the account's devices; what does not open, or can't be had, has none.
pub(super) fn device_names(vault: &Vault) -> Vec<(DeviceId, String)> {
    let Ok(devices) = vault.remote.devices() else { return Vec::new() };
    devices
        .devices
        .iter()
        .filter_map(|record| {
            let sealed = &record.sealed.0;
            DeviceRecord::open(&vault.keyring, vault.account, record.id, record.revision, sealed)
                .ok()
                .map(|opened| (record.id, opened.name.to_string()))
        })
        .collect()
}

/// Puts a device's name where its id stands.
pub(super) fn name_device(persona: &mut Persona, names: &[(DeviceId, String)]) {
    if let Some(device) = &mut persona.device
        && let Some((_, name)) = names.iter().find(|(id, _)| id.to_string() == *device)
    {
        device.clone_from(name);
    }
}
