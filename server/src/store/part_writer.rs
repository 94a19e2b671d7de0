//! Writing a part: a bounded number of bytes in memory, the announced length checked.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use object_store::{MultipartUpload, PutPayload};
use tokio::task::JoinHandle;

use super::bytes::failed;
use super::reserve::Reserved;
use super::{Part, PartWriter, StoreError};

/// Bytes gathered before they are handed on; as many again may be on their way to the disk.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A part that is being written. Dropping it drops the bytes.
pub(crate) struct ObjectWriter {
    upload: Box<dyn MultipartUpload>,
    name: String,
    path: PathBuf,
    announced_bytes: u64,
    taken_bytes: u64,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    writing: Option<JoinHandle<object_store::Result<()>>>,
    reserved: Option<Reserved>,
}

impl ObjectWriter {
    pub(crate) fn new(
        upload: Box<dyn MultipartUpload>,
        name: String,
        path: PathBuf,
        announced_bytes: u64,
        reserved: Reserved,
    ) -> Self {
        Self {
            upload,
            name,
            path,
            announced_bytes,
            taken_bytes: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
            writing: None,
            reserved: Some(reserved),
        }
    }

    /// Hands on what is gathered, once what was handed on before is written.
    async fn hand_on(&mut self) -> Result<(), StoreError> {
        self.written().await?;
        if self.gathered_bytes > 0 {
            let chunk: PutPayload = self.gathered.drain(..).collect();
            self.gathered_bytes = 0;
            self.writing = Some(tokio::spawn(self.upload.put_part(chunk)));
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
        if self.taken_bytes != self.announced_bytes {
            return Err(StoreError::Invalid("fewer bytes came than were announced"));
        }
        self.hand_on().await?;
        self.written().await?;
        self.upload.complete().await.map_err(failed)?;
        Ok(())
    }

    async fn discard(&mut self) {
        // Errors change nothing here: what can't be dropped now, the sweep drops.
        let _ = self.written().await;
        if self.upload.abort().await.is_err() {
            // It leaves the files after a completion that failed.
            let files = [staging(&self.path), self.path.clone()];
            let _ = tokio::task::spawn_blocking(move || files.map(std::fs::remove_file)).await;
        }
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
        if let Some(reserved) = &self.reserved {
            reserved.remove(&self.name);
        }
    }
}

#[async_trait::async_trait]
impl PartWriter for ObjectWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.taken_bytes += bytes.len() as u64;
        if self.taken_bytes > self.announced_bytes {
            return Err(StoreError::Invalid("more bytes came than were announced"));
        }
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= CHUNK_BYTES { self.hand_on().await } else { Ok(()) }
    }

    async fn finish(mut self: Box<Self>) -> Result<Part, StoreError> {
        if let Err(error) = self.complete().await {
            self.discard().await;
            return Err(error);
        }
        // Whole, but no row names it yet: it goes on counting.
        if let Some(reserved) = self.reserved.take() {
            reserved.finished(&self.name);
        }
        Ok(Part { name: std::mem::take(&mut self.name), bytes: self.announced_bytes })
    }

    async fn abort(mut self: Box<Self>) {
        self.discard().await;
    }
}
