//! What a label names, fetched, opened and audited; and what is told of it while it is unpacked.

use keybackup_protocol::PersonaId;

use super::failures::not_as_labelled;
use crate::archive::{self, Audited, Limits};
use crate::commands::context::{Context, Session};
use crate::commands::failure::archive_failure;
use crate::commands::find;
use crate::error::{Code, Failure};
use crate::marks::OpenedPersona;
use crate::received::Received;
use crate::records::{Content, Digest, Label};
use crate::seal::BlobReader;
use crate::ui::{Progress, Task, Unit};

/// The content a label names; a tombstone has none.
pub(super) fn content(label: &Label) -> Result<&Content, Failure> {
    label.content.as_ref().ok_or_else(|| {
        Failure::new(Code::NotFound, format!("{} was removed", find::quoted(label.name.as_str())))
    })
}

/// Fetches and opens what the label of `remote` names, and audits the archive: from here on it is
/// known to be whole, ours, and harmless.
pub(in crate::commands) fn fetch(
    context: &Context<'_>,
    session: &Session,
    id: PersonaId,
    remote: &OpenedPersona,
    task: Task,
) -> Result<(BlobReader<Received>, Audited), Failure> {
    let label = &remote.label.label;
    let content = content(label)?;
    let progress =
        context.ui.progress(task, Some(label.name.as_str()), Unit::Bytes, Some(content.blob_bytes));
    let directory = session.spool_place(context)?.directory;
    let blob = session.vault.fetch(id, label, &directory, &mut |bytes| progress.advance(bytes))?;
    let audited = archive::audit_ours(&mut [blob.another(), blob.another()], &Limits::OURS)
        .map_err(|error| archive_failure(&error))?;
    // Before one byte is unpacked: there is room for what the label says, and not for more.
    if (audited.files, audited.directories, audited.bytes)
        != (content.files, content.directories, content.bytes)
    {
        return Err(not_as_labelled());
    }
    Ok((blob, audited))
}

/// What came out must be what the label says went in.
pub(in crate::commands) fn check_summary(
    content: &Content,
    summary: &archive::Summary,
) -> Result<(), Failure> {
    if Digest::from(summary.fingerprint) == content.fingerprint {
        return Ok(());
    }
    Err(not_as_labelled())
}

/// Shows how far unpacking is, and gives up the ciphertext behind it.
pub(super) struct Unpacking<'a> {
    pub(super) progress: &'a Progress,
    pub(super) received: &'a Received,
}

impl archive::Watch for Unpacking<'_> {
    fn came_out(&self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn passed(&self, position: u64) {
        self.received.give_up_before(BlobReader::<Received>::chunk_at(position));
    }
}
