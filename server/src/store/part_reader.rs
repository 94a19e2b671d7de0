//! Reading a part's file as a stream of chunks, one of them ahead.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;

use super::StoreError;

/// Bytes of a chunk: large enough that handing it between threads costs little beside copying it.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Chunks that are read at once, so that the disk works while the network does.
const AHEAD: usize = 2;

/// The bytes of a range of a file.
pub(crate) fn file_chunks(
    file: File,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes, StoreError>> {
    let file = Arc::new(file);
    let mut next = range.start;
    let chunks = std::iter::from_fn(move || {
        let begin = next;
        next = range.end.min(begin + CHUNK_BYTES);
        (begin < next).then(|| (begin, next - begin))
    });
    futures_util::stream::iter(chunks)
        .map(move |(begin, length)| {
            let file = Arc::clone(&file);
            async move {
                tokio::task::spawn_blocking(move || chunk(&file, begin, length))
                    .await
                    .map_err(|error| StoreError::Bytes(Box::new(error)))?
            }
        })
        .buffered(AHEAD)
        .boxed()
}

fn chunk(file: &File, begin: u64, length: u64) -> Result<Bytes, StoreError> {
    let length = usize::try_from(length).map_err(|error| StoreError::Bytes(Box::new(error)))?;
    let mut chunk = vec![0; length];
    file.read_exact_at(&mut chunk, begin).map_err(|error| StoreError::Bytes(Box::new(error)))?;
    Ok(chunk.into())
}
