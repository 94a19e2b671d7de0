//! Registration: the device makes everything, the person keeps the phrase, and only then does the
//! account come to be, in one transaction at the server.

use keybackup_protocol::api::{
    self, NewEpoch, RegistrationFinish, RegistrationStart, Slot, SlotKind,
};
use keybackup_protocol::suite::SUITE;
use keybackup_protocol::{AccountId, Address, B64, DeviceId, EpochId};
use opaque_ke::ksf::Ksf;
use rand08::RngCore;
use rand08::rngs::OsRng;
use zeroize::Zeroizing;

use super::{AccountError, Grant, greet, see_through};
use crate::keys;
use crate::keys::opaque::RegistrationClient;
use crate::records::{DeviceRecord, Digest, Index, Keyring, RecordError, slot};
use crate::remote::Remote;
use crate::secret::{Password, Phrase, RootKey};

/// What a server may ask for, to let somebody in.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    /// The operator's invitation.
    pub invite: Option<String>,
    /// The code that was mailed to the address.
    pub confirmation: Option<String>,
}

/// An account that is ready on the device and unknown to the server.
pub struct Registration {
    /// The account to be.
    pub account: AccountId,
    /// Its first epoch.
    pub epoch: EpochId,
    /// Its root key.
    pub root: RootKey,
    /// Its first keyring.
    pub keyring: Keyring,
    /// Hash of its first, empty index.
    pub index_hash: Digest,
    phrase: Phrase,
    finish: RegistrationFinish,
}

impl Registration {
    /// Makes an account for `address`, as far as that goes without committing it. A taken address,
    /// a closed server and an invitation that does not hold are refused here.
    ///
    /// `K` is the key stretching function, [`keys::ksf::PasswordKsf`] outside of tests.
    pub fn start<K: Ksf>(
        remote: &Remote,
        address: &Address,
        password: &Password,
        codes: Codes,
        device: DeviceId,
        device_record: &DeviceRecord,
    ) -> Result<Self, AccountError> {
        let prepared = keys::password::prepare(password)?;
        greet(remote)?;
        let (request, client) = RegistrationClient::<K>::start(&mut OsRng, address, &prepared)?;
        let started = remote.start_registration(&RegistrationStart {
            email: address.as_str().to_owned(),
            suite: SUITE,
            registration_request: B64(request),
            invite: codes.invite,
            confirmation: codes.confirmation,
        })?;
        let (record, export_key) = client.finish(&mut OsRng, &started.registration_response.0)?;

        let account = AccountId::from_bytes(random());
        let epoch = EpochId::from_bytes(random());
        let root = RootKey::generate(&mut OsRng);
        let phrase = keys::phrase::generate(&mut OsRng);
        let keyring = Keyring::first(&mut OsRng);
        let sealed = Sealing { account, epoch, root: &root, keyring: &keyring };
        let (index, index_hash) = sealed.index().map_err(AccountError::Seal)?;
        let new_epoch = NewEpoch {
            id: epoch,
            record: B64(record),
            slots: vec![
                sealed.slot(SlotKind::Password, &keys::password_slot_key(&export_key)),
                sealed.slot(SlotKind::Recovery, &keys::recovery_slot_key(&phrase)),
            ]
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(AccountError::Seal)?,
            phrase_verifier: B64(keys::verifier(&keys::phrase_proof(&phrase)).to_vec()),
            root_verifier: B64(keys::verifier(&keys::root_proof(&root)).to_vec()),
            keyring: sealed.keyring().map_err(AccountError::Seal)?,
            index,
        };
        let device_sealed = device_record
            .seal(&mut OsRng, &keyring, account, device, 1)
            .map_err(AccountError::Seal)?;
        let finish = RegistrationFinish {
            ticket: started.ticket,
            account_id: account,
            epoch: new_epoch,
            device: api::DeviceRecord { id: device, revision: 1, sealed: B64(device_sealed.bytes) },
        };
        Ok(Self { account, epoch, root, keyring, index_hash, phrase, finish })
    }

    /// The recovery phrase: twelve words, to be kept before [`Registration::commit`].
    pub fn phrase(&self) -> Zeroizing<String> {
        keys::phrase::text(&self.phrase)
    }

    /// The keyring as it is sealed, to be kept on the device.
    pub fn sealed_keyring(&self) -> api::Keyring {
        self.finish.epoch.keyring.clone()
    }

    /// The recovery slot, to be kept on the device.
    ///
    /// # Panics
    /// Never: [`Self::start`] made the slot.
    pub fn recovery_slot(&self) -> api::Slot {
        self.finish
            .epoch
            .slots
            .iter()
            .find(|slot| slot.kind == SlotKind::Recovery)
            .expect("`start` made it")
            .clone()
    }

    /// Makes the account real. A lost answer is asked for again, with the same bytes.
    pub fn commit(&self, remote: &Remote) -> Result<Grant, AccountError> {
        let finish = || remote.finish_registration(&self.finish);
        Grant::parse(see_through(finish, AccountError::InDoubt)?.session)
    }
}

/// What every sealed object of a new epoch is bound to.
struct Sealing<'a> {
    account: AccountId,
    epoch: EpochId,
    root: &'a RootKey,
    keyring: &'a Keyring,
}

impl Sealing<'_> {
    fn slot(&self, kind: SlotKind, key: &keys::SealingKey) -> Result<Slot, RecordError> {
        let generation = 1;
        let sealed = slot::seal(&mut OsRng, key, self.account, self.epoch, generation, self.root)?;
        Ok(Slot { kind, generation, sealed: B64(sealed) })
    }

    fn keyring(&self) -> Result<api::Keyring, RecordError> {
        let sealed = self.keyring.seal(&mut OsRng, self.root, self.account, self.epoch)?;
        Ok(api::Keyring { version: self.keyring.version(), sealed: B64(sealed) })
    }

    fn index(&self) -> Result<(api::Index, Digest), RecordError> {
        let index = Index::new(self.keyring.version());
        let sealed = index.seal(&mut OsRng, self.keyring, self.account, self.epoch)?;
        Ok((api::Index { counter: index.counter(), sealed: B64(sealed.bytes) }, sealed.hash))
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
