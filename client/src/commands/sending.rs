//! Sealing and sending side by side: what leaves memory while it is sealed is on its way to the server
//! already. What is sealed whole is kept as a parcel until its commit is made.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use keybackup_protocol::{PersonaId, UploadId};
use rand08::rngs::OsRng;

use super::context::{Context, Session};
use super::outgoing::{Bytes, Held, Outgoing};
use crate::archive::Summary;
use crate::error::{Code, Failure};
use crate::profile::PARCEL;
use crate::records::{Name, Parcel};
use crate::seal::{BlobType, BlobWriter, SealedBlob};
use crate::spool::{Feed, Spool, Tail};
use crate::ui::{Progress, Task, Ui, Unit};
use crate::vault::VaultError;

/// How long sending may take before what is sealed is made durable here: most is gone by then.
const DURABLE_AFTER: Duration = Duration::from_secs(2);
/// What is told where sending fails for want of a way to the server.
const KEPT: &str = "what was sealed is kept: the same command again sends what is missing";
/// How long a parcel waits for the next push.
const KEPT_FOR: Duration = Duration::from_hours(7 * 24);

impl Outgoing<'_> {
    /// Runs `seal`, which puts a zip into a blob of the new version, and sends what leaves memory.
    pub(super) fn seal_and_send<E: From<Failure>>(
        &self,
        context: &Context<'_>,
        session: &Session,
        seal: impl FnOnce(&mut BlobWriter<Feed>) -> Result<Summary, E>,
    ) -> Result<Bytes, E> {
        let place = session.spool_place(context)?;
        let (feed, tail) = Feed::new(Spool::keepable(&place.directory));
        let shown = Shown { ui: context.ui, name: self.name, progress: OnceLock::new() };
        thread::scope(|scope| {
            let (over, is_over) = channel();
            let sender = scope.spawn(|| {
                let _over: std::sync::mpsc::Sender<()> = over;
                let notes = &mut session.notes();
                session.vault.send_ahead(&tail, notes, &mut |bytes| shown.advance(bytes))
            });
            let sealed = self.seal(session, feed, seal);
            let sealed = sealed.map(|(spool, blob, summary)| {
                shown.total(blob.blob_bytes);
                match spool.into_memory() {
                    Ok(bytes) => (Some(bytes), blob, summary),
                    Err(spool) => {
                        if let Some(file) =
                            self.keep_parcel(session, &place, spool, &blob, &summary)
                        {
                            scope.spawn(move || make_durable(&file, &is_over));
                        }
                        (None, blob, summary)
                    }
                }
            });
            let sent = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (sealed, sent) {
                (Ok((Some(bytes), blob, summary)), _) => {
                    Ok(Bytes { held: Held::Here(bytes), blob, summary })
                }
                (Ok((None, blob, summary)), Ok(Some(upload))) => {
                    Ok(Bytes { held: Held::Upload(upload), blob, summary })
                }
                (Ok(_), Ok(None)) => Err(unsent().into()),
                (Ok(_), Err(error)) => {
                    let is_kept = !is_refusal(&error) && session.profile.parcel().is_some();
                    let failure = Failure::from(error);
                    Err(if is_kept { failure.hint(KEPT) } else { failure }.into())
                }
                (Err(failure), sent) => {
                    session.vault.end_left(&mut session.notes());
                    // Where the server would not have it, sealing was told to stop: that is why.
                    Err(sent
                        .err()
                        .filter(is_refusal)
                        .map_or(failure, |it| Failure::from(it).into()))
                }
            }
        })
    }

    fn seal<E: From<Failure>>(
        &self,
        session: &Session,
        feed: Feed,
        seal: impl FnOnce(&mut BlobWriter<Feed>) -> Result<Summary, E>,
    ) -> Result<(Spool, SealedBlob, Summary), E> {
        let failed = |error| Failure::from(VaultError::from(error));
        let mut writer = self.writer(session, feed).map_err(failed)?;
        let summary = seal(&mut writer)?;
        let (feed, blob) = writer.finish().map_err(failed)?;
        Ok((feed.finish().map_err(failed)?, blob, summary))
    }

    /// A blob of the new version that is sealed into `out`.
    pub(super) fn writer<W: std::io::Write>(
        &self,
        session: &Session,
        out: W,
    ) -> std::io::Result<BlobWriter<W>> {
        let key = session.vault.keyring.active_persona_key(self.id);
        let account = session.vault.account;
        BlobWriter::create(&mut OsRng, &key, BlobType::Directory, account, self.version(), out)
    }

    /// Sends what is sealed whole, unless it is for the commit to bring.
    pub(super) fn send(
        &self,
        context: &Context<'_>,
        session: &Session,
        spool: Spool,
    ) -> Result<Held, Failure> {
        let spool = match spool.into_memory() {
            Ok(bytes) => return Ok(Held::Here(bytes)),
            Err(spool) => spool,
        };
        let bytes = spool.len();
        let file = spool.into_file().ok_or_else(unsent)?;
        self.send_file(context, session, file, bytes, false)
    }

    fn send_file(
        &self,
        context: &Context<'_>,
        session: &Session,
        file: File,
        bytes: u64,
        was_begun: bool,
    ) -> Result<Held, Failure> {
        let (tail, notes) = (Tail::of(file, bytes), &mut session.notes());
        let shown = Shown { ui: context.ui, name: self.name, progress: OnceLock::new() };
        shown.total(bytes);
        let progress = &mut |bytes| shown.advance(bytes);
        let upload: Option<UploadId> = if was_begun {
            session.vault.send_left(&tail, notes, progress)?
        } else {
            session.vault.send_ahead(&tail, notes, progress)?
        };
        Ok(Held::Upload(upload.ok_or_else(unsent)?))
    }

    /// Keeps what is sealed whole, so that it need not be sealed again. Where it can't be kept, a
    /// process that is killed from here on has to.
    fn keep_parcel(
        &self,
        session: &Session,
        place: &SpoolPlace,
        spool: Spool,
        blob: &SealedBlob,
        summary: &Summary,
    ) -> Option<File> {
        let path = place.directory.join(&place.parcel);
        let parcel = Parcel {
            epoch: session.vault.epoch,
            persona: self.id,
            name: self.name.clone(),
            version: self.version(),
            content: super::outgoing::content(blob, summary),
            file: path.to_str()?.to_owned(),
        };
        let file = spool.keep(&place.parcel).ok()?;
        let vault = &session.vault;
        let sealed = parcel.seal(&mut OsRng, &vault.keyring, vault.account, vault.device).ok()?;
        session.profile.save_parcel(&sealed).ok()?;
        Some(file)
    }

    /// Sends the rest of a parcel that was left, if it is what would be sealed now.
    pub(super) fn send_left(
        &self,
        context: &Context<'_>,
        session: &Session,
        parcel: &Parcel,
    ) -> Result<Option<Bytes>, Failure> {
        let content = &parcel.content;
        let header = *content.header.header();
        let is_it = parcel.epoch == session.vault.epoch
            && (parcel.persona, parcel.version) == (self.id, self.version())
            && header.key_id == session.vault.keyring.active().id();
        let file = if is_it { whole_file(context.ui, parcel) } else { None };
        let Some(file) = file else {
            session.drop_parcel();
            return Ok(None);
        };
        let held = self.send_file(context, session, file, content.blob_bytes, true)?;
        let blob = SealedBlob {
            header,
            blake3: *content.blake3.as_bytes(),
            blob_bytes: content.blob_bytes,
            zip_bytes: content.zip_bytes,
        };
        let summary = Summary {
            fingerprint: *content.fingerprint.as_bytes(),
            files: content.files,
            directories: content.directories,
            bytes: content.bytes,
        };
        Ok(Some(Bytes { held, blob, summary }))
    }
}

impl Session {
    /// What was sealed and not committed, if a process that ended has left it.
    pub(super) fn left_parcel(&self) -> Option<Parcel> {
        let (vault, sealed) = (&self.vault, self.profile.parcel()?);
        let parcel = Parcel::open(&vault.keyring, vault.account, vault.device, &sealed);
        let parcel = parcel.ok().filter(|parcel| is_young(&parcel.file));
        if parcel.is_none() {
            self.drop_parcel();
        }
        parcel
    }

    /// Removes what is kept of a parcel of this persona: it stands at the server by now.
    pub(super) fn drop_parcel_of(&self, persona: PersonaId) {
        if self.left_parcel().is_some_and(|parcel| parcel.persona == persona) {
            self.drop_parcel();
        }
    }

    /// Removes what is kept of a parcel. What can't be removed, the next one replaces.
    pub(super) fn drop_parcel(&self) {
        let Some(sealed) = self.profile.parcel() else { return };
        let vault = &self.vault;
        if let Ok(parcel) = Parcel::open(&vault.keyring, vault.account, vault.device, &sealed) {
            let _ = std::fs::remove_file(&parcel.file);
        }
        let _ = self.profile.drop_parcel();
    }

    /// Where ciphertext goes on its way.
    pub(super) fn spool_place(&self, context: &Context<'_>) -> Result<SpoolPlace, Failure> {
        let Some(directory) = &context.settings.spool_dir else {
            let directory = self.profile.spool_dir()?;
            return Ok(SpoolPlace { directory, parcel: PARCEL.into() });
        };
        if !directory.is_dir() {
            let shown = crate::ui::escape(&directory.display().to_string()).into_owned();
            return Err(Failure::new(Code::Usage, format!("there is no directory {shown}"))
                .hint("--spool-dir names one that is there, with room for what is large"));
        }
        // Others may keep theirs there, too.
        let parcel = format!("keybackup-{}.parcel", self.vault.device).into();
        Ok(SpoolPlace { directory: directory.clone(), parcel })
    }
}

/// A directory for ciphertext on its way, and what a whole one is called in it.
pub(super) struct SpoolPlace {
    pub(super) directory: PathBuf,
    parcel: OsString,
}

/// The file of a parcel, if it is whole: a power cut, or somebody else, may have changed it.
fn whole_file(ui: &Ui, parcel: &Parcel) -> Option<File> {
    let content = &parcel.content;
    let file = File::open(&parcel.file).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() != content.blob_bytes {
        return None;
    }
    let (name, total) = (Some(parcel.name.as_str()), Some(content.blob_bytes));
    let progress = ui.progress(Task::Verifying, name, Unit::Bytes, total);
    let (mut reader, mut hasher) = (&file, blake3::Hasher::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut reader, &mut buffer).ok()? {
            0 => break,
            read => {
                hasher.update(&buffer[..read]);
                progress.advance(read as u64);
            }
        }
    }
    (hasher.finalize() == *content.blake3.as_bytes()).then_some(file)
}

/// Whether it is worth its room still: nobody has pushed again since.
fn is_young(file: &str) -> bool {
    let made = std::fs::metadata(file).and_then(|metadata| metadata.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < KEPT_FOR))
}

/// Makes a parcel survive a power cut, too, where sending takes longer than that is worth.
fn make_durable(file: &File, is_over: &Receiver<()>) {
    if is_over.recv_timeout(DURABLE_AFTER) == Err(RecvTimeoutError::Timeout) {
        // Not trusted: it is hashed before it is used.
        let _ = file.sync_data();
    }
}

fn is_refusal(error: &VaultError) -> bool {
    !matches!(error, VaultError::Remote(remote) if remote.is_passing())
}

fn unsent() -> Failure {
    Failure::new(Code::Internal, "what was sealed was not sent")
}

/// Progress of what is sent, shown once there is some.
struct Shown<'a> {
    ui: &'a Ui,
    name: &'a Name,
    progress: OnceLock<Progress>,
}

impl Shown<'_> {
    fn progress(&self) -> &Progress {
        self.progress.get_or_init(|| {
            self.ui.progress(Task::Sending, Some(self.name.as_str()), Unit::Bytes, None)
        })
    }

    fn advance(&self, bytes: u64) {
        self.progress().advance(bytes);
    }

    /// Tells how much there is, if it is worth telling.
    fn total(&self, bytes: u64) {
        if bytes > keybackup_protocol::limits::MAX_INLINE_BLOB_BYTES {
            self.progress().set_total(bytes);
        }
    }
}
