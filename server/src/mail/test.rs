//! `keybackup-server mail test`: one mail at once, and what became of it.

use std::time::SystemTime;

use keybackup_protocol::Address;
use rand08::RngCore as _;
use rand08::rngs::OsRng;

use super::message::MessageError;
use super::{Envelope, MailSettings, SendError, Transport, TransportError, Words, build};

/// Why it was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MailTestError {
    /// Mail can't be sent at all.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// This mail can't be made.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// This mail was not taken.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Sends a mail that says so; returns what the mail server said.
pub(crate) async fn test(settings: &MailSettings, to: &Address) -> Result<String, MailTestError> {
    let transport = Transport::open(settings)?;
    let mut id = [0; 16];
    OsRng.fill_bytes(&mut id);
    let envelope = Envelope { from: &settings.from, to, id, now: SystemTime::now() };
    let words = Words {
        subject: "A test of mail from keybackup",
        before: vec![
            "The operator of this keybackup server has sent this to see whether its mail arrives. \
             It has.",
        ],
        ..Words::default()
    };
    Ok(transport.send(build(&envelope, &words)?).await?)
}
