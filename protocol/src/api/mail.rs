//! Codes by mail.

use serde::{Deserialize, Serialize};

/// `PUT /password/reset` and `POST /accounts/confirm`.
#[derive(Clone, Serialize, Deserialize)]
pub struct CodeRequest {
    /// Where the code is to be mailed to, in any spelling that normalises.
    pub email: String,
}

/// Answer to a request for a code; the same whatever became of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct CodeSent {
    /// Always true.
    pub sent: bool,
}
