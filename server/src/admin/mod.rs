//! The operator's commands beside `serve`: they work straight on the store, also while a server
//! runs on it.

mod account;
mod invite;

use std::io;

use keybackup_protocol::AddressError;

pub(crate) use account::{AccountCommand, account};
pub(crate) use invite::{InviteCommand, invite};

use crate::keyfile::KeyFileError;
use crate::store::StoreError;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AdminError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such invitation.
    #[error("there is no invitation {number}")]
    NoInvite {
        /// Its number.
        number: i64,
    },
    /// There is no such account.
    #[error("there is no account with this address or id")]
    NoAccount,
    /// It was deleted.
    #[error("the account was deleted")]
    Deleted,
    /// It is no address that an account can have.
    #[error("not an e-mail address, nor the id of an account")]
    Address(#[from] AddressError),
    /// An address does not open.
    #[error("can't open the address of account {account}")]
    Sealed {
        /// Whose.
        account: keybackup_protocol::AccountId,
        /// Why.
        source: KeyFileError,
    },
    /// Nobody is there to confirm it.
    #[error("deleting needs --yes where no terminal asks")]
    Unconfirmed,
    /// Something else was typed.
    #[error("not deleted: that is not its address")]
    Declined,
    /// A letter can't be sealed.
    #[error("can't seal a letter to the owner")]
    Letter(#[from] KeyFileError),
    /// The output could not be written.
    #[error("can't read or write")]
    Output(#[from] io::Error),
}
