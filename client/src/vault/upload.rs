//! Bytes too large for a commit, sent before it: while they are sealed, or on from where a process that
//! is gone has left them.

use keybackup_protocol::UploadId;
use keybackup_protocol::api::code;

use super::{Notes, Vault, VaultError};
use crate::remote::{Progress, RemoteError};
use crate::spool::Tail;

impl Vault {
    /// Sends what is sealed into a spool, as it comes; `None` where nothing is to be sent ahead, since it
    /// stays in memory, or sealing broke off.
    ///
    /// Where the server refuses, sealing is told to stop. Where only the way there fails, it is not: what
    /// is sealed can be sent later.
    pub fn send_ahead(
        &self,
        tail: &Tail,
        notes: &mut dyn Notes,
        progress: Progress<'_>,
    ) -> Result<Option<UploadId>, VaultError> {
        let Some(reached) = tail.wait(0) else { return Ok(None) };
        let sent = self.begin(reached.whole.then_some(reached.bytes), notes).and_then(|upload| {
            let is_whole = self.remote.send_upload(&upload, tail, progress)?;
            Ok(is_whole.then_some(upload))
        });
        sent.map_err(|error| {
            if !error.is_passing() {
                tail.refuse();
            }
            error.into()
        })
    }

    /// Sends a spool that another process has sealed, from where the upload is that it had begun.
    pub fn send_left(
        &self,
        tail: &Tail,
        notes: &mut dyn Notes,
        progress: Progress<'_>,
    ) -> Result<Option<UploadId>, VaultError> {
        if let Some(left) = notes.upload() {
            match self.remote.resume_upload(&left, tail, progress) {
                Ok(is_whole) => return Ok(is_whole.then_some(left)),
                // Its time is over.
                Err(error) if error.is(code::GONE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.send_ahead(tail, notes, progress)
    }

    /// Ends the upload that was begun last, unless it was committed. Where it can't be ended, its time
    /// ends it.
    pub fn end_left(&self, notes: &mut dyn Notes) {
        if let Some(left) = notes.upload() {
            let _ = self.remote.end_upload(&left);
            notes.note_upload(None);
        }
    }

    fn begin(&self, bytes: Option<u64>, notes: &mut dyn Notes) -> Result<UploadId, RemoteError> {
        self.end_left(notes);
        let upload = self.remote.create_upload(bytes)?;
        notes.note_upload(Some(upload));
        Ok(upload)
    }
}
