//! Taking a blob off the wire: hashed as it comes, in memory when it is small, else streamed into
//! a part. Whatever goes wrong on the way, nothing is kept.

use bytes::Bytes;
use keybackup_protocol::AccountId;

use crate::error::ApiError;
use crate::http::body::RequestBody;
use crate::store::{CommitBytes, Part, PartWriter, ROW_BYTES, Store};

/// Receives the `bytes` that are left of the body, for a commit.
pub(crate) async fn blob(
    store: &dyn Store,
    account: AccountId,
    body: &mut RequestBody,
    bytes: u64,
    blake3: &[u8],
) -> Result<CommitBytes, ApiError> {
    if bytes <= ROW_BYTES as u64 {
        let blob = body.take(bytes).await?;
        check(&blake3::hash(&blob), blake3)?;
        Ok(CommitBytes::Row(blob))
    } else {
        let (part, hash) = part(store, account, body, bytes, Some(blake3)).await?;
        debug_assert_eq!(hash.as_bytes(), blake3);
        Ok(CommitBytes::Part(part))
    }
}

/// Receives the `bytes` that are left of the body into a durable part, and their hash.
pub(crate) async fn part(
    store: &dyn Store,
    account: AccountId,
    body: &mut RequestBody,
    bytes: u64,
    expected: Option<&[u8]>,
) -> Result<(Part, blake3::Hash), ApiError> {
    let mut writer = store.begin_part(account, bytes).await?;
    let received = stream(&mut *writer, body, bytes).await;
    let checked = received.and_then(|hash| match expected {
        Some(expected) => check(&hash, expected).map(|()| hash),
        None => Ok(hash),
    });
    match checked {
        Ok(hash) => Ok((writer.finish().await?, hash)),
        Err(error) => {
            writer.abort().await;
            Err(error)
        }
    }
}

async fn stream(
    writer: &mut dyn PartWriter,
    body: &mut RequestBody,
    bytes: u64,
) -> Result<blake3::Hash, ApiError> {
    let mut hasher = blake3::Hasher::new();
    let mut left = bytes;
    while left > 0 {
        let chunk: Bytes = body.chunk().await?.ok_or(ApiError::Disconnected)?;
        left = left.checked_sub(chunk.len() as u64).ok_or(LENGTH)?;
        hasher.update(&chunk);
        writer.write(chunk).await?;
    }
    Ok(hasher.finalize())
}

/// `blake3::Hash` compares in constant time; nothing here is secret, though.
fn check(hash: &blake3::Hash, expected: &[u8]) -> Result<(), ApiError> {
    if hash.as_bytes() == expected {
        Ok(())
    } else {
        Err(ApiError::BadRequest("the bytes don't have the announced BLAKE3"))
    }
}

const LENGTH: ApiError = ApiError::BadRequest("the body's length is not the announced one");
