//! Mail: what is written to whom, and how it leaves. Letters wait sealed in the outbox, put there by
//! the transaction that they tell of; the worker opens, renders and sends them.

mod letter;
mod message;
mod render;
mod settings;
mod test;
mod transport;
mod words;
mod worker;

pub(crate) use letter::Letter;
pub use settings::{MailSettings, Security};
pub(crate) use test::{MailTestError, test};
pub(crate) use transport::Transport;
pub use transport::TransportError;
pub(crate) use worker::run;

use message::{Envelope, build};
use transport::SendError;
use words::Words;
