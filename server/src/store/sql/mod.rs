//! The SQL: small functions over a transaction, which know nothing of threads or drivers.
//!
//! Every write that decides something is conditional in itself (compare-and-swap in its `WHERE`),
//! so that it holds under row locks as well as under one writer.

pub(crate) mod accounts;
pub(crate) mod addresses;
pub(crate) mod attempts;
pub(crate) mod codes;
pub(crate) mod commit;
pub(crate) mod deletion;
pub(crate) mod devices;
pub(crate) mod epochs;
pub(crate) mod expiry;
pub(crate) mod invites;
pub(crate) mod operator;
pub(crate) mod outbox;
pub(crate) mod passwords;
pub(crate) mod personas;
pub(crate) mod proposal;
pub(crate) mod purge;
pub(crate) mod quota;
pub(crate) mod recovery;
pub(crate) mod resets;
pub(crate) mod retention;
pub(crate) mod sessions;
pub(crate) mod starts;
pub(crate) mod undo;
pub(crate) mod unlock;
pub(crate) mod uploads;
