//! `GET /status` and `GET /healthz`: what is spoken and allowed here, and whether it works.

use http::StatusCode;
use keybackup_protocol::api::{Status, StatusLimits};
use keybackup_protocol::limits::{MAX_INLINE_BLOB_BYTES, PROTOCOL};
use keybackup_protocol::suite::SUITE;

use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::router::Call;

/// `GET /status`.
pub(crate) fn status(call: &Call<'_>) -> Answer {
    let settings = &call.server.settings;
    let status = Status {
        service: "keybackup".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocols: vec![PROTOCOL],
        suites: vec![SUITE],
        registration: settings.registration,
        mail: settings.mail.is_some(),
        confirm_email: settings.confirm_email,
        limits: StatusLimits {
            inline_blob_bytes: MAX_INLINE_BLOB_BYTES.min(settings.blob_bytes),
            blob_bytes: settings.blob_bytes,
            quota_bytes: settings.quota_bytes,
            personas: settings.personas,
        },
    };
    Answer::json(StatusCode::OK, &status)
}

/// `GET /healthz`.
pub(crate) async fn healthz(call: &Call<'_>) -> Result<Answer, ApiError> {
    call.server.store.health().await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the store is not healthy");
        ApiError::Busy
    })?;
    Ok(Answer::json_bytes(StatusCode::OK, br#"{"status":"ok"}"#.to_vec()))
}
