//! A mail as a message (RFC 5322): text and HTML, and headers that nobody else writes.

use std::time::SystemTime;

use keybackup_protocol::Address;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::Words;

/// Whom a mail is from and for, and which one it is.
pub(crate) struct Envelope<'a> {
    pub(crate) from: &'a Mailbox,
    pub(crate) to: &'a Address,
    /// Names it in its `Message-ID`, so that one that is sent twice is seen to be the same.
    pub(crate) id: [u8; 16],
    pub(crate) now: SystemTime,
}

/// Why a mail can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// The address is one that mail can't be sent to.
    #[error("the address is none for mail")]
    Address(#[source] lettre::address::AddressError),
    /// Something else about it.
    #[error("the mail can't be made")]
    Message(#[source] lettre::error::Error),
}

/// The message. An [`Address`] has no line ends, and all other headers are ours.
pub(crate) fn build(envelope: &Envelope<'_>, words: &Words<'_>) -> Result<Message, MessageError> {
    let Envelope { from, to, id, now } = envelope;
    let to = to.as_str().parse().map_err(MessageError::Address)?;
    let id = format!("<{:032x}@{}>", u128::from_be_bytes(*id), from.email.domain());
    // RFC 3834: who is on holiday need not tell us.
    let automatic = HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    );
    Message::builder()
        .from((*from).clone())
        .to(Mailbox::new(None, to))
        .subject(words.subject)
        .date(*now)
        .message_id(Some(id))
        .raw_header(automatic)
        .multipart(MultiPart::alternative_plain_html(words.text(), words.html()))
        .map_err(MessageError::Message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn formatted(from: &str, to: &str) -> String {
        let (from, to) = (from.parse().expect("a mailbox"), to.parse().expect("an address"));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let envelope = Envelope { from: &from, to: &to, id: [10; 16], now };
        let words = Words { subject: "News", before: vec!["So it is."], ..Words::default() };
        let message = build(&envelope, &words).expect("a message");
        assert_eq!(message.envelope().to().len(), 1);
        assert_eq!(message.envelope().to()[0].to_string(), to.as_str());
        String::from_utf8(message.formatted()).expect("ASCII")
    }

    /// Holds rule 32.
    #[test]
    fn its_headers_are_ours() {
        let message = formatted("Backups <backup@example.org>", "a{b}'c+d!@example.org");
        let (headers, body) = message.split_once("\r\n\r\n").expect("headers and a body");
        let names: Vec<_> = headers
            .split("\r\n")
            .filter(|line| !line.starts_with(' ') && !line.starts_with('\t'))
            .map(|line| line.split_once(": ").expect("a header").0)
            .collect();
        assert_eq!(
            names,
            [
                "From",
                "To",
                "Subject",
                "Date",
                "Message-ID",
                "Auto-Submitted",
                "MIME-Version",
                "Content-Type"
            ]
        );
        for line in [
            "To: a{b}'c+d!@example.org",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "Message-ID: <0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a@example.org>",
        ] {
            assert!(headers.split("\r\n").any(|header| header == line), "{headers}");
        }
        let plain = body.find("text/plain").expect("plain text");
        assert!(plain < body.find("text/html").expect("HTML"), "the last is the preferred one");
    }

    /// Holds rule 32.
    #[test]
    fn no_address_holds_a_second_header() {
        for text in ["a@b.c\r\nBcc: x@y.z", "a\r\nBcc:x@y.z", "a@b.c\nx", "a\r@b.c", "a b@c.d"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
        let message = formatted("\"Bäckups: x\" <backup@example.org>", "a@example.org");
        assert!(message.is_ascii());
    }
}
