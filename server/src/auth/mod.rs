//! Who asks: OPAQUE, tickets between its messages, tokens, and sessions.

pub(crate) mod code;
mod crockford;
pub(crate) mod fresh;
pub(crate) mod invite;
pub mod opaque;
pub(crate) mod session;
pub(crate) mod ticket;
pub(crate) mod token;
