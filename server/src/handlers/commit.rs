//! `POST /personas/<id>`: label, index and bytes in one transaction. The body is `lp(JSON head)`
//! and, unless an upload is named or there are none, the bytes.

use std::sync::Arc;

use http::StatusCode;
use http::header::{ETAG, HeaderValue};
use keybackup_protocol::PersonaId;
use keybackup_protocol::api::{CommitHead, Committed};
use keybackup_protocol::limits::{
    MAX_HEAD_BYTES, MAX_INDEX_BYTES, MAX_INLINE_BLOB_BYTES, MAX_LABEL_BYTES,
};

use super::receive::{self, to_the_end};
use super::uploads;
use crate::error::ApiError;
use crate::http::answer::Answer;
use crate::http::body::{RequestBody, parse_json};
use crate::http::conditional::commit_base;
use crate::http::peer::Owner;
use crate::router::Call;
use crate::store::Commit;

/// Commits.
pub(crate) async fn commit(
    call: &Call<'_>,
    persona: PersonaId,
    body: &mut RequestBody,
) -> Result<Answer, ApiError> {
    let session = call.current_session().await?;
    let base = commit_base(call.headers())?;
    body.owned_by(Owner::Account(session.account));
    let head = read_head(body, persona).await?;
    let inline = check_head(call, &head)?;
    if body.left() != inline {
        return Err(ApiError::BadRequest("the body's length is not what its head announces"));
    }
    // The store looks again, in its transaction; this saves sending what can't be taken.
    if head.epoch != session.current_epoch || head.keyring_version != session.keyring_version {
        return Err(ApiError::Stale);
    }
    let received = match &head.blob {
        Some(blob) if blob.upload.is_none() => {
            let (server, blake3) = (call.server, &blob.blake3.0);
            Some(receive::blob(server, session.account, body, inline, blake3).await?)
        }
        _ => None,
    };
    if let Some(upload) = head.blob.as_ref().and_then(|blob| blob.upload) {
        uploads::hash(call, session.account, upload).await?;
    }
    let mut commit = Commit {
        session: session.id,
        account: session.account,
        device: session.device,
        persona,
        base,
        head,
        bytes: None,
        now: call.now,
    };
    let store = Arc::clone(&call.server.store);
    let work = async move {
        if let Some(received) = received {
            commit.bytes = Some(received.finish().await?);
        }
        store.commit(commit).await
    };
    let version = to_the_end(work).await?;
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("digits in quotes");
    let committed = Committed { version, stored_at: call.now };
    Ok(Answer::json(StatusCode::OK, &committed).with(ETAG, tag))
}

async fn read_head(body: &mut RequestBody, persona: PersonaId) -> Result<CommitHead, ApiError> {
    let prefix = body.take(4).await?;
    let length = u32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
    if u64::from(length) > MAX_HEAD_BYTES as u64 {
        return Err(ApiError::TooLarge);
    }
    let json = body.take(u64::from(length)).await?;
    body.check_json(&json, &persona.to_string())?;
    parse_json(&json)
}

/// Checks what needs no look at the rows, and returns how many bytes must follow the head.
fn check_head(call: &Call<'_>, head: &CommitHead) -> Result<u64, ApiError> {
    let sealed = |bytes: &[u8], max| !bytes.is_empty() && bytes.len() <= max;
    if head.version == 0 || i64::try_from(head.version).is_err() {
        return Err(ApiError::BadRequest("a version is 1 or more"));
    }
    if !sealed(&head.label.0, MAX_LABEL_BYTES) {
        return Err(ApiError::BadRequest("the label is empty or too large"));
    }
    if head.index.as_ref().is_some_and(|index| !sealed(&index.sealed.0, MAX_INDEX_BYTES)) {
        return Err(ApiError::BadRequest("the index is empty or too large"));
    }
    let Some(blob) = &head.blob else { return Ok(0) };
    if blob.blake3.0.len() != 32 || blob.bytes == 0 {
        return Err(ApiError::BadRequest("the blob's length or hash is malformed"));
    }
    if blob.upload.is_some() {
        return Ok(0);
    }
    if blob.bytes > MAX_INLINE_BLOB_BYTES.min(call.server.settings.blob_bytes) {
        return Err(ApiError::TooLarge);
    }
    Ok(blob.bytes)
}
