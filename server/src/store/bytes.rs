//! Parts: bytes too many for a row, as objects under random names.
//!
//! RELIABILITY 1 is kept by `LocalFileSystem::with_fsync`: it writes a staging file made with
//! `O_EXCL`, and completing it fsyncs the file, renames it, and fsyncs the directory. The fan-out
//! directories are made, and made durable, before the first part, so that no part's directory
//! can be newer than what was synced. An error anywhere discards the staging file.

use std::fs::{self, DirBuilder};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use keybackup_protocol::AccountId;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt as _};
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use rustix::fs::StatVfsMountFlags;

use super::directory::{sync_directory, tighten};
use super::lost::{LOST, Lost, system_time};
use super::part_reader::file_chunks;
use super::part_writer::ObjectWriter;
use super::reserve::{Reserved, file_bytes};
use super::{OpenError, Part, StoreError, StoreLimits};

/// Bytes of a part's name, which is twice as many hexadecimal digits. The first digit is also
/// the directory that it lies in.
const NAME_BYTES: usize = size_of::<u128>();

/// A disk with less room than that is full, as health goes.
const LEAST_FREE_BYTES: u64 = 1024 * 1024;

/// All parts of a data directory. Clones share it.
#[derive(Clone)]
pub(crate) struct Parts {
    objects: Arc<LocalFileSystem>,
    root: PathBuf,
    reserved: Reserved,
}

impl Parts {
    /// Opens the parts under a directory, which is made with its fan-out when missing.
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        make_directories(root).map_err(|source| OpenError::Io { path: root.to_owned(), source })?;
        Self::open_existing(root)
    }

    /// Opens the parts under a directory that is there.
    pub(crate) fn open_existing(root: &Path) -> Result<Self, OpenError> {
        let objects = LocalFileSystem::new_with_prefix(root)
            .map_err(|source| OpenError::Objects(Box::new(source)))?
            .with_fsync(true);
        Ok(Self {
            objects: Arc::new(objects),
            root: root.to_owned(),
            reserved: Reserved::default(),
        })
    }

    /// The limits less what an account has reserved for parts that no row counts.
    pub(crate) fn limits_beside(&self, account: AccountId, limits: &StoreLimits) -> StoreLimits {
        let reserved_bytes = self.reserved.of(account);
        StoreLimits { quota_bytes: limits.quota_bytes.saturating_sub(reserved_bytes), ..*limits }
    }

    /// Refuses what the disk has no room for.
    pub(crate) fn check_free(&self, bytes: u64) -> Result<(), StoreError> {
        if self.free_bytes()? < bytes { Err(StoreError::Full) } else { Ok(()) }
    }

    /// Begins a part of the announced length, if account and disk have room for it.
    pub(crate) async fn begin(
        &self,
        account: AccountId,
        announced_bytes: u64,
        room_bytes: u64,
    ) -> Result<ObjectWriter, StoreError> {
        let name = random_name()?;
        if !self.reserved.add(&name, account, file_bytes(announced_bytes), room_bytes) {
            return Err(StoreError::Quota);
        }
        self.write(name, announced_bytes).await
    }

    /// Begins a part of at most so many bytes, which a row counts already.
    pub(crate) async fn begin_counted(
        &self,
        account: AccountId,
        announced_bytes: u64,
    ) -> Result<ObjectWriter, StoreError> {
        let name = random_name()?;
        self.reserved.add(&name, account, 0, u64::MAX);
        self.write(name, announced_bytes).await
    }

    async fn write(&self, name: String, announced_bytes: u64) -> Result<ObjectWriter, StoreError> {
        if let Err(error) = self.check_free(announced_bytes) {
            self.reserved.remove(&name);
            return Err(error);
        }
        match self.objects.put_multipart(&location(&name)?).await {
            Ok(upload) => {
                let path = self.root.join(&name[..1]).join(&name);
                Ok(ObjectWriter::new(upload, name, path, announced_bytes, self.reserved.clone()))
            }
            Err(error) => {
                self.reserved.remove(&name);
                Err(failed(error))
            }
        }
    }

    /// Refuses a part that does not wait to be named: one that the sweep has dropped, that a row
    /// names already, or that was never finished here.
    pub(crate) fn check_unnamed(&self, name: &str) -> Result<(), StoreError> {
        if self.reserved.is_finished(name) { Ok(()) } else { Err(StoreError::Gone) }
    }

    /// Notes that a row names the part now.
    pub(crate) fn is_named(&self, part: &str) {
        self.reserved.remove(part);
    }

    /// Deletes a part that no row names (any more); one that is gone already is fine.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), StoreError> {
        let deleted = self.objects.delete(&location(name)?).await;
        self.reserved.remove(name);
        match deleted {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sets a part aside that no row names; one that is gone already is fine.
    pub(crate) async fn set_aside(&self, name: String, now: i64) -> Result<(), StoreError> {
        location(&name)?;
        let reserved = self.reserved.clone();
        self.with_lost(move |lost| {
            lost.take(&name, now)?;
            reserved.remove(&name);
            Ok(())
        })
        .await
    }

    /// Works on the parts that are set aside, where it may block.
    pub(crate) async fn with_lost<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Lost) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lost = Lost::under(&self.root);
        tokio::task::spawn_blocking(move || work(&lost))
            .await
            .map_err(|error| StoreError::Bytes(Box::new(error)))?
            .map_err(|error| StoreError::Bytes(Box::new(error)))
    }

    /// Reads a range of the bytes that parts hold together. The first part is opened before
    /// this returns.
    pub(crate) async fn read(
        &self,
        parts: &[Part],
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let mut pieces = pieces(parts, range)?.into_iter();
        let Some((name, within)) = pieces.next() else {
            return Ok(futures_util::stream::empty().boxed());
        };
        let first = self.open_piece(name, within).await?;
        let this = self.clone();
        let others = futures_util::stream::iter(pieces)
            .then(move |(name, within)| {
                let this = this.clone();
                async move { this.open_piece(name, within).await }
            })
            .try_flatten();
        Ok(first.chain(others).boxed())
    }

    async fn open_piece(
        &self,
        name: String,
        within: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let options = GetOptions::new().with_range(Some(within.clone()));
        let object = self.objects.get_opts(&location(&name)?, options).await.map_err(failed)?;
        if object.range != within {
            let error = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(StoreError::Bytes(Box::new(error)));
        }
        Ok(match object.payload {
            // Read by us: the crate's own stream takes a thread's hop for each 8 KiB.
            GetResultPayload::File(file, _) => file_chunks(file, within),
            GetResultPayload::Stream(stream) => stream.map_err(failed).boxed(),
        })
    }

    /// Names of whole parts that were last written before a time, unless they are being written.
    pub(crate) async fn written_before(&self, time: i64) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        let mut objects = self.objects.list(None);
        while let Some(object) = objects.try_next().await.map_err(failed)? {
            let Some(name) = object.location.filename() else { continue };
            let is_lost = object.location.parts().next().is_some_and(|part| part.as_ref() == LOST);
            if !is_lost
                && object.last_modified.timestamp() < time
                && !self.reserved.is_writing(name)
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Deletes staging files last written before a time: a stopped process has left them, and
    /// the object store does not list them.
    pub(crate) async fn delete_staged_before(&self, time: i64) -> Result<(), StoreError> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || delete_staged(&root, time))
            .await
            .map_err(|error| StoreError::Bytes(Box::new(error)))?
            .map_err(|error| StoreError::Bytes(Box::new(error)))
    }

    /// Whether a part could be written.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        if self.free_bytes()? < LEAST_FREE_BYTES {
            return Err(StoreError::Full);
        }
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || fs::read_dir(root).map(drop))
            .await
            .map_err(|error| StoreError::Bytes(Box::new(error)))?
            .map_err(|error| StoreError::Bytes(Box::new(error)))
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        let failed = |error: io::Error| StoreError::Bytes(Box::new(error));
        let disk = rustix::fs::statvfs(&self.root).map_err(|error| failed(error.into()))?;
        if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(failed(io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn make_directories(root: &Path) -> io::Result<()> {
    let make = |path: &Path| match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => tighten(path),
        Err(error) => Err(error),
    };
    make(root)?;
    for digit in 0..16 {
        make(&root.join(format!("{digit:x}")))?;
    }
    // Synced even when nothing was made: who made them may have been cut off before this.
    sync_directory(root)?;
    root.parent().map_or(Ok(()), sync_directory)
}

fn random_name() -> Result<String, StoreError> {
    let mut name = [0; NAME_BYTES];
    OsRng.try_fill_bytes(&mut name).map_err(|_| {
        StoreError::Bytes(Box::new(io::Error::other("the system gave no random bytes")))
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(name)))
}

/// Where a part lies. Names come from rows and from us, and are checked all the same.
fn location(name: &str) -> Result<Location, StoreError> {
    if !is_name(name) {
        return Err(StoreError::Invalid("no name of a part"));
    }
    Ok(Location::from(format!("{}/{name}", &name[..1])))
}

/// Whether a part can have this name.
pub(super) fn is_name(name: &str) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.len() == 2 * NAME_BYTES && name.bytes().all(is_digit)
}

/// Which range of which part makes up a range of the whole.
fn pieces(parts: &[Part], range: Range<u64>) -> Result<Vec<(String, Range<u64>)>, StoreError> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    for part in parts {
        let end = begin + part.bytes;
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            pieces.push((part.name.clone(), from - begin..to - begin));
        }
        begin = end;
    }
    if range.end > begin {
        return Err(StoreError::Invalid("the range ends beyond the blob"));
    }
    Ok(pieces)
}

fn delete_staged(root: &Path, time: i64) -> io::Result<()> {
    let time = system_time(time);
    for directory in fs::read_dir(root)? {
        let directory = directory?;
        if !directory.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(directory.path())? {
            let file = file?;
            if file.file_name().as_encoded_bytes().contains(&b'#')
                && file.metadata()?.modified()? < time
            {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

/// The error of the object store as the contract says it: full, gone, or broken.
pub(crate) fn failed(error: object_store::Error) -> StoreError {
    if matches!(error, object_store::Error::NotFound { .. }) {
        return StoreError::Gone;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>()
            && matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return StoreError::Full;
        }
        cause = inner.source();
    }
    StoreError::Bytes(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, bytes: u64) -> Part {
        Part { name: name.to_owned(), bytes }
    }

    #[test]
    fn a_range_falls_on_the_parts_that_hold_it() {
        let parts = [part("a", 10), part("b", 5), part("c", 10)];
        let pieces = |range| pieces(&parts, range).expect("within");
        assert_eq!(pieces(0..25).len(), 3);
        assert_eq!(pieces(8..16), [("a".into(), 8..10), ("b".into(), 0..5), ("c".into(), 0..1)]);
        assert_eq!(pieces(10..15), [("b".into(), 0..5)]);
        assert_eq!(pieces(7..7), []);
        assert!(super::pieces(&parts, 0..26).is_err());
    }

    /// Holds rule 36.
    #[test]
    fn only_own_names_are_places() {
        assert!(location("00112233445566778899aabbccddeeff").is_ok());
        for bad in
            ["", "..", "../../../../../../../../etc/passwd", "00112233445566778899AABBCCDDEEFF"]
        {
            assert!(location(bad).is_err(), "{bad}");
        }
    }
}
