//! The worker: takes mail out of the outbox, one at a time, and sends it. A mail is forgotten only
//! after a mail server took it, or when there is no more point in it; until then it is tried again,
//! ever more seldom, over restarts, too. Logs tell of failures and name nobody.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keybackup_protocol::Address;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::render::Rendered;
use super::{Envelope, Letter, Transport, build};
use crate::keyfile::KeyFileError;
use crate::state::Server;
use crate::store::{StoreError, WaitingMail};

/// Mails on their way at the same time, so that one that is slow does not hold up the others.
const SENDERS: usize = 4;
/// How long a mail that is being sent is nobody else's, beyond the time for sending it.
const MARGIN_S: i64 = 30;
/// Time between two tries: at first, and at most.
const FIRST_PAUSE_S: i64 = 15;
const LONGEST_PAUSE_S: i64 = 60 * 60;
/// Longest time between two looks into the outbox, where another process may put mail, too.
const LOOK: Duration = Duration::from_secs(30);
/// Pause when the store fails.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// Sends mail until it is dropped.
pub(crate) async fn run(server: Arc<Server>, transport: Arc<Transport>) {
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(send_all(Arc::clone(&server), Arc::clone(&transport)));
    }
    while let Some(ended) = senders.join_next().await {
        if ended.is_err_and(|error| error.is_panic()) {
            tracing::error!("a sender of mail panicked");
            senders.spawn(send_all(Arc::clone(&server), Arc::clone(&transport)));
        }
    }
}

async fn send_all(server: Arc<Server>, transport: Arc<Transport>) {
    loop {
        let pause = match send_next(&server, &transport).await {
            Ok(true) => continue,
            Ok(false) => LOOK,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox failed");
                STORE_PAUSE
            }
        };
        let soon = until_next(&server).await.unwrap_or(pause).min(pause);
        // Either way there may be something to do.
        let _ = timeout(soon, server.mail_comes()).await;
    }
}

/// The time until the next mail is due; at least a moment, since another one may be at it.
async fn until_next(server: &Server) -> Option<Duration> {
    let at = server.store.next_mail_at().await.ok()??;
    Some(Duration::from_secs((at - server.now()).max(1).unsigned_abs()))
}

/// Sends the mail that is due; false when there is none.
async fn send_next(server: &Server, transport: &Transport) -> Result<bool, StoreError> {
    let now = server.now();
    if server.store.next_mail_at().await?.is_none_or(|at| at > now) {
        return Ok(false);
    }
    let claimed_s = i64::try_from(transport.time().as_secs()).unwrap_or(LONGEST_PAUSE_S);
    let Some(mail) = server.store.claim_mail(now, now + claimed_s + MARGIN_S).await? else {
        return Ok(false);
    };
    if mail.sealed_address.is_empty() {
        server.store.forget_mail(mail.id).await?;
        return Ok(true);
    }
    let (letter, to) = match open(server, &mail) {
        Ok(opened) => opened,
        Err(error) => {
            // Sealed under another key, or damaged: no later try reads it.
            tracing::error!(error = &error as &dyn std::error::Error, "a mail can't be opened");
            server.store.forget_mail(mail.id).await?;
            return Ok(true);
        }
    };
    let kind = letter.kind();
    let over_at = mail.created_at.saturating_add(letter.ttl_s());
    if now >= over_at {
        tracing::error!(kind, tries = mail.tries - 1, "gave up sending a mail");
        server.store.forget_mail(mail.id).await?;
        return Ok(true);
    }
    match send(server, transport, &mail, &letter, &to).await {
        Ok(()) => {
            tracing::info!(kind, tries = mail.tries, "sent a mail");
            server.store.forget_mail(mail.id).await?;
        }
        Err(failure) => {
            let pause = if failure.is_final { LONGEST_PAUSE_S } else { pause_s(mail.tries) };
            // When it is over it is looked at once more, so that somebody is told.
            let next = (server.now() + pause).min(over_at);
            let why = failure.kind;
            tracing::warn!(kind, why, tries = mail.tries, next_in_s = next - now, "mail failed");
            server.store.put_off_mail(mail.id, next, why).await?;
        }
    }
    Ok(true)
}

fn open(server: &Server, mail: &WaitingMail) -> Result<(Letter, Address), KeyFileError> {
    let letter = Letter::open(&server.key, &mail.id, &mail.sealed_body)?;
    Ok((letter, server.key.open_address(mail.account, &mail.sealed_address)?))
}

/// Why a mail was not sent, in words that may be logged.
struct Failure {
    kind: String,
    /// Whether the mail server will hardly think better of it soon.
    is_final: bool,
}

async fn send(
    server: &Server,
    transport: &Transport,
    mail: &WaitingMail,
    letter: &Letter,
    to: &Address,
) -> Result<(), Failure> {
    let unmade = || Failure { kind: "can't be made".to_owned(), is_final: true };
    let settings = server.settings.mail.as_ref().ok_or_else(unmade)?;
    let written_s = Duration::from_secs(u64::try_from(mail.created_at).unwrap_or(0));
    let now = UNIX_EPOCH.checked_add(written_s).unwrap_or_else(SystemTime::now);
    let envelope = Envelope { from: &settings.from, to, id: mail.id, now };
    let rendered = Rendered::of(letter, to, server.settings.public_url.as_ref());
    let message = build(&envelope, &rendered.words()).map_err(|_| unmade())?;
    let sent = transport.send(message).await;
    sent.map(drop).map_err(|error| Failure { kind: error.kind(), is_final: error.is_final() })
}

/// Doubles from try to try.
fn pause_s(tries: u32) -> i64 {
    let doublings = tries.saturating_sub(1).min(16);
    (FIRST_PAUSE_S << doublings).min(LONGEST_PAUSE_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses: Vec<_> = [0, 1, 2, 3, 8, 9, 100, u32::MAX].map(pause_s).to_vec();
        assert_eq!(pauses, [15, 15, 30, 60, 1920, 3600, 3600, 3600]);
    }
}
