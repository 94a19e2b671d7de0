//! Structured logs on stderr: one line a request, and never a token, code, e-mail address, query
//! or body in it.

use std::time::Instant;

use http::{Method, StatusCode};
use tracing::level_filters::LevelFilter;

use crate::config::LogFormat;

/// Starts logging to stderr. A second call in one process changes nothing.
pub(crate) fn start(format: LogFormat, level: LevelFilter) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        // A log that can't be written (its disk is full, its reader is gone) is no reason to stop;
        // saying so on the same standard error would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // Fails only where a subscriber is set already, as in tests.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// A request's line, written when its answer is sent or given up.
pub(crate) struct RequestLog {
    method: Method,
    /// The route's pattern: raw paths may hold what should not be kept.
    route: &'static str,
    status: Option<StatusCode>,
    received: u64,
    sent: u64,
    /// Bytes of the answer's body, once there is an answer.
    expected: Option<u64>,
    started: Instant,
}

impl RequestLog {
    /// A request that has just come, announcing a body of `received` bytes.
    pub(crate) fn new(method: Method, route: &'static str, received: u64) -> Self {
        Self {
            method,
            route,
            status: None,
            received,
            sent: 0,
            expected: None,
            started: Instant::now(),
        }
    }

    /// Notes the status, and how many bytes of body the answer has.
    pub(crate) fn answered(&mut self, status: StatusCode, bytes: u64) {
        self.status = Some(status);
        // hyper sends no body in answer to HEAD.
        self.expected = Some(if self.method == Method::HEAD { 0 } else { bytes });
    }

    /// Counts bytes of the answer's body.
    pub(crate) const fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Whether the connection ended before the answer did.
    fn aborted(&self) -> bool {
        self.expected.is_none_or(|expected| self.sent < expected)
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        tracing::info!(
            method = self.method.as_str(),
            route = self.route,
            // Zero: the client went away before there was an answer.
            status = self.status.map_or(0, |status| status.as_u16()),
            duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            received = self.received,
            sent = self.sent,
            aborted = self.aborted(),
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_not_taken_is_aborted() {
        let log = |method: Method, expected: Option<u64>, sent| {
            let mut log = RequestLog::new(method, "/", 0);
            if let Some(bytes) = expected {
                log.answered(StatusCode::OK, bytes);
            }
            log.sent(sent);
            log.aborted()
        };
        assert!(log(Method::GET, None, 0));
        assert!(log(Method::GET, Some(10), 9));
        assert!(!log(Method::GET, Some(10), 10));
        assert!(!log(Method::GET, Some(0), 0));
        assert!(!log(Method::HEAD, Some(10), 0));
    }
}
