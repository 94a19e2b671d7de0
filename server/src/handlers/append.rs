//! Adding what a request brings to an upload: part after part, each durable before its row, and the
//! row before anybody is told. A request that is cut off anywhere keeps what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keybackup_protocol::{AccountId, UploadId};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::receive::memory_kib;
use super::tus::Checksum;
use crate::error::ApiError;
use crate::http::body::RequestBody;
use crate::http::peer::Owner;
use crate::http::pool::Permit;
use crate::state::{Clock, Server};
use crate::store::{Addition, PartWriter, Session, Store, StoreError, Upload};
use crate::uploading::Claim;

/// Bytes after which a part is made durable while the next one comes: what a server that is killed
/// loses of a request, at most twice.
const PART_BYTES: u64 = 16 * 1024 * 1024;
/// Time after which it is made durable with fewer bytes, so that a slow link loses little,
const PART_TIME: Duration = Duration::from_secs(30);
/// but not with fewer than these: files are few.
const LEAST_PART_BYTES: u64 = 1024 * 1024;

/// How long what a broken connection has left may take to come.
const SILENCE: Duration = Duration::from_millis(50);

/// What becomes of a request's bytes when it is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCut {
    /// They are kept.
    Keep,
    /// They go, since their checksum can't be told.
    Drop,
    /// The upload goes, since nobody has heard its name.
    End,
}

/// An upload that is being added to. Dropping it is being cut off.
pub(super) struct Append {
    to: Target,
    upload: Upload,
    /// Where the next part begins, once the parts before it are kept.
    offset: u64,
    part: Option<OpenPart>,
    /// The part before, on its way to the disk and into a row.
    keeping: Option<JoinHandle<Result<(), StoreError>>>,
    /// Of all bytes from the first one on, where it is known.
    hasher: Option<blake3::Hasher>,
    on_cut: OnCut,
    /// Held until the last part is kept.
    claim: Arc<Claim>,
    /// What the writer takes, likewise.
    memory: Option<Arc<Permit>>,
}

/// Where parts go.
#[derive(Clone)]
struct Target {
    store: Arc<dyn Store>,
    clock: Clock,
    ttl_s: i64,
    session: i64,
    account: AccountId,
    id: UploadId,
}

struct OpenPart {
    writer: Box<dyn PartWriter>,
    taken_bytes: u64,
    most_bytes: u64,
    begun: Instant,
}

/// What a request adds to.
pub(super) struct To<'a> {
    pub(super) server: &'a Server,
    pub(super) session: &'a Session,
    pub(super) id: UploadId,
    pub(super) upload: Upload,
    pub(super) claim: Claim,
    pub(super) on_cut: OnCut,
}

/// Adds the body, of which there is something, and returns how many bytes the upload then has.
pub(super) async fn body(
    to: To<'_>,
    body: &mut RequestBody,
    mut checksum: Option<Checksum>,
) -> Result<u64, ApiError> {
    let (server, owner) = (to.server, Owner::Account(to.session.account));
    let mut append = Append::begin(to);
    while body.left() > 0 {
        let left = body.left();
        let chunk = next(&append.claim, body).await?.ok_or(ApiError::Disconnected)?;
        if append.memory.is_none() {
            // Not before something came: what is only announced takes none.
            let memory = server.uploads.take(owner, memory_kib(body.length())).await?;
            append.memory = Some(Arc::new(memory));
        }
        if let Some(checksum) = &mut checksum {
            checksum.update(&chunk);
        }
        append.take(chunk, left).await?;
    }
    if let Some(checksum) = checksum {
        checksum.check()?;
    }
    append.finish().await
}

impl Append {
    fn begin(to: To<'_>) -> Self {
        let To { server, session, id, upload, claim, on_cut } = to;
        let target = Target {
            store: Arc::clone(&server.store),
            clock: server.clock(),
            ttl_s: server.settings.upload_ttl_s,
            session: session.id,
            account: session.account,
            id,
        };
        Self {
            to: target,
            upload,
            offset: upload.bytes,
            part: None,
            keeping: None,
            hasher: claim.take_hash(upload.bytes),
            on_cut,
            claim: Arc::new(claim),
            memory: None,
        }
    }

    /// Takes bytes; `left` are these and what is still to come.
    async fn take(&mut self, mut chunk: Bytes, mut left: u64) -> Result<(), ApiError> {
        while !chunk.is_empty() {
            // A broken part is dropped, not kept: until it is put back it is nowhere else.
            let mut part = match self.part.take() {
                Some(part) => part,
                None => open(&self.to, self.upload, self.on_cut, left).await?,
            };
            let room = part.most_bytes - part.taken_bytes;
            let bytes =
                chunk.split_to(usize::try_from(room).unwrap_or(usize::MAX).min(chunk.len()));
            let count = bytes.len() as u64;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&bytes);
            }
            part.writer.write(bytes).await?;
            part.taken_bytes += count;
            left -= count;
            let is_due = part.is_due() && self.on_cut != OnCut::Drop;
            self.part = Some(part);
            if is_due {
                self.roll().await?;
            }
        }
        Ok(())
    }

    /// Has the part made durable while the next one comes; never more than one at a time.
    async fn roll(&mut self) -> Result<(), ApiError> {
        self.kept().await?;
        if let Some(part) = &mut self.part {
            // What it has gathered takes memory until then.
            part.writer.flush().await?;
        }
        self.seal();
        Ok(())
    }

    /// Waits for the part before. It stays in its place until then: who leaves must not begin to
    /// keep the next one earlier.
    async fn kept(&mut self) -> Result<(), ApiError> {
        if let Some(keeping) = &mut self.keeping {
            let kept = keeping.await.map_err(|error| StoreError::Bytes(Box::new(error)));
            self.keeping = None;
            kept??;
        }
        Ok(())
    }

    fn held(&self) -> (Arc<Claim>, Option<Arc<Permit>>) {
        (Arc::clone(&self.claim), self.memory.clone())
    }

    /// Begins to keep the part, in a task that nobody who leaves can end.
    fn seal(&mut self) {
        let Some(part) = self.part.take().filter(|part| part.taken_bytes > 0) else { return };
        let offset = self.offset;
        self.offset += part.taken_bytes;
        let is_whole = self.upload.announced_bytes == Some(self.offset);
        // What failed to be written was hashed, too.
        let hasher = self.hasher.clone().filter(|hasher| hasher.count() == self.offset);
        let (to, held, before) = (self.to.clone(), self.held(), self.keeping.take());
        let end = self.offset;
        self.keeping = Some(tokio::spawn(async move {
            let (claim, _memory) = held;
            if let Some(before) = before {
                before.await.map_err(|error| StoreError::Bytes(Box::new(error)))??;
            }
            let part = part.writer.keep().await?;
            let blake3 = hasher.as_ref().filter(|_| is_whole).map(|it| it.finalize().into());
            to.append(offset, part, blake3).await?;
            if let Some(hasher) = hasher.filter(|_| !is_whole) {
                claim.keep_hash(end, hasher);
            }
            Ok(())
        }));
    }

    /// Keeps all that came; returns how many bytes the upload then has.
    async fn finish(mut self) -> Result<u64, ApiError> {
        self.on_cut = OnCut::Keep;
        self.seal();
        self.kept().await?;
        Ok(self.offset)
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if Handle::try_current().is_err() {
            return; // the process ends
        }
        match self.on_cut {
            OnCut::Keep => self.seal(),
            OnCut::Drop => {}
            OnCut::End => {
                let (to, held, before) = (self.to.clone(), self.held(), self.keeping.take());
                self.part = None;
                tokio::spawn(async move {
                    let _held = held;
                    if let Some(before) = before {
                        let _ = before.await; // kept or not, it goes
                    }
                    // What can't be dropped now expires.
                    let now = (to.clock)();
                    let _ = to.store.end_upload(to.session, to.account, to.id, now).await;
                });
            }
        }
    }
}

/// The next bytes, unless somebody wants the upload and no more come at once.
async fn next(claim: &Claim, body: &mut RequestBody) -> Result<Option<Bytes>, ApiError> {
    if !claim.is_wanted() {
        tokio::select! {
            biased; // what has come is taken first
            chunk = body.chunk() => return chunk,
            () = claim.wanted() => {}
        }
    }
    if claim.is_overdue() {
        return Err(ApiError::Locked);
    }
    // A connection that broke has left them in the kernel.
    timeout(SILENCE, body.chunk()).await.unwrap_or(Err(ApiError::Locked))
}

/// Begins a part; `left` is what is still to come of the request.
async fn open(to: &Target, upload: Upload, on_cut: OnCut, left: u64) -> Result<OpenPart, ApiError> {
    let most_bytes = if on_cut == OnCut::Drop { left } else { left.min(PART_BYTES) };
    let writer = to.store.begin_upload_part(to.account, &upload, most_bytes).await?;
    Ok(OpenPart { writer, taken_bytes: 0, most_bytes, begun: Instant::now() })
}

impl OpenPart {
    fn is_due(&self) -> bool {
        self.taken_bytes == self.most_bytes
            || (self.taken_bytes >= LEAST_PART_BYTES && self.begun.elapsed() >= PART_TIME)
    }
}

impl Target {
    async fn append(
        &self,
        offset: u64,
        part: crate::store::Part,
        blake3: Option<[u8; 32]>,
    ) -> Result<(), StoreError> {
        let now = (self.clock)();
        let addition = Addition {
            session: self.session,
            account: self.account,
            id: self.id,
            offset,
            part,
            blake3,
            now,
            // Counted from here: a slow one may take longer than that.
            expires_at: now.saturating_add(self.ttl_s),
        };
        self.store.append(addition).await
    }
}
