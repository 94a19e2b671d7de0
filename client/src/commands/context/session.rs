//! An open account, and the profile it is remembered in.

use keybackup_protocol::api::EpochOrigin;
use keybackup_protocol::{EpochId, PersonaId, UploadId};
use rand08::rngs::OsRng;

use super::now;
use crate::account::Owner;
use crate::error::{Code, Failure};
use crate::marks::Opened;
use crate::profile::{FormerRoot, LockedProfile, Record, Sent, Snapshot};
use crate::records::{Digest, LocalState};
use crate::remote::Progress;
use crate::secret::DeviceCookie;
use crate::ui::{Warner, escape, timestamp};
use crate::vault::{Change, Landed, LockedEpoch, Notes, Unlocked, Vault};

/// An open account and the profile it is remembered in, locked until this is dropped.
pub struct Session {
    /// The account.
    pub vault: Vault,
    /// Where it is remembered.
    pub profile: LockedProfile,
    /// What is remembered.
    pub record: Record,
    /// Whether a commit was made, or tried, since the last snapshot.
    pub stale: bool,
    /// Whether the login is for this command alone.
    pub ends_with_command: bool,
    /// Whether the account has another epoch by now: the password was reset without the phrase.
    pub displaced: bool,
    /// Root keys of epochs that this device was in before.
    pub former: Vec<FormerRoot>,
    /// Tells what can't be remembered.
    warner: Warner,
}

impl Drop for Session {
    /// Ends a login that nobody keeps; one that can't be told of ends by itself at the server.
    fn drop(&mut self) {
        if self.ends_with_command {
            let _ = self.vault.remote.end_session();
        }
    }
}

impl Session {
    /// Of a login that is kept, until told otherwise.
    pub const fn new(vault: Vault, profile: LockedProfile, record: Record, warner: Warner) -> Self {
        Self {
            vault,
            profile,
            record,
            stale: false,
            ends_with_command: false,
            displaced: false,
            former: Vec::new(),
            warner,
        }
    }

    /// The account as the server has it, checked; what is new in it is remembered. A profile that
    /// can't be written is no reason not to look, nor to restore.
    pub fn snapshot(&mut self) -> Result<Opened, Failure> {
        let opened = self.vault.snapshot(&mut ProfileNotes(&self.profile))?;
        self.stale = false;
        let current = self.vault.remote.current_epoch();
        self.displaced = current.is_some_and(|epoch| epoch != self.vault.epoch);
        let opened = self.inherit_marks(opened)?;
        if self.vault.state.absorb(&opened, now()) {
            self.keep_state();
        }
        Ok(opened)
    }

    /// What this device has seen in an epoch before counts on where that is unlocked, which shows in
    /// its keys being in the keyring: what was there must be here, and not older.
    fn inherit_marks(&mut self, mut opened: Opened) -> Result<Opened, Failure> {
        let epochs: Vec<_> = self.record.former.iter().map(|former| former.epoch_id).collect();
        for epoch in epochs {
            let Some(sealed) = self.profile.former_state(&epoch)? else { continue };
            let vault = &self.vault;
            let Ok(seen) = LocalState::open(&vault.keyring, vault.account, vault.device, &sealed)
            else {
                continue;
            };
            let before = vault.state.clone();
            self.vault.state.inherit(&seen);
            opened = match self.vault.snapshot(&mut ProfileNotes(&self.profile)) {
                Ok(opened) => opened,
                Err(error) => {
                    self.vault.state = before;
                    return Err(error.into());
                }
            };
            self.close_epoch(epoch)?;
        }
        Ok(opened)
    }

    /// Takes a locked epoch into the current one, at the server.
    pub fn unlock_in_vault(&mut self, locked: &LockedEpoch) -> Result<Unlocked, Failure> {
        let notes = &mut ProfileNotes(&self.profile);
        Ok(self.vault.unlock(locked, notes, now())?)
    }

    /// Notes that an epoch that this device was in has moved into its own. What was seen of it is in
    /// this one's state, and written before the other goes.
    pub fn close_epoch(&mut self, epoch: EpochId) -> Result<(), Failure> {
        self.save_state()?;
        self.record.close(epoch);
        self.profile.save_record(&self.record)?;
        self.former.retain(|former| former.epoch != epoch);
        Ok(self.profile.forget_former_state(&epoch)?)
    }

    /// What is told where the account has another epoch than this device is in.
    pub fn displacement(&self) -> Failure {
        let epochs = self.vault.remote.epochs().map(|answer| answer.epochs).unwrap_or_default();
        let when = epochs
            .iter()
            .find(|epoch| epoch.current && epoch.origin == EpochOrigin::Mail)
            .map_or_else(String::new, |it| format!(" on {}", timestamp(it.created_at)));
        let email = escape(self.record.email.as_str()).into_owned();
        Failure::new(
            Code::Displaced,
            format!(
                "the server says that the password of {email} was reset{when} by mail, without the \
                 recovery phrase; what this device has backed up is locked, not lost"
            ),
        )
        .hint("not by you? take it back: keybackup recovery undo-reset")
        .hint("by you? keybackup login, then keybackup recovery unlock")
    }

    /// What makes this device known to the server, from the login that is kept.
    pub fn cookie(&self) -> Option<DeviceCookie> {
        let login = self.profile.login_or_none(&self.record, |told| self.warner.warn(told));
        login.as_ref().and_then(super::cookie)
    }

    /// What is noted in the profile beside the marks.
    pub(in crate::commands) const fn notes(&self) -> ProfileNotes<'_> {
        ProfileNotes(&self.profile)
    }

    /// Whose account it is, for what wants the password proven anew.
    pub fn owner<'a>(&'a self, cookie: Option<&'a DeviceCookie>) -> Owner<'a> {
        Owner {
            address: &self.record.email,
            account: self.vault.account,
            epoch: self.vault.epoch,
            root: &self.vault.root,
            cookie,
        }
    }

    /// Writes what is known of account and device, and what this device has seen.
    pub fn remember(&mut self) -> Result<(), Failure> {
        self.record.keyring = self.vault.sealed_keyring.clone();
        // In this order: a state without the record of its device could never be opened.
        self.profile.save_record(&self.record)?;
        self.save_state()
    }

    /// Commits a change, and remembers what now stands: also when the change did not come about,
    /// and something else was seen to stand there.
    pub fn commit(
        &mut self,
        opened: Opened,
        change: Change<'_>,
        progress: Progress<'_>,
    ) -> Result<Landed, Failure> {
        self.stale = true;
        let notes = &mut ProfileNotes(&self.profile);
        self.vault.commit(opened, change, notes, now(), progress).map_err(|error| {
            self.keep_state();
            error.into()
        })
    }

    /// [`Self::save_state`] after a commit: the change stands, whatever becomes of the note.
    pub fn note_commit(&mut self) -> Result<(), Failure> {
        self.save_state().map_err(|failure| {
            failure
                .context("the server has the change, and this device could not note it")
                .hint("make room, or the profile writable; the next command that looks notes it")
        })
    }

    /// [`Self::save_state`] for who only reads: failing to is told, and no failure.
    pub fn keep_state(&mut self) {
        self.save_state().unwrap_or_else(|failure| self.warn_unkept(&failure));
    }

    pub(super) fn warn_unkept(&self, failure: &Failure) {
        self.warner.warn(format!(
            "what this device has seen can't be kept, so it may not notice a server that goes \
             back: {failure}"
        ));
    }

    /// Seals what this device has seen and writes it durably; before it the keyring, if there is a
    /// newer one, which alone can open it.
    pub fn save_state(&mut self) -> Result<(), Failure> {
        let vault = &self.vault;
        if self.record.keyring != vault.sealed_keyring {
            self.record.keyring = vault.sealed_keyring.clone();
            self.profile.save_record(&self.record)?;
        }
        let sealed = vault
            .state
            .seal(&mut OsRng, &vault.keyring, vault.account, vault.device)
            .map_err(|error| Failure::of(Code::Internal, &error))?;
        Ok(self.profile.save_state(&sealed)?)
    }
}

/// What is noted in the profile beside the marks.
pub(in crate::commands) struct ProfileNotes<'a>(&'a LockedProfile);

impl Notes for ProfileNotes<'_> {
    fn listing(&self) -> Option<(String, Vec<u8>)> {
        self.0.snapshot().map(|Snapshot { etag, listing }| (etag, listing))
    }

    fn note_listing(&mut self, etag: &str, bytes: &[u8]) {
        let snapshot = Snapshot { etag: etag.to_owned(), listing: bytes.to_vec() };
        // A listing that can't be kept is fetched again: slower, and nothing worse.
        let _ = self.0.save_snapshot(&snapshot);
    }

    fn note_sent(&mut self, persona: PersonaId, label: Digest) {
        // Without it a commit whose answer is lost to a killed process asks to be looked at.
        let _ = self.0.save_sent(&Sent { persona, label });
    }

    fn upload(&self) -> Option<UploadId> {
        self.0.upload()
    }

    fn note_upload(&mut self, upload: Option<UploadId>) {
        // Without it what a killed process has begun stays with the server for a day.
        let _ = self.0.save_upload(upload.as_ref());
    }
}
