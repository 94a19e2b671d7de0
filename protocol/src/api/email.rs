//! Another address for an account, and the way back from it.

use serde::{Deserialize, Serialize};

use super::{FreshLogin, Slot};
use crate::encoding::B64;

/// `POST /account/email/start`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AddressChangeStart {
    /// The new address.
    pub new_email: String,
    /// The suite of the record to come.
    pub suite: u8,
    /// OPAQUE registration request of the password under the new address, 32 bytes.
    pub registration_request: B64,
    /// The code mailed to the new address, as it was typed, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}

/// Answer of `POST /account/email/start`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AddressChangeStarted {
    /// OPAQUE registration response, 64 bytes.
    pub registration_response: B64,
    /// Opaque to the client; good for 30 minutes.
    pub ticket: String,
}

/// `PUT /account/email`: the address is in the record, so record and slot come with it.
#[derive(Clone, Serialize, Deserialize)]
pub struct AddressChange {
    /// From the start's answer.
    pub ticket: String,
    /// The address until now.
    pub email: String,
    /// A login of purpose `change_address`, under the address until now.
    pub login: FreshLogin,
    /// OPAQUE record (`RegistrationUpload`), 192 bytes, under the new address.
    pub record: B64,
    /// The password slot, of the next generation.
    pub slot: Slot,
}

/// `POST /account/email/undo`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AddressUndo {
    /// The address that the account had.
    pub email: String,
    /// The code that was mailed there, as it was typed.
    pub code: String,
}
