//! What can go wrong between this client and a server, told apart as far as a caller acts on it.

use std::time::Duration;

use keybackup_protocol::api::code;

/// A request that was not answered as the API says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No connection: wrong address, no server, no network, or a TLS certificate that is not
    /// trusted.
    #[error("{server} could not be reached")]
    Unreachable {
        /// The server's URL.
        server: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing moved for as long as `--timeout` allows.
    #[error("{server} did not answer for {} s", idle.as_secs())]
    TimedOut {
        /// The server's URL.
        server: String,
        /// The time allowed without progress.
        idle: Duration,
    },
    /// The connection broke midway.
    #[error("the connection to {server} broke")]
    Broken {
        /// The server's URL.
        server: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// What answers there is no keybackup server, or one that lies: a redirect, a web page, a
    /// body that ends early or never.
    #[error("{server} does not answer like a keybackup server: {what}")]
    NotKeybackup {
        /// The server's URL.
        server: String,
        /// What was odd.
        what: &'static str,
    },
    /// The server speaks other versions of the protocol.
    #[error(
        "{server} speaks protocol {theirs:?}, this client {}",
        keybackup_protocol::limits::PROTOCOL
    )]
    Protocol {
        /// The server's URL.
        server: String,
        /// What it speaks.
        theirs: Vec<u32>,
    },
    /// The server refused, with a status and the API's slug.
    #[error("the server refused: {message} (status {status}, {code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Slug of `keybackup_protocol::api::code`; escaped before it is shown.
        code: String,
        /// The server's sentence; escaped before it is shown.
        message: String,
        /// Seconds of a `Retry-After`.
        retry_after_s: Option<u64>,
    },
    /// The bytes to send could not be read, or those that came not be kept.
    #[error("reading or writing the bytes of a transfer failed")]
    Local(#[from] std::io::Error),
    /// TLS or the HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {what}")]
    Setup {
        /// What was being done.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RemoteError {
    /// Whether the request may have been carried out all the same: its answer was lost, or came
    /// from something between here and the server.
    pub const fn leaves_doubt(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::TimedOut { .. } | Self::NotKeybackup { .. } => true,
            // 503 and 507 are definite refusals of our server.
            Self::Refused { status, .. } => matches!(status, 500 | 502 | 504),
            _ => false,
        }
    }

    /// Whether it is one of the way, or of the moment, so that a transfer may go on.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } => {
                matches!(status, 408 | 423 | 500 | 502..=504) || self.is(code::OFFSET)
            }
            _ => false,
        }
    }

    /// Whether the server refused with this slug.
    pub fn is(&self, slug: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == slug)
    }
}
