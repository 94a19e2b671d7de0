//! Keyed and plain hashes by which rows are found.

/// Keyed hash of a normalised address (HMAC-SHA-256): how accounts are found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressTag(pub [u8; 32]);

/// SHA-256 of a bearer token: all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// Keyed hash of an invitation code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InviteTag(pub [u8; 32]);

/// Keyed hash of the network that a request came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetworkTag(pub [u8; 32]);
