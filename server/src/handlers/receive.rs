//! Taking a blob off the wire: hashed as it comes, in memory when it is small, else streamed into
//! a part. Whatever goes wrong on the way, nothing is kept.

use bytes::Bytes;
use keybackup_protocol::AccountId;

use crate::error::ApiError;
use crate::http::body::RequestBody;
use crate::http::peer::Owner;
use crate::http::pool::Permit;
use crate::state::Server;
use crate::store::{CommitBytes, PART_MEMORY_BYTES, Part, PartWriter, ROW_BYTES};

/// Receives the `bytes` that are left of the body, for a commit.
pub(crate) async fn blob(
    server: &Server,
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
        let (part, hash) = part(server, account, body, bytes, Some(blake3)).await?;
        debug_assert_eq!(hash.as_bytes(), blake3);
        Ok(CommitBytes::Part(part))
    }
}

/// Receives the `bytes` that are left of the body into a durable part, and their hash.
pub(crate) async fn part(
    server: &Server,
    account: AccountId,
    body: &mut RequestBody,
    bytes: u64,
    expected: Option<&[u8]>,
) -> Result<(Part, blake3::Hash), ApiError> {
    let mut writer = server.store.begin_part(account, bytes).await?;
    let received = stream(server, account, &mut *writer, body, bytes).await;
    let checked = received.and_then(|(hash, memory)| match expected {
        Some(expected) => check(&hash, expected).map(|()| (hash, memory)),
        None => Ok((hash, memory)),
    });
    match checked {
        Ok((hash, _memory)) => Ok((writer.finish().await?, hash)),
        Err(error) => {
            writer.abort().await;
            Err(error)
        }
    }
}

/// Returns the hash, and the writer's memory, which it takes until it is done.
async fn stream(
    server: &Server,
    account: AccountId,
    writer: &mut dyn PartWriter,
    body: &mut RequestBody,
    bytes: u64,
) -> Result<(blake3::Hash, Option<Permit>), ApiError> {
    let mut hasher = blake3::Hasher::new();
    let (mut left, mut memory) = (bytes, None);
    while left > 0 {
        let chunk: Bytes = body.chunk().await?.ok_or(ApiError::Disconnected)?;
        if memory.is_none() {
            // Not before something came: what is only announced takes none.
            memory = Some(server.uploads.take(Owner::Account(account), memory_kib(bytes)).await?);
        }
        left = left.checked_sub(chunk.len() as u64).ok_or(LENGTH)?;
        hasher.update(&chunk);
        writer.write(chunk).await?;
    }
    Ok((hasher.finalize(), memory))
}

/// KiB of memory that writing a part takes.
fn memory_kib(bytes: u64) -> u32 {
    let kib = bytes.min(PART_MEMORY_BYTES as u64).div_ceil(1024);
    u32::try_from(kib).unwrap_or(u32::MAX)
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
