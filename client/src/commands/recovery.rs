//! `keybackup recovery`: the phrase checked and replaced; what a reset has locked got back, and a
//! reset taken back.

use std::path::Path;

use keybackup_protocol::api::code;
use keybackup_protocol::{Address, EpochId};
use serde::Serialize;

use super::context::{Context, Session, cookie, new_device_id};
use super::login;
use crate::account::{self, AccountError, Into, NewPhrase};
use crate::cli::{self, PhraseFlags, Recovery};
use crate::error::{Code, CommandResult, Failure};
use crate::keys::ksf::PasswordKsf;
use crate::keys::opaque::OpaqueError;
use crate::records::{Keyring, LocalState};
use crate::remote::{Remote, RemoteError};
use crate::secret::{Phrase, RootKey};
use crate::vault::{LockedEpoch, UnlockKey, Unlocked, VaultError};
use crate::{passwords, phrases, ui};

/// Runs one of the commands.
pub(super) fn run(context: &Context<'_>, command: &Recovery) -> CommandResult {
    match command {
        Recovery::Check(flags) => check(context, flags),
        Recovery::Rotate(arguments) => rotate(context, arguments),
        Recovery::Unlock(flags) => unlock(context, flags),
        Recovery::UndoReset(arguments) => undo(context, arguments),
    }
}

#[derive(Serialize)]
struct Checked {
    valid: bool,
    epoch: String,
    generation: u64,
}

/// Tries a phrase on this device's own copies of what it opens.
fn check(context: &Context<'_>, flags: &PhraseFlags) -> CommandResult {
    let ui = context.ui;
    let profile = context.lock()?;
    let mut record = profile.record()?.ok_or_else(|| context.not_logged_in())?;
    let phrase = phrases::current(ui, flags)?;
    let account = record.account_id;
    let opens = |epoch, slot: &_| match account::open_recovery(account, epoch, &phrase, slot) {
        Ok(root) => Ok(Some(root)),
        Err(AccountError::WrongPhrase) => Ok(None),
        Err(error) => Err(Failure::from(error)),
    };
    let mut newest = true;
    let (epoch_id, slots) = (record.epoch_id, record.recovery_slots().cloned().collect::<Vec<_>>());
    for slot in slots {
        if let Some(root) = opens(epoch_id, &slot)? {
            if !newest {
                return Err(Failure::new(
                    Code::WrongPhrase,
                    "this is an earlier recovery phrase of the account: a newer one has replaced it",
                ));
            }
            refuse_other_root(context, &profile, &record, &root)?;
            let generation = slot.generation;
            record.adopt_recovery_slot(slot);
            profile.save_record(&record)?;
            let epoch = epoch_id.to_string();
            if ui.is_json() {
                return ui.json(&Checked { valid: true, epoch, generation });
            }
            ui.line("the recovery phrase is right: it opens this account")?;
            let login = profile.login_or_none(&record, |_| {});
            if login.is_none_or(|login| login.session.is_none()) {
                ui.say("as far as this device knows, which is logged out: a newer phrase may have replaced it");
            }
            return Ok(());
        }
        newest = false;
    }
    for former in &record.former {
        if opens(former.epoch_id, &former.recovery_slot)?.is_some() {
            return Err(Failure::new(
                Code::WrongPhrase,
                "this is the recovery phrase of what a reset has locked, not of the account as it is",
            )
            .hint("it gets that back: keybackup recovery unlock"));
        }
    }
    Err(AccountError::WrongPhrase.into())
}

/// A slot that opens to another root key than this device works with is not the account's.
fn refuse_other_root(
    context: &Context<'_>,
    profile: &crate::profile::Profile,
    record: &crate::profile::Record,
    root: &RootKey,
) -> CommandResult {
    use subtle::ConstantTimeEq as _;
    let login = profile.login_or_none(record, |told| context.ui.warn(told));
    match login.and_then(|login| login.session) {
        Some(session) if !bool::from(session.root.ct_eq(root.expose())) => Err(Failure::new(
            Code::Integrity,
            "the recovery phrase opens another root key than this device works with",
        )
        .hint("nothing was changed; tell the server's operator")),
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct Rotated<'a> {
    recovery_phrase: Option<&'a str>,
    recovery_file: Option<String>,
}

fn rotate(context: &Context<'_>, arguments: &cli::RotateRecovery) -> CommandResult {
    let Context { ui, global, environment, .. } = context;
    let file = arguments.recovery_file.as_deref();
    phrases::refuse_unseen(ui, file)?;
    phrases::refuse_existing(file)?;
    let mut session = context.open()?;
    let address = session.record.email.clone();
    let question = super::password_question(&address, &session.record.server);
    let password = passwords::current(ui, &global.passwords, environment, &question)?;
    let cookie = session.cookie();
    let vault = &session.vault;
    let owner = session.owner(cookie.as_ref());
    session.profile.probe()?;
    let known = session.record.recovery_slots().map(|slot| slot.generation).max().unwrap_or(1);
    // A password that is wrong is told before there is a phrase that will never be one.
    let phrase = NewPhrase::make::<PasswordKsf>(&vault.remote, &owner, &password, known)?;
    let text = phrase.text();
    phrases::keep(ui, &text, file)?;
    if ui.is_json() {
        ui.json(&Rotated {
            recovery_phrase: file.is_none().then_some(text.as_str()),
            recovery_file: file.map(|file| file.display().to_string()),
        })?;
        ui.flush()?;
    }
    let committed = phrase.commit::<PasswordKsf>(&vault.remote, &owner, &password);
    let slot = committed.map_err(|error| not_taken(error, file))?;
    session.record.adopt_recovery_slot(slot);
    session.profile.save_record(&session.record)?;
    if ui.is_json() {
        return Ok(());
    }
    ui.line("the recovery phrase is the new one; the old one opens nothing any more")
}

/// A phrase that was refused opens nothing, and must not be kept for one that does.
fn not_taken(error: AccountError, file: Option<&Path>) -> Failure {
    let in_doubt = matches!(error, AccountError::PhraseInDoubt(_));
    let failure = Failure::from(error);
    if in_doubt {
        return failure;
    }
    // Made by this command: what was there before would have stopped it.
    if let Some(file) = file {
        let _ = std::fs::remove_file(file);
    }
    failure.context("the new phrase was not taken and opens nothing; the one of before stays")
}

#[derive(Serialize)]
struct UnlockedDocument {
    unlocked: Vec<UnlockedPersona>,
    still_locked: usize,
}

#[derive(Serialize)]
struct UnlockedPersona {
    id: String,
    name: String,
    old_name: Option<String>,
}

fn unlock(context: &Context<'_>, flags: &PhraseFlags) -> CommandResult {
    let ui = context.ui;
    let (mut session, _) = context.look()?;
    let mut locked: Vec<_> = session
        .vault
        .remote
        .epochs()?
        .epochs
        .into_iter()
        .filter(|epoch| !epoch.current && !epoch.closed && epoch.personas > 0)
        .map(|epoch| epoch.id)
        .collect();
    // The newest first: it is what most people mean.
    locked.reverse();
    if locked.is_empty() {
        return report(context, &[], 0);
    }
    let mut opened = Vec::new();
    let mut phrase = phrases::given(ui, flags)?;
    if phrase.is_none() {
        for epoch in &locked {
            opened.extend(open_with_root(&session, *epoch)?);
        }
        if opened.is_empty() {
            phrase = Some(phrases::current(ui, flags)?);
        }
    }
    if let Some(phrase) = phrase {
        opened.push(open_with_phrase(&session, &locked, &phrase)?);
    }
    let mut done = Vec::new();
    for epoch in &opened {
        done.push(session.unlock(epoch)?);
    }
    forget_roots(context, &mut session);
    report(context, &done, locked.len() - done.len())
}

/// Keeps the login without the root keys of what is unlocked: they are of no more use.
fn forget_roots(context: &Context<'_>, session: &mut Session) {
    let ui = context.ui;
    let login = session.profile.login_or_none(&session.record, |told| ui.warn(told));
    if let Some(login) = login.filter(|login| login.session.is_some())
        && let Err(failure) = login::store(context, session, &login)
    {
        ui.warn(format!("the login could not be kept anew: {failure}"));
    }
}

/// The epoch among those that are locked whose phrase it is.
fn open_with_phrase(
    session: &Session,
    locked: &[EpochId],
    phrase: &Phrase,
) -> Result<LockedEpoch, Failure> {
    for epoch in locked {
        match session.open_locked(*epoch, UnlockKey::Phrase(phrase)) {
            Err(VaultError::Remote(RemoteError::Refused { code, .. }))
                if code == code::PROOF_REFUSED => {}
            opened => return Ok(opened?),
        }
    }
    Err(Failure::new(
        Code::WrongPhrase,
        "this is not the recovery phrase of anything that is locked",
    )
    .hint("is it the phrase of the account as it is now? what is locked has one of its own"))
}

/// An epoch that this device was in, if it still has its root key.
fn open_with_root(session: &Session, epoch: EpochId) -> Result<Option<LockedEpoch>, Failure> {
    let Some(former) = session.former.iter().find(|former| former.epoch == epoch) else {
        return Ok(None);
    };
    let root = RootKey::init_with(|bytes| bytes.copy_from_slice(&former.root[..]));
    Ok(Some(session.open_locked(epoch, UnlockKey::Root(&root))?))
}

fn report(context: &Context<'_>, done: &[Unlocked], still_locked: usize) -> CommandResult {
    let ui = context.ui;
    let mut unlocked = Vec::new();
    for part in done {
        for (id, name) in &part.personas {
            let old = part.renamed.iter().find(|(renamed, _)| renamed == id);
            unlocked.push(UnlockedPersona {
                id: id.to_string(),
                name: name.to_string(),
                old_name: old.map(|(_, name)| name.to_string()),
            });
        }
    }
    if ui.is_json() {
        return ui.json(&UnlockedDocument { unlocked, still_locked });
    }
    if done.is_empty() {
        return ui.report("nothing is locked");
    }
    ui.report(format!("unlocked {}", ui::count(unlocked.len() as u64, "persona")))?;
    for persona in &unlocked {
        let name = ui::escape(&persona.name);
        match &persona.old_name {
            None => ui.report(format!("  {name}"))?,
            Some(old) => {
                ui.report(format!("  {name} (there is another {})", ui::escape(old)))?;
            }
        }
    }
    if still_locked > 0 {
        ui.say("more is locked under other phrases: keybackup recovery unlock again with each");
    }
    Ok(())
}

impl Session {
    /// Opens a locked epoch, held against what this device saw when it was in it.
    fn open_locked(&self, epoch: EpochId, key: UnlockKey<'_>) -> Result<LockedEpoch, VaultError> {
        let sealed = self.profile.former_state(&epoch).ok().flatten();
        let seen = |keyring: &Keyring| {
            let (account, device) = (self.vault.account, self.vault.device);
            let open = |sealed: Vec<u8>| LocalState::open(keyring, account, device, &sealed);
            Ok(sealed.map(open).transpose()?)
        };
        self.vault.open_locked(epoch, key, seen)
    }

    /// Takes it into the account's current epoch, and remembers that.
    fn unlock(&mut self, locked: &LockedEpoch) -> Result<Unlocked, Failure> {
        let unlocked = self.unlock_in_vault(locked)?;
        // Marks of that time go on counting.
        self.snapshot()?;
        if !self.record.closed.contains(&locked.id) {
            self.close_epoch(locked.id)?;
        }
        Ok(unlocked)
    }
}

#[derive(Serialize)]
struct UndoneDocument {
    epoch: String,
    changed: bool,
}

fn undo(context: &Context<'_>, arguments: &cli::UndoReset) -> CommandResult {
    let Context { ui, settings, global, environment } = context;
    let profile = context.lock()?;
    let known = profile.record()?;
    let address = login::address_for(context, known.as_ref(), arguments.address.as_deref())?;
    let server = settings.server_for(known.as_ref().map(|record| &record.server))?;
    let remote = context.remote(&server)?;
    let instead = "--phrase-file or --phrase-stdin, or the password of before the reset";
    let by_password = global.passwords.given(environment);
    let phrase = match phrases::given(ui, &arguments.phrase)? {
        None if !by_password => phrases::current_if_any(ui, &arguments.phrase, instead)?,
        given => given,
    };
    let done = if let Some(phrase) = phrase {
        account::undo_with_phrase(&remote, &address, &phrase)?
    } else {
        let question =
            format!("{}, of before the reset", super::password_question(&address, &server));
        let password = passwords::current(ui, &global.passwords, environment, &question)?;
        let login =
            known.as_ref().and_then(|record| profile.login_or_none(record, |told| ui.warn(told)));
        let cookie = login.as_ref().and_then(cookie);
        let undo = |epoch, root: &RootKey| {
            let cookie = cookie.as_ref();
            account::undo_with_password::<PasswordKsf>(
                &remote, &address, &password, epoch, root, cookie,
            )
        };
        let mut done = None;
        for (epoch, root) in
            known.iter().zip(&login).flat_map(|(record, login)| epochs_of_before(record, login))
        {
            match undo(epoch, &root) {
                // The password is of another epoch, or this one is the current one.
                Err(AccountError::Opaque(OpaqueError::WrongPassword)) => {}
                Ok(undone) if !undone.changed => done = Some(undone),
                undone => {
                    done = Some(undone?);
                    break;
                }
            }
        }
        if let Some(done) = done {
            done
        } else {
            let (epoch, root) = root_of_before(&remote, &address, &password)?;
            undo(epoch, &root)?
        }
    };
    if ui.is_json() {
        let epoch = done.epoch.to_string();
        return ui.json(&UndoneDocument { epoch, changed: done.changed });
    }
    if !done.changed {
        return ui.report(
            "nothing was changed: the account is the one that this phrase or password is of. A reset \
             is taken back with the phrase, or the password, of before it",
        );
    }
    ui.report("the reset is taken back: the account is as it was before")?;
    ui.say("resets without the recovery phrase are barred for 30 days");
    ui.say("somebody can read your mail: change the mailbox's password, and then yours");
    if known.is_none_or(|record| record.epoch_id != done.epoch) {
        ui.say(format!("this device: keybackup login {}", ui::shell_word(address.as_str())));
    }
    Ok(())
}

/// The epochs that this device holds the root keys of and that may be gone back to: its own, which a
/// reset may have displaced, and those that it was in before, the last one first.
fn epochs_of_before(
    record: &crate::profile::Record,
    login: &crate::profile::Login,
) -> Vec<(EpochId, RootKey)> {
    let Some(session) = &login.session else { return Vec::new() };
    let root = |root: &[u8; 32]| RootKey::init_with(|bytes| bytes.copy_from_slice(root));
    let former = session.former.iter().rev();
    let former = former.filter(|former| !record.closed.contains(&former.epoch));
    std::iter::once((record.epoch_id, root(&session.root)))
        .chain(former.map(|former| (former.epoch, root(&former.root))))
        .collect()
}

/// The same on a device that was never logged in: the password opens the slot of the epoch that the
/// current one has displaced.
fn root_of_before(
    remote: &Remote,
    address: &Address,
    password: &crate::secret::Password,
) -> Result<(EpochId, RootKey), Failure> {
    let device = new_device_id();
    let before = account::login_into::<PasswordKsf>(
        remote,
        address,
        password,
        Into::Previous,
        device,
        None,
    )?;
    Ok((before.epoch, before.root))
}
