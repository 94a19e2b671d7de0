//! The sessions of an account.

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, EpochId, SessionId};

/// `GET /sessions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sessions {
    /// Those that hold, newest first.
    pub sessions: Vec<ListedSession>,
}

/// One session of [`Sessions`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSession {
    /// Names it for revoking; opens nothing.
    pub id: SessionId,
    /// Its device.
    pub device_id: DeviceId,
    /// The epoch that it was opened in.
    pub epoch: EpochId,
    /// When it was opened, unix seconds.
    pub created_at: i64,
    /// When it was last used, to the minute.
    pub last_used_at: i64,
    /// When it ends even if used.
    pub expires_at: i64,
    /// Seconds without use after which it ends.
    pub idle_ttl_s: i64,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Answer of `DELETE /sessions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// How many sessions ended.
    pub ended: u64,
}
