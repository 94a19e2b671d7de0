//! Mail: what it says, how it becomes a message, and how it leaves.

mod message;
mod settings;
mod test;
mod transport;
mod words;

pub(crate) use message::{Envelope, build};
pub use settings::{MailSettings, Security};
pub(crate) use test::{MailTestError, test};
pub(crate) use transport::{SendError, Transport, TransportError};
pub(crate) use words::Words;
