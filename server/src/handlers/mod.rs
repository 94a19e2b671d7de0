//! One file per resource. A handler reads a request, calls the store, and makes an answer;
//! restrictions live in the store.

pub(crate) mod account;
pub(crate) mod account_email;
pub(crate) mod accounts;
mod append;
pub(crate) mod blob;
pub(crate) mod codes;
pub(crate) mod commit;
pub(crate) mod devices;
pub(crate) mod epochs;
pub(crate) mod keyring;
pub(crate) mod labels;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod personas;
pub(crate) mod purge;
pub(crate) mod receive;
pub(crate) mod recovery;
pub(crate) mod reset;
pub(crate) mod reset_page;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod tus;
pub(crate) mod uploads;

use keybackup_protocol::{Address, AddressError};
use rand08::RngCore as _;
use rand08::rngs::OsRng;

use crate::error::ApiError;

/// Sixteen random bytes: an id of an attempt or an upload.
fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    OsRng.fill_bytes(&mut id);
    id
}

/// An address out of a request. Whether it has an account is not asked here.
fn address(text: &str) -> Result<Address, ApiError> {
    text.parse().map_err(|error| {
        ApiError::BadRequest(match error {
            AddressError::Length => "the e-mail address is too long",
            _ => "the e-mail address is malformed",
        })
    })
}
