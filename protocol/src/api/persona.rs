//! Personas: the listing, their labels, commits and bytes.

use serde::{Deserialize, Serialize};

use super::{FreshLogin, Index};
use crate::encoding::B64;
use crate::ids::{AccountId, EpochId, PersonaId, UploadId};

/// `GET /personas`: one snapshot of the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    /// The account.
    pub account_id: AccountId,
    /// Its current epoch.
    pub epoch: EpochId,
    /// The newest keyring version of that epoch.
    pub keyring_version: u64,
    /// The epoch's index.
    pub index: Index,
    /// Every persona of the epoch, removed ones included.
    pub personas: Vec<ListedPersona>,
}

/// One persona of a [`Listing`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedPersona {
    /// Its id.
    pub id: PersonaId,
    /// Version of its newest label.
    pub version: u64,
    /// The newest sealed label.
    pub label: B64,
    /// Server's clock, unix seconds, when that label came.
    pub stored_at: i64,
    /// True when a bare `DELETE` moved it to the trash: the server's word, no seal.
    #[serde(default)]
    pub trashed: bool,
}

/// `GET /personas/<id>/labels?from=N`: labels from version N on, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Labels {
    /// At most [`crate::limits::MAX_LABELS_PER_ANSWER`] of them, and fewer when they are large.
    pub labels: Vec<ListedLabel>,
    /// Whether there are more: then ask again from the last version + 1.
    #[serde(default)]
    pub more: bool,
}

/// One label of [`Labels`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedLabel {
    /// Its version.
    pub version: u64,
    /// The sealed label.
    pub label: B64,
    /// Server's clock, unix seconds, when it came.
    pub stored_at: i64,
    /// Whether the server holds the bytes that came with this version.
    pub bytes_held: bool,
}

/// The JSON head of `POST /personas/<id>`; the body is `lp(head) ‖ blob`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitHead {
    /// Epoch that the label and index are sealed in.
    pub epoch: EpochId,
    /// Keyring version that they are sealed under.
    pub keyring_version: u64,
    /// Version that this commit makes; above the base named by `If-Match`, 1 or more.
    pub version: u64,
    /// The sealed label of that version.
    pub label: B64,
    /// The blob that comes with this version, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<CommitBlob>,
    /// Version whose bytes this label names: its own if a blob comes with it, an older one's for
    /// a rename, none for a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version: Option<u64>,
    /// True for a tombstone.
    #[serde(default)]
    pub removed: bool,
    /// The new index, with every commit of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<CommitIndex>,
}

/// The bytes of a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitBlob {
    /// Length of header and payload.
    pub bytes: u64,
    /// BLAKE3 of header and payload, 32 bytes.
    pub blake3: B64,
    /// Where they are: an upload, or the rest of this body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
}

/// The index of a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommitIndex {
    /// Counter of the index that it replaces.
    pub base: u64,
    /// Its own counter, above the base.
    pub counter: u64,
    /// The sealed object.
    pub sealed: B64,
}

/// Answer of `POST /personas/<id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Committed {
    /// The version made.
    pub version: u64,
    /// Server's clock, unix seconds.
    pub stored_at: i64,
}

/// Answer of `DELETE /personas/<id>` and `DELETE /session`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Done {
    /// Whether there was something to do.
    pub changed: bool,
}

/// `POST /personas/<id>/purge`: bytes go at once, for good.
#[derive(Clone, Serialize, Deserialize)]
pub struct Purge {
    /// A login of purpose `purge`.
    pub login: FreshLogin,
    /// The version whose bytes go; without it, those of all versions of a persona that is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// Answer of `POST /uploads`, beside the tus headers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Uploaded {
    /// Names the bytes in a commit.
    pub upload: UploadId,
    /// Unix seconds after which they are dropped unless committed.
    pub expires_at: i64,
}
