//! What a server speaks and allows.

use serde::{Deserialize, Serialize};

/// `GET /status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Always `keybackup`, so that a client notices when it talks to something else.
    pub service: String,
    /// Version of the server program.
    pub version: String,
    /// Protocol versions that it speaks.
    pub protocols: Vec<u32>,
    /// Suites that its records may have.
    pub suites: Vec<u8>,
    /// Who may register.
    pub registration: Registration,
    /// Whether it can send mail, and so codes.
    #[serde(default)]
    pub mail: bool,
    /// Whether registering needs a code that was mailed to the address.
    #[serde(default)]
    pub confirm_email: bool,
    /// What it allows.
    pub limits: StatusLimits,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Whoever has an invitation code of the operator.
    Invite,
    /// Everybody.
    Open,
}

/// Limits of a server, in bytes and counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusLimits {
    /// Largest blob in a commit.
    pub inline_blob_bytes: u64,
    /// Largest blob at all.
    pub blob_bytes: u64,
    /// Bytes that one account may hold.
    pub quota_bytes: u64,
    /// Personas that one account may hold.
    pub personas: u64,
}
