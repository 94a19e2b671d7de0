//! Registration: the device makes everything, the person keeps the phrase, and only then does the
//! account come to be, in one transaction at the server.

use keybackup_protocol::api::{self, RegistrationFinish, RegistrationStart};
use keybackup_protocol::suite::SUITE;
use keybackup_protocol::{AccountId, Address, B64, DeviceId};
use opaque_ke::ksf::Ksf;
use rand08::rngs::OsRng;
use zeroize::Zeroizing;

use super::fresh_epoch::FreshEpoch;
use super::{AccountError, Grant, greet, random, see_through};
use crate::keys;
use crate::keys::opaque::RegistrationClient;
use crate::records::DeviceRecord;
use crate::remote::Remote;
use crate::secret::Password;

/// What a server may ask for, to let somebody in. No `Debug`: they are secret while they hold.
#[derive(Default)]
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
    pub epoch: FreshEpoch,
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
        let epoch = FreshEpoch::make(account, record, &export_key).map_err(AccountError::Seal)?;
        let device_sealed = device_record
            .seal(&mut OsRng, &epoch.keyring, account, device, 1)
            .map_err(AccountError::Seal)?;
        let finish = RegistrationFinish {
            ticket: started.ticket,
            account_id: account,
            epoch: epoch.sealed.clone(),
            device: api::DeviceRecord { id: device, revision: 1, sealed: B64(device_sealed.bytes) },
        };
        Ok(Self { account, epoch, finish })
    }

    /// The recovery phrase: twelve words, to be kept before [`Registration::commit`].
    pub fn phrase(&self) -> Zeroizing<String> {
        keys::phrase::text(&self.epoch.phrase)
    }

    /// Makes the account real. A lost answer is asked for again, with the same bytes.
    pub fn commit(&self, remote: &Remote) -> Result<Grant, AccountError> {
        let finish = || remote.finish_registration(&self.finish);
        Grant::parse(see_through(finish, AccountError::InDoubt)?.session)
    }
}
