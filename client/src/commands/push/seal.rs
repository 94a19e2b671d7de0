//! A scanned directory becomes sealed bytes in a spool, in one pass.

use std::io;

use super::skipped;
use crate::archive::{self, Changes, PackError, StatCache};
use crate::commands::context::{Context, Session};
use crate::commands::local::LocalPersona;
use crate::commands::outgoing::{Bytes, Outgoing};
use crate::commands::persona::SkippedEntry;
use crate::commands::scan::{How, Source};
use crate::error::{Code, Failure};
use crate::ui::{Task, Unit};
use crate::vault::VaultError;

/// Sealed bytes, and what came up while packing.
pub(in crate::commands) struct Sealed {
    pub(in crate::commands) bytes: Bytes,
    pub(super) skipped: Vec<SkippedEntry>,
    pub(super) cache: StatCache,
}

/// Packs, seals and sends, unless that was done before, and not committed. When a file changes
/// meanwhile: from the start, once; then as it was read, and named.
pub(in crate::commands) fn pack_and_seal(
    context: &Context<'_>,
    session: &Session,
    outgoing: &Outgoing<'_>,
    local: &LocalPersona,
    how: &How,
    mut source: Source,
) -> Result<Sealed, Failure> {
    if let Some(parcel) = session.left_parcel().filter(|parcel| parcel.persona == outgoing.id) {
        match source.known.take() {
            Some((fingerprint, cache)) if fingerprint == parcel.content.fingerprint => {
                if let Some(bytes) = outgoing.send_left(context, session, &parcel)? {
                    return Ok(Sealed { bytes, skipped: skipped(&source), cache });
                }
            }
            _ => session.drop_parcel(),
        }
    }
    let sealed = match seal(context, session, outgoing, source, Changes::Refuse) {
        Err(SealFailure::Changed) => {
            let again = session.scan(Some(outgoing.id), &local.directory, how)?;
            seal(context, session, outgoing, again.into(), Changes::Accept)
        }
        sealed => sealed,
    };
    sealed.map_err(|failure| match failure {
        SealFailure::Failed(failure) => failure,
        SealFailure::Changed => Failure::new(Code::Io, "files keep changing"),
    })
}

/// Packs and seals in one pass, and sends what that brings: only ciphertext is kept.
fn seal(
    context: &Context<'_>,
    session: &Session,
    outgoing: &Outgoing<'_>,
    source: Source,
    changes: Changes,
) -> Result<Sealed, SealFailure> {
    let mut skipped = skipped(&source);
    let Source { root, plan, files, bytes, .. } = source;
    let progress =
        context.ui.progress(Task::Packing, Some(outgoing.name.as_str()), Unit::Bytes, Some(bytes));
    let mut made = (Vec::new(), StatCache::default());
    let bytes = outgoing.seal_and_send(context, session, |writer| {
        let advance = &mut |bytes| progress.advance(bytes);
        let packed = archive::pack(&root, plan, changes, writer, advance)?;
        // Files come and go; a directory that goes while it is packed is no new version of itself.
        if packed.summary.files < files / 2 {
            return Err(Failure::new(Code::Io, "most of the directory vanished while it was read")
                .hint("nothing was pushed; the same command again once it is back")
                .into());
        }
        made = (packed.changed, packed.cache);
        Ok::<_, SealFailure>(packed.summary)
    })?;
    let (changed, cache) = made;
    for path in changed {
        if !skipped.iter().any(|entry| entry.path == path) {
            skipped.push(SkippedEntry { path, reason: "changing" });
        }
    }
    Ok(Sealed { bytes, skipped, cache })
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
