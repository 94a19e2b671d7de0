//! Mail: what is written to whom. Letters wait sealed in the outbox, put there by the transaction
//! that they tell of.

mod letter;

pub(crate) use letter::Letter;
