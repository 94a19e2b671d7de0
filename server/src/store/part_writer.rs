//! Writing a part: a bounded number of bytes in memory, the announced length checked.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use object_store::MultipartUpload;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::bytes::failed;
use super::reserve::Reserved;
use super::{Part, PartWriter, StoreError};

/// Bytes gathered before they are handed on; as many again may be on their way to the disk.
const CHUNK_BYTES: usize = 256 * 1024;
/// Most bytes of memory that one writer takes.
pub const PART_MEMORY_BYTES: usize = 2 * CHUNK_BYTES;

/// A part that is being written. Dropping it drops the bytes.
pub(crate) struct ObjectWriter {
    /// There until the part is finished or discarded.
    file: Option<StagedFile>,
    announced_bytes: u64,
    taken_bytes: u64,
    /// Copied out of what came: a byte that is kept as it came keeps the whole buffer that the
    /// network was read into.
    gathered: BytesMut,
}

/// The file of a part that has no name yet, and what is reserved for it.
struct StagedFile {
    upload: Box<dyn MultipartUpload>,
    name: String,
    path: PathBuf,
    writing: Option<JoinHandle<object_store::Result<()>>>,
    reserved: Reserved,
}

impl ObjectWriter {
    pub(crate) fn new(
        upload: Box<dyn MultipartUpload>,
        name: String,
        path: PathBuf,
        announced_bytes: u64,
        reserved: Reserved,
    ) -> Self {
        let file = StagedFile { upload, name, path, writing: None, reserved };
        Self { file: Some(file), announced_bytes, taken_bytes: 0, gathered: BytesMut::new() }
    }

    /// Hands on what is gathered.
    async fn hand_on(&mut self) -> Result<(), StoreError> {
        let file = self.file.as_mut().ok_or(StoreError::Gone)?;
        let chunk = std::mem::take(&mut self.gathered).freeze();
        file.write(chunk).await
    }

    /// Room for the next bytes, in one allocation as large as it will be.
    fn room(&mut self) -> usize {
        if self.gathered.capacity() == 0 {
            let left = usize::try_from(self.announced_bytes).unwrap_or(usize::MAX);
            self.gathered.reserve(left.min(CHUNK_BYTES));
        }
        CHUNK_BYTES - self.gathered.len()
    }

    async fn complete(&mut self) -> Result<(), StoreError> {
        self.hand_on().await?;
        self.file.as_mut().ok_or(StoreError::Gone)?.complete().await
    }

    /// Makes it durable if it is as long as it must be.
    async fn end(mut self: Box<Self>, is_long_enough: bool) -> Result<Part, StoreError> {
        let completed = if is_long_enough {
            self.complete().await
        } else {
            Err(StoreError::Invalid("fewer bytes came than were announced"))
        };
        if let Err(error) = completed {
            self.abort().await;
            return Err(error);
        }
        let file = self.file.take().ok_or(StoreError::Gone)?;
        // Whole, but no row names it yet: it goes on counting.
        file.reserved.finished(&file.name);
        Ok(Part { name: file.name, bytes: self.taken_bytes })
    }

    /// Drops the bytes in a task of its own: who asked for it may be gone before it is done.
    fn discard(&mut self) -> Option<JoinHandle<()>> {
        let file = self.file.take()?;
        if let Ok(runtime) = Handle::try_current() {
            return Some(runtime.spawn(file.discard()));
        }
        file.reserved.remove(&file.name);
        None
    }
}

impl StagedFile {
    /// Writes a chunk behind the caller's back, once the one before is written.
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.written().await?;
        if !chunk.is_empty() {
            self.writing = Some(tokio::spawn(self.upload.put_part(chunk.into())));
        }
        Ok(())
    }

    async fn written(&mut self) -> Result<(), StoreError> {
        match self.writing.take() {
            None => Ok(()),
            Some(writing) => {
                writing.await.map_err(|error| StoreError::Bytes(Box::new(error)))?.map_err(failed)
            }
        }
    }

    async fn complete(&mut self) -> Result<(), StoreError> {
        self.written().await?;
        self.upload.complete().await.map_err(failed)?;
        Ok(())
    }

    /// Gives back what is reserved only when the bytes are gone.
    async fn discard(mut self) {
        // Errors change nothing here: what can't be dropped now, the sweep drops.
        let _ = self.written().await;
        if self.upload.abort().await.is_err() {
            // It leaves the files after a completion that failed.
            let files = [staging(&self.path), self.path.clone()];
            let _ = tokio::task::spawn_blocking(move || files.map(std::fs::remove_file)).await;
        }
        self.reserved.remove(&self.name);
    }
}

/// The object store's name for a file that is being written.
fn staging(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("#1");
    name.into()
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        self.discard();
    }
}

#[async_trait::async_trait]
impl PartWriter for ObjectWriter {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        self.taken_bytes += bytes.len() as u64;
        if self.taken_bytes > self.announced_bytes {
            return Err(StoreError::Invalid("more bytes came than were announced"));
        }
        while !bytes.is_empty() {
            let some = bytes.split_to(self.room().min(bytes.len()));
            self.gathered.extend_from_slice(&some);
            if self.gathered.len() == CHUNK_BYTES {
                self.hand_on().await?;
            }
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Part, StoreError> {
        let is_whole = self.taken_bytes == self.announced_bytes;
        self.end(is_whole).await
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.hand_on().await?;
        self.file.as_mut().ok_or(StoreError::Gone)?.written().await
    }

    async fn keep(self: Box<Self>) -> Result<Part, StoreError> {
        let is_something = self.taken_bytes > 0;
        self.end(is_something).await
    }

    async fn abort(mut self: Box<Self>) {
        if let Some(discarded) = self.discard() {
            let _ = discarded.await; // a panic of it was reported
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keybackup_protocol::AccountId;

    use super::*;
    use crate::store::bytes::Parts;

    /// A buffer of the network, of which a byte is handed on.
    struct Buffer([u8; 8192], #[expect(dead_code, reason = "counted")] Arc<()>);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    #[tokio::test]
    async fn keeps_no_buffer_of_the_network() {
        let dir = tempfile::tempdir().expect("a directory");
        let parts = Parts::open(dir.path()).expect("opens");
        let account = AccountId::from_bytes([1; 16]);
        let writer = parts.begin(account, 3 * CHUNK_BYTES as u64 + 1000, u64::MAX).await;
        let mut writer = writer.expect("begins");
        let kept = Arc::new(());
        for _ in 0..1000 {
            let buffer = Bytes::from_owner(Buffer([7; 8192], Arc::clone(&kept)));
            writer.write(buffer.slice(..1)).await.expect("writes");
        }
        assert_eq!(Arc::strong_count(&kept), 1, "none of them");
        let large = Bytes::from(vec![7; 3 * CHUNK_BYTES]);
        writer.write(large).await.expect("writes");
        assert!(writer.gathered.capacity() <= CHUNK_BYTES, "{}", writer.gathered.capacity());
        let part = Box::new(writer).finish().await.expect("finishes");
        let file = dir.path().join(&part.name[..1]).join(&part.name);
        let whole = std::fs::read(file).expect("reads");
        assert!(whole == vec![7; 3 * CHUNK_BYTES + 1000]);
    }
}
