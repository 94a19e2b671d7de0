//! Another recovery phrase for the same root key, by who proves the password; and the way back from
//! a reset without phrase, by who has what the epoch before it was made with.

use std::time::{Duration, Instant};

use keybackup_protocol::api::{
    FreshLogin, LoginPurpose, RecoveryRotation, Slot, SlotKind, Undo, Undone,
};
use keybackup_protocol::limits::MAX_ORDINAL;
use keybackup_protocol::{Address, B64, EpochId};
use opaque_ke::ksf::Ksf;
use rand08::rngs::OsRng;
use zeroize::Zeroizing;

use super::login::prove;
use super::{AccountError, Into, Owner, greet, see_through};
use crate::keys;
use crate::records::slot;
use crate::remote::Remote;
use crate::secret::{DeviceCookie, Password, Phrase, RootKey};

/// How old a login may be that a new phrase is sent with: the server takes it for two minutes.
const FRESH: Duration = Duration::from_secs(90);

/// A new phrase, whose password is proven, and which is unknown to the server.
pub struct NewPhrase {
    phrase: Phrase,
    rotation: RecoveryRotation,
    proven_at: Instant,
}

impl NewPhrase {
    /// Proves the password, and makes a phrase. The server's slot must not be of an older generation
    /// than `known`.
    pub fn make<K: Ksf>(
        remote: &Remote,
        owner: &Owner<'_>,
        password: &Password,
        known: u64,
    ) -> Result<Self, AccountError> {
        greet(remote)?;
        let facts = remote.account()?;
        let generation = facts.recovery_generation;
        let ours = (facts.account_id, facts.epoch) == (owner.account, owner.epoch);
        if !ours || !(known.max(1)..MAX_ORDINAL).contains(&generation) {
            return Err(AccountError::BadAnswer);
        }
        let login = prove_for_rotation::<K>(remote, owner, password)?;
        let proven_at = Instant::now();
        let phrase = keys::phrase::generate(&mut OsRng);
        let (key, generation) = (keys::recovery_slot_key(&phrase), generation + 1);
        let sealed =
            slot::seal(&mut OsRng, &key, owner.account, owner.epoch, generation, owner.root)
                .map_err(AccountError::Seal)?;
        let rotation = RecoveryRotation {
            login,
            slot: Slot { kind: SlotKind::Recovery, generation, sealed: B64(sealed) },
            phrase_verifier: B64(keys::verifier(&keys::phrase_proof(&phrase)).to_vec()),
        };
        Ok(Self { phrase, rotation, proven_at })
    }

    /// The phrase: twelve words, to be kept before [`Self::commit`].
    pub fn text(&self) -> Zeroizing<String> {
        keys::phrase::text(&self.phrase)
    }

    /// Makes the phrase the account's; proves the password again where writing it down took long.
    /// Returns the slot, to be kept on the device. A lost answer is asked for again, with the same
    /// bytes.
    pub fn commit<K: Ksf>(
        mut self,
        remote: &Remote,
        owner: &Owner<'_>,
        password: &Password,
    ) -> Result<Slot, AccountError> {
        if self.proven_at.elapsed() > FRESH {
            self.rotation.login = prove_for_rotation::<K>(remote, owner, password)?;
        }
        see_through(|| remote.rotate_recovery(&self.rotation), AccountError::PhraseInDoubt)?;
        Ok(self.rotation.slot)
    }
}

fn prove_for_rotation<K: Ksf>(
    remote: &Remote,
    owner: &Owner<'_>,
    password: &Password,
) -> Result<FreshLogin, AccountError> {
    let purpose = LoginPurpose::RotateRecovery;
    prove::<K>(remote, owner.address, password, purpose, Into::Current, owner.cookie)
}

/// Goes back to the epoch of a phrase.
pub fn undo_with_phrase(
    remote: &Remote,
    address: &Address,
    phrase: &Phrase,
) -> Result<Undone, AccountError> {
    greet(remote)?;
    let undo = Undo {
        email: address.as_str().to_owned(),
        phrase_proof: Some(B64(keys::phrase_proof(phrase).expose().to_vec())),
        login: None,
        root_proof: None,
    };
    see_through(|| remote.undo_reset(&undo), AccountError::UndoInDoubt)
}

/// Goes back to an epoch by its password and root key.
pub fn undo_with_password<K: Ksf>(
    remote: &Remote,
    address: &Address,
    password: &Password,
    epoch: EpochId,
    root: &RootKey,
    cookie: Option<&DeviceCookie>,
) -> Result<Undone, AccountError> {
    greet(remote)?;
    let into = Into::Named(epoch);
    let login = prove::<K>(remote, address, password, LoginPurpose::UndoReset, into, cookie)?;
    let undo = Undo {
        email: address.as_str().to_owned(),
        phrase_proof: None,
        login: Some(login),
        root_proof: Some(B64(keys::root_proof(root).expose().to_vec())),
    };
    see_through(|| remote.undo_reset(&undo), AccountError::UndoInDoubt)
}
