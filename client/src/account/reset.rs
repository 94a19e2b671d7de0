//! Another password for who has forgotten it: a mailed code and the recovery phrase, which gives
//! everything back; or the code alone, which gives a new epoch and leaves the rest locked.

use keybackup_protocol::api::{
    self, ProvenEpoch, ResetDone, ResetFinish, ResetStart, ResetStarted, Slot, SlotKind,
};
use keybackup_protocol::limits::MAX_ORDINAL;
use keybackup_protocol::suite::SUITE;
use keybackup_protocol::{AccountId, Address, B64, DeviceId};
use opaque_ke::ksf::Ksf;
use rand08::rngs::OsRng;
use zeroize::Zeroizing;

use super::fresh_epoch::FreshEpoch;
use super::{AccountError, Grant, LoggedIn, greet, see_through};
use crate::keys;
use crate::keys::opaque::RegistrationClient;
use crate::records::{Keyring, RecordError, slot};
use crate::remote::Remote;
use crate::seal::OpenError;
use crate::secret::{Password, Phrase, RootKey};

/// A reset whose code the server has taken.
pub struct Reset<K: Ksf> {
    started: ResetStarted,
    registration: RegistrationClient<K>,
    /// Root key and keyring of the epoch whose phrase was shown.
    opened: Option<Opened>,
}

struct Opened {
    proven: ProvenEpoch,
    root: RootKey,
    keyring: Keyring,
}

/// A reset without phrase that is ready on the device and unknown to the server.
pub struct FreshReset {
    /// The account, by the server's word.
    pub account: AccountId,
    /// The epoch to be.
    pub epoch: FreshEpoch,
    finish: ResetFinish,
}

impl<K: Ksf> Reset<K> {
    /// Shows code and phrase. A phrase that opens nothing of the account is an error, and the code
    /// holds on.
    pub fn start(
        remote: &Remote,
        address: &Address,
        code: &str,
        phrase: Option<&Phrase>,
        password: &Password,
    ) -> Result<Self, AccountError> {
        let prepared = keys::password::prepare(password)?;
        greet(remote)?;
        let (request, registration) =
            RegistrationClient::<K>::start(&mut OsRng, address, &prepared)?;
        let proof = phrase.map(|phrase| B64(keys::phrase_proof(phrase).expose().to_vec()));
        let mut started = remote.start_reset(&ResetStart {
            email: address.as_str().to_owned(),
            code: code.to_owned(),
            suite: SUITE,
            registration_request: B64(request),
            phrase_proof: proof,
        })?;
        let opened = match (phrase, started.proven.take()) {
            (None, None) => None,
            (Some(phrase), Some(proven)) => Some(open(started.account_id, phrase, proven)?),
            _ => return Err(AccountError::BadAnswer),
        };
        Ok(Self { started, registration, opened })
    }

    /// Personas that a reset without phrase locks, by the server's word.
    pub const fn would_lock(&self) -> u64 {
        self.started.would_lock
    }

    /// Takes the new password, with the phrase that was shown. Nothing but the password changes; an
    /// epoch that a reset had displaced is the current one again.
    pub fn with_phrase(self, remote: &Remote, device: DeviceId) -> Result<LoggedIn, AccountError> {
        let Opened { proven, root, keyring } = self.opened.ok_or(AccountError::BadAnswer)?;
        let account = self.started.account_id;
        let (record, export_key) =
            self.registration.finish(&mut OsRng, &self.started.registration_response.0)?;
        if !(1..MAX_ORDINAL).contains(&proven.password_generation) {
            return Err(AccountError::BadAnswer);
        }
        let generation = proven.password_generation + 1;
        let key = keys::password_slot_key(&export_key);
        let sealed = slot::seal(&mut OsRng, &key, account, proven.epoch, generation, &root)
            .map_err(AccountError::Seal)?;
        let finish = ResetFinish {
            ticket: self.started.ticket,
            device_id: device,
            record: Some(B64(record)),
            slot: Some(Slot { kind: SlotKind::Password, generation, sealed: B64(sealed) }),
            new_epoch: None,
        };
        let done = commit(remote, &finish)?;
        if done.epoch != proven.epoch {
            return Err(AccountError::BadAnswer);
        }
        Ok(LoggedIn {
            account,
            epoch: proven.epoch,
            root,
            keyring,
            sealed_keyring: proven.keyring,
            recovery_slot: proven.recovery_slot,
            device_record: None,
            grant: Grant::parse(done.session)?,
        })
    }

    /// Makes the new epoch of a reset without phrase, as far as that goes without committing it.
    pub fn alone(self, device: DeviceId) -> Result<FreshReset, AccountError> {
        let account = self.started.account_id;
        let (record, export_key) =
            self.registration.finish(&mut OsRng, &self.started.registration_response.0)?;
        let epoch = FreshEpoch::make(account, record, &export_key).map_err(AccountError::Seal)?;
        let finish = ResetFinish {
            ticket: self.started.ticket,
            device_id: device,
            record: None,
            slot: None,
            new_epoch: Some(epoch.sealed.clone()),
        };
        Ok(FreshReset { account, epoch, finish })
    }
}

impl FreshReset {
    /// The new recovery phrase: twelve words, to be kept before [`Self::commit`].
    pub fn phrase(&self) -> Zeroizing<String> {
        keys::phrase::text(&self.epoch.phrase)
    }

    /// Makes the reset real. A lost answer is asked for again, with the same bytes.
    pub fn commit(self, remote: &Remote) -> Result<LoggedIn, AccountError> {
        let done = commit(remote, &self.finish)?;
        if done.epoch != self.epoch.id {
            return Err(AccountError::BadAnswer);
        }
        let (sealed_keyring, recovery_slot) =
            (self.epoch.sealed_keyring(), self.epoch.recovery_slot());
        Ok(LoggedIn {
            account: self.account,
            epoch: self.epoch.id,
            root: self.epoch.root,
            keyring: self.epoch.keyring,
            sealed_keyring,
            recovery_slot,
            device_record: None,
            grant: Grant::parse(done.session)?,
        })
    }
}

fn commit(remote: &Remote, finish: &ResetFinish) -> Result<ResetDone, AccountError> {
    see_through(|| remote.finish_reset(finish), AccountError::ResetInDoubt)
}

/// Opens what the server says is the phrase's. It has verified a proof of the phrase, so what does
/// not open is damage, or another server's.
fn open(account: AccountId, phrase: &Phrase, proven: ProvenEpoch) -> Result<Opened, AccountError> {
    let root = open_recovery(account, proven.epoch, phrase, &proven.recovery_slot)?;
    let api::Keyring { version, sealed } = &proven.keyring;
    let keyring = Keyring::open(&root, account, proven.epoch, *version, &sealed.0)
        .map_err(AccountError::Damaged)?;
    Ok(Opened { proven, root, keyring })
}

/// Opens a recovery slot. Under a phrase that is not proven a commitment that differs means that
/// the phrase is another one, or the slot damaged.
pub fn open_recovery(
    account: AccountId,
    epoch: keybackup_protocol::EpochId,
    phrase: &Phrase,
    recovery: &Slot,
) -> Result<RootKey, AccountError> {
    let key = keys::recovery_slot_key(phrase);
    slot::open(&key, account, epoch, recovery.generation, &recovery.sealed.0).map_err(|error| {
        match error {
            RecordError::Open(OpenError::Commitment) => AccountError::WrongPhrase,
            other => AccountError::Damaged(other),
        }
    })
}
