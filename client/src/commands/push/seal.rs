//! A scanned directory becomes sealed bytes in a spool, in one pass.

use std::io;

use rand08::rngs::OsRng;

use super::skipped;
use crate::archive::{self, Changes, PackError, StatCache};
use crate::commands::context::{Context, Session};
use crate::commands::local::LocalPersona;
use crate::commands::outgoing::{Bytes, Outgoing};
use crate::commands::persona::SkippedEntry;
use crate::commands::scan::{How, Scan};
use crate::error::{Code, Failure};
use crate::seal::{BlobType, BlobWriter};
use crate::spool::Spool;
use crate::ui::{Task, Unit};
use crate::vault::VaultError;

/// Sealed bytes, and what came up while packing.
pub(in crate::commands) struct Sealed {
    pub(in crate::commands) bytes: Bytes,
    pub(super) skipped: Vec<SkippedEntry>,
    pub(super) cache: StatCache,
}

/// Packs and seals. When a file changes meanwhile: from the start, once; then as it was read,
/// and named.
pub(in crate::commands) fn pack_and_seal(
    context: &Context<'_>,
    session: &Session,
    outgoing: &Outgoing<'_>,
    local: &LocalPersona,
    how: &How,
    scan: Scan,
) -> Result<Sealed, Failure> {
    let sealed = match seal(context, session, outgoing, scan, Changes::Refuse) {
        Err(SealFailure::Changed) => {
            let again = session.scan(Some(outgoing.id), &local.directory, how)?;
            seal(context, session, outgoing, again, Changes::Accept)
        }
        sealed => sealed,
    };
    sealed.map_err(|failure| match failure {
        SealFailure::Failed(failure) => failure,
        SealFailure::Changed => Failure::new(Code::Io, "files keep changing"),
    })
}

/// Packs and seals into a spool, in one pass: only ciphertext is kept.
fn seal(
    context: &Context<'_>,
    session: &Session,
    outgoing: &Outgoing<'_>,
    scan: Scan,
    changes: Changes,
) -> Result<Sealed, SealFailure> {
    let mut skipped = skipped(&scan);
    let Scan { root, tree } = scan;
    let cache = tree.cache.clone();
    let key = session.vault.keyring.active_persona_key(outgoing.id);
    let directory = session.profile.spool_dir().map_err(Failure::from)?;
    let (total, files) = (Some(tree.summary.bytes), tree.summary.files);
    let progress =
        context.ui.progress(Task::Packing, Some(outgoing.name.as_str()), Unit::Bytes, total);
    let mut writer = BlobWriter::create(
        &mut OsRng,
        &key,
        BlobType::Directory,
        session.vault.account,
        outgoing.version(),
        Spool::new(&directory),
    )?;
    let packed =
        archive::pack(&root, tree, changes, &mut writer, &mut |bytes| progress.advance(bytes))?;
    let (spool, blob) = writer.finish()?;
    // Files come and go; a directory that goes while it is packed is no new version of itself.
    if packed.summary.files < files / 2 {
        return Err(Failure::new(Code::Io, "most of the directory vanished while it was read")
            .hint("nothing was pushed; the same command again once it is back")
            .into());
    }
    for path in packed.changed {
        if !skipped.iter().any(|entry| entry.path == path) {
            skipped.push(SkippedEntry { path, reason: "changing" });
        }
    }
    Ok(Sealed { bytes: Bytes { spool, blob, summary: packed.summary }, skipped, cache })
}

enum SealFailure {
    Changed,
    Failed(Failure),
}

impl From<Failure> for SealFailure {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for SealFailure {
    fn from(error: io::Error) -> Self {
        Self::Failed(VaultError::from(error).into())
    }
}

impl From<PackError> for SealFailure {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Changed(_) => Self::Changed,
            PackError::Write(error) => error.into(),
            error => Self::Failed(Failure::of(Code::Io, &error)),
        }
    }
}
