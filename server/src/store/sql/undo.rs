//! Going back to an epoch that a reset without phrase has displaced, by its own authenticator.

use keybackup_protocol::{AccountId, EpochId};

use super::{attempts, epochs, outbox, starts};
use crate::store::tx::Tx;
use crate::store::{EpochVerifier, StoreError, StoreLimits, Undo, UndoWith};

/// Makes the epoch the current one again; returns it, and whether another one was.
pub(crate) fn undo(
    tx: &mut Tx<'_>,
    undo: &Undo,
    limits: &StoreLimits,
) -> Result<(EpochId, bool), StoreError> {
    let (account, epoch) = match &undo.with {
        UndoWith::Phrase { address, network, verifier } => {
            starts::count(tx, &network.0, undo.now, limits)?;
            let account =
                attempts::enabled_account_of(tx, *address)?.ok_or(StoreError::ProofRefused)?;
            let (epoch, _) =
                epochs::proven_by_phrase(tx, account, verifier)?.ok_or(StoreError::ProofRefused)?;
            (account, epoch)
        }
        UndoWith::Password { login, root } => {
            let (account, epoch) = (login.account, login.epoch);
            epochs::require_proof(tx, account, epoch, &EpochVerifier::Root(*root))?;
            attempts::accept(tx, login, undo.now)?;
            if !epochs::chain(tx, account)?.contains(&epoch) {
                return Err(StoreError::ProofRefused);
            }
            (account, epoch)
        }
    };
    go_back(tx, account, epoch, undo)
}

fn go_back(
    tx: &mut Tx<'_>,
    account: AccountId,
    epoch: EpochId,
    undo: &Undo,
) -> Result<(EpochId, bool), StoreError> {
    let current = epochs::current(tx, account)?;
    if current == epoch {
        return Ok((epoch, false));
    }
    epochs::go_back(tx, account, epoch, current, undo.now)?;
    outbox::add_for_account(tx, account, &undo.mail, undo.now)?;
    Ok((epoch, true))
}
