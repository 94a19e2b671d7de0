//! Requests and answers, as JSON. Field by field in `API.md`; unknown fields are ignored, so
//! that a newer peer may add some.
//!
//! Types that hold a secret (a token, a cookie, a ticket) have no `Debug`.

mod account;
mod email;
mod epochs;
mod error;
mod login;
mod mail;
mod persona;
mod reset;
mod sealed;
mod session;
mod status;

pub use account::*;
pub use email::*;
pub use epochs::*;
pub use error::{ErrorAnswer, ErrorBody, code};
pub use login::*;
pub use mail::*;
pub use persona::*;
pub use reset::*;
pub use sealed::*;
pub use session::*;
pub use status::*;
