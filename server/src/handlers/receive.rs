//! Taking a blob off the wire: hashed as it comes, in memory when it is small, else streamed into
//! a part. Whatever goes wrong on the way, nothing is kept.

use std::future::Future;

use bytes::Bytes;
use keybackup_protocol::AccountId;

use crate::error::ApiError;
use crate::http::body::RequestBody;
use crate::http::peer::Owner;
use crate::http::pool::Permit;
use crate::state::Server;
use crate::store::{CommitBytes, PART_MEMORY_BYTES, Part, PartWriter, ROW_BYTES, StoreError};

/// A blob that has come whole.
pub(crate) enum Received {
    /// In memory.
    Row(Bytes),
    /// On its way to the disk.
    Part(ReceivedPart),
}

/// Bytes that have come into a part, and are not durable yet.
pub(crate) struct ReceivedPart {
    writer: Box<dyn PartWriter>,
    /// What the writer takes until it is done.
    _memory: Option<Permit>,
}

impl Received {
    /// Makes it durable, where it is not to lie in a row.
    pub(crate) async fn finish(self) -> Result<CommitBytes, StoreError> {
        Ok(match self {
            Self::Row(bytes) => CommitBytes::Row(bytes),
            Self::Part(part) => CommitBytes::Part(part.finish().await?),
        })
    }
}

impl ReceivedPart {
    /// Makes it durable under its name.
    pub(crate) async fn finish(self) -> Result<Part, StoreError> {
        self.writer.finish().await
    }
}

/// Sees work through, in a task of its own, and waits for it. A client that leaves ends its
/// request wherever it is; between a part that is whole and the row that names it, that would
/// leave bytes on the disk which count for nobody.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::spawn(work).await;
    Ok(done.map_err(|error| StoreError::Bytes(Box::new(error)))??)
}

/// Receives the `bytes` that are left of the body, for a commit.
pub(crate) async fn blob(
    server: &Server,
    account: AccountId,
    body: &mut RequestBody,
    bytes: u64,
    blake3: &[u8],
) -> Result<Received, ApiError> {
    if bytes <= ROW_BYTES as u64 {
        let blob = body.take(bytes).await?;
        check(&blake3::hash(&blob), blake3)?;
        Ok(Received::Row(blob))
    } else {
        Ok(Received::Part(part(server, account, body, bytes, blake3).await?))
    }
}

/// Receives the `bytes` that are left of the body into a part.
async fn part(
    server: &Server,
    account: AccountId,
    body: &mut RequestBody,
    bytes: u64,
    expected: &[u8],
) -> Result<ReceivedPart, ApiError> {
    let mut writer = server.store.begin_part(account, bytes).await?;
    let received = stream(server, account, &mut *writer, body, bytes).await;
    let checked = received.and_then(|(hash, memory)| check(&hash, expected).map(|()| memory));
    match checked {
        Ok(memory) => Ok(ReceivedPart { writer, _memory: memory }),
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
pub(super) fn memory_kib(bytes: u64) -> u32 {
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use keybackup_protocol::UploadId;
    use tokio::sync::Notify;

    use super::*;
    use crate::store::{
        Addition, DataDir, NewUpload, SqlStore, Store, StoreLimits, mark_beginning,
    };

    /// A writer that stands still when the part has its name.
    struct Slow {
        writer: Box<dyn PartWriter>,
        whole: Arc<Notify>,
        go_on: Arc<Notify>,
    }

    #[async_trait::async_trait]
    impl PartWriter for Slow {
        async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
            self.writer.write(bytes).await
        }

        async fn flush(&mut self) -> Result<(), StoreError> {
            self.writer.flush().await
        }

        async fn keep(self: Box<Self>) -> Result<Part, StoreError> {
            self.finish().await
        }

        async fn finish(self: Box<Self>) -> Result<Part, StoreError> {
            let part = self.writer.finish().await?;
            self.whole.notify_one();
            self.go_on.notified().await;
            Ok(part)
        }

        async fn abort(self: Box<Self>) {
            self.writer.abort().await;
        }
    }

    fn files(root: &Path) -> usize {
        let list = |path: &Path| std::fs::read_dir(path).expect("lists").count();
        let digits = std::fs::read_dir(root).expect("lists");
        digits.map(|digit| list(&digit.expect("an entry").path())).sum()
    }

    /// Whoever hangs up when the bytes are on the disk has made an upload like any other: it
    /// counts, and it expires.
    #[tokio::test]
    async fn who_hangs_up_late_leaves_nothing_uncounted() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(dir.path()).expect("opens");
        mark_beginning(data.path()).expect("marks");
        let limits = StoreLimits {
            quota_bytes: 1_000_000,
            personas: 4,
            attempts_per_hour: 3,
            starts_per_hour: 1000,
        };
        let store = SqlStore::open(&data, &[7; 32], limits).expect("opens");
        let user = crate::store::conformance::User::register(&store, 1).await;
        let (session, account) = (user.session_id, user.account);
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        let now = i64::try_from(now).expect("fits");

        let mut writer = store.begin_part(account, 500_000).await.expect("begins");
        writer.write(Bytes::from(vec![1; 500_000])).await.expect("writes");
        let (whole, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = Slow { writer, whole: Arc::clone(&whole), go_on: Arc::clone(&go_on) };
        let received = ReceivedPart { writer: Box::new(slow), _memory: None };
        let id = UploadId::from_bytes([1; 16]);
        let (announced_bytes, expires_at) = (None, now + 100);
        let new = NewUpload { session, account, id, announced_bytes, now, expires_at };
        store.create_upload(new).await.expect("begins");
        let kept = store.clone();
        let request = to_the_end(async move {
            let part = received.finish().await?;
            let (offset, blake3) = (0, None);
            let more = Addition { session, account, id, offset, part, blake3, now, expires_at };
            kept.append(more).await
        });
        tokio::select! {
            _ = request => panic!("it stands still"),
            () = whole.notified() => {} // and the request is dropped
        }
        go_on.notify_one();
        let gone = async {
            while files(&data.path().join("blobs")) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                store.sweep(now + 100).await.expect("sweeps");
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("no part stays");
        let all = 1_000_000 - 10_000;
        store.begin_part(account, all).await.expect("and nothing is reserved");
    }
}
