//! Codes by mail: asked for, mailed, and what they are good for.

use std::fs;
use std::time::Duration;

use keybackup_protocol::api::{
    CodeRequest, RegistrationFinish, RegistrationStart, RegistrationStarted, Status,
};
use opaque_ke::{ClientRegistration, ClientRegistrationFinishParameters, RegistrationResponse};
use rand08::rngs::OsRng;

use super::harness::{PATIENCE, Reply, Running, START, Suite, identifiers, registration_finish};
use crate::config::{Config, MailLayer};
use crate::mail::MailSettings;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// A server that writes mail to files.
async fn mailing(change: impl FnOnce(&mut Config)) -> Running {
    Running::with(|config| {
        let dir = config.data.with_file_name("mail");
        let layer = MailLayer {
            mail_dir: Some(dir),
            mail_from: Some("Backups <backup@example.org>".to_owned()),
            ..MailLayer::default()
        };
        config.settings.mail = MailSettings::resolve(layer).expect("resolves");
        config.settings.confirm_email = true;
        change(config);
    })
    .await
}

/// The mails that were written, oldest first, once the outbox is empty.
async fn mails(server: &Running) -> Vec<String> {
    let empty = async {
        while server.server.store.next_mail_at().await.expect("answers").is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.expect("the outbox is emptied");
    let mut files: Vec<_> = fs::read_dir(server.dir.path().join("mail"))
        .expect("lists")
        .map(|entry| entry.expect("is").path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).expect("reads")).collect()
}

/// The code in a mail.
fn code_in(mail: &str) -> String {
    let line = mail.lines().find(|line| {
        let code = line.strip_prefix("    ").unwrap_or_default();
        code.len() == 11 && code.as_bytes()[5] == b'-'
    });
    line.unwrap_or_else(|| panic!("no code: {mail}")).trim().to_owned()
}

fn request(email: &str) -> CodeRequest {
    CodeRequest { email: email.to_owned() }
}

async fn put_reset(server: &Running, email: &str) -> Reply {
    let json = serde_json::to_vec(&request(email)).expect("serialises");
    server.send("PUT", "/password/reset", &[], &json).await
}

/// Begins a registration with a code.
async fn begin(
    server: &Running,
    email: &str,
    code: Option<&str>,
) -> (Reply, ClientRegistration<Suite>) {
    let started = ClientRegistration::<Suite>::start(&mut OsRng, b"password").expect("starts");
    let start = RegistrationStart {
        email: email.to_owned(),
        suite: 1,
        registration_request: started.message.serialize().to_vec().into(),
        invite: None,
        confirmation: code.map(str::to_owned),
    };
    (server.post("/accounts/start", &start).await, started.state)
}

/// Finishes one.
fn end(reply: &Reply, state: ClientRegistration<Suite>, email: &str) -> RegistrationFinish {
    let started: RegistrationStarted = reply.json();
    let response = RegistrationResponse::deserialize(&started.registration_response.0);
    let address = email.parse().expect("an address");
    let parameters = ClientRegistrationFinishParameters::new(identifiers(&address), None);
    let finished = state
        .finish(&mut OsRng, b"password", response.expect("a response"), parameters)
        .expect("finishes");
    registration_finish(started.ticket, finished.message.serialize().to_vec())
}

/// What tells one answer from another, apart from the date.
fn face(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = reply.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    (reply.status, headers.cloned().collect(), reply.body.clone())
}

/// Holds rule 24.
#[tokio::test]
async fn known_and_unknown_addresses_are_answered_alike() {
    let server = mailing(|config| config.settings.confirm_email = false).await;
    server.register(ALICE, "password").await;
    let first = face(&put_reset(&server, ALICE).await);
    assert_eq!(first.0, 200);
    assert_eq!(first.2, br#"{"sent":true}"#);
    assert_eq!(face(&put_reset(&server, BOB).await), first);
    // Also who asks too often, by the old path, and in another spelling.
    assert_eq!(face(&put_reset(&server, " ALICE@Example.org").await), first);
    for path in ["/password/reset/alice%40example.org", "/password/reset/carol@example.org"] {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
        let reply = Reply::parse(server.raw(raw.as_bytes()).await.as_bytes());
        assert_eq!(face(&reply), first, "{path}");
    }
    let confirm = |email| {
        let (request, server) = (request(email), &server);
        async move { face(&server.post("/accounts/confirm", &request).await) }
    };
    assert_eq!(confirm("dan@example.org").await, confirm("eve@example.org").await);
    let mails = mails(&server).await;
    let told: Vec<_> =
        mails.iter().map(|mail| mail.lines().find(|line| line.starts_with("To:"))).collect();
    assert_eq!(mails.len(), 3, "{told:?}");
    assert!(mails.iter().all(|mail| !mail.contains("To: bob")), "{told:?}");
    code_in(&mails[0]);
    for bad in ["alice", "", "a b@example.org", "alice@example.org\r\nBcc: x@example.org"] {
        assert_eq!(put_reset(&server, bad).await.status, 400, "{bad}");
    }
    assert_eq!(server.ask("GET", "/password/reset/alice", &[]).await.status, 400);
    assert_eq!(server.ask("HEAD", "/password/reset/fay@example.org", &[]).await.status, 405);
}

/// Holds rule 28.
#[tokio::test]
async fn an_address_is_not_flooded_and_a_restart_forgets_nothing() {
    let server = mailing(|config| config.settings.confirm_email = false).await;
    server.register(ALICE, "password").await;
    for _ in 0..3 {
        assert_eq!(put_reset(&server, ALICE).await.status, 200);
    }
    assert_eq!(mails(&server).await.len(), 1);
    let settings = server.server.settings.clone();
    let server = server.restart(move |config| config.settings = settings).await;
    put_reset(&server, ALICE).await;
    assert_eq!(mails(&server).await.len(), 1);
    server.pass(120);
    put_reset(&server, ALICE).await;
    let mails = mails(&server).await;
    assert_eq!(mails.len(), 2);
    assert_ne!(code_in(&mails[0]), code_in(&mails[1]));
}

/// Holds rule 25.
#[tokio::test]
async fn a_registration_needs_the_mailed_code() {
    let server = mailing(|_| {}).await;
    let status: Status = server.ask("GET", "/status", &[]).await.json();
    assert!(status.mail && status.confirm_email);
    // Nothing tells a taken address from a free one before the code was shown.
    for email in [ALICE, BOB] {
        assert_eq!(server.post("/accounts/confirm", &request(email)).await.status, 200);
        let mail = mails(&server).await.pop().expect("a mail");
        let code = code_in(&mail);
        assert!(mail.contains(&format!("keybackup register {email} --confirm {code}")), "{mail}");
        for wrong in [None, Some(""), Some("00000-00000"), Some("no code")] {
            let (reply, _) = begin(&server, email, wrong).await;
            assert_eq!((reply.status, reply.code().as_str()), (409, "code_refused"), "{wrong:?}");
        }
        let typed = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        let (reply, state) = begin(&server, email, Some(&typed)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let finish = end(&reply, state, email);
        assert_eq!(server.post("/accounts", &finish).await.status, 200);
        assert_eq!(server.post("/accounts", &finish).await.status, 200, "a lost answer");
        let (reply, _) = begin(&server, email, Some(&code)).await;
        assert_eq!(reply.code(), "code_refused", "it is used up");
    }
    assert!(server.login(ALICE, "password").await.is_some());
    server.pass(120);
    assert_eq!(server.post("/accounts/confirm", &request(ALICE)).await.status, 200);
    let mail = mails(&server).await.pop().expect("a mail");
    assert!(mail.contains("You have an account already"), "{mail}");
}

/// Holds rule 27.
#[tokio::test]
async fn a_code_ends_after_five_wrong_tries_and_after_a_quarter_of_an_hour() {
    let server = mailing(|_| {}).await;
    server.post("/accounts/confirm", &request(ALICE)).await;
    let code = code_in(&mails(&server).await.pop().expect("a mail"));
    for _ in 0..5 {
        assert_eq!(begin(&server, ALICE, Some("00000-00000")).await.0.code(), "code_refused");
    }
    assert_eq!(begin(&server, ALICE, Some(&code)).await.0.code(), "code_refused", "five tries");
    server.pass(120);
    server.post("/accounts/confirm", &request(ALICE)).await;
    let code = code_in(&mails(&server).await.pop().expect("a mail"));
    assert_eq!(begin(&server, BOB, Some(&code)).await.0.code(), "code_refused", "another's");
    server.pass(15 * 60 - 1);
    assert_eq!(begin(&server, ALICE, Some(&code)).await.0.status, 200);
    server.pass(1);
    assert_eq!(begin(&server, ALICE, Some(&code)).await.0.code(), "code_refused", "it is over");
}

#[tokio::test]
async fn a_registration_begun_without_a_code_does_not_end_where_one_is_needed() {
    let server = mailing(|config| config.settings.confirm_email = false).await;
    let (reply, state) = begin(&server, ALICE, None).await;
    let finish = end(&reply, state, ALICE);
    let mut settings = server.server.settings.clone();
    settings.confirm_email = true;
    let server = server.restart(move |config| config.settings = settings).await;
    assert_eq!(server.post("/accounts", &finish).await.code(), "code_refused");
}

#[tokio::test]
async fn without_mail_nothing_is_queued_and_the_status_says_so() {
    let server = Running::start().await;
    server.register(ALICE, "password").await;
    let status: Status = server.ask("GET", "/status", &[]).await.json();
    assert!(!status.mail && !status.confirm_email);
    assert_eq!(put_reset(&server, ALICE).await.status, 200);
    assert_eq!(server.server.store.next_mail_at().await.expect("answers"), None);
}

/// Holds rule 32.
#[tokio::test]
async fn a_letter_that_nobody_takes_is_kept_until_there_is_no_more_point_in_it() {
    // Nobody listens here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let port = port.expect("a free port").port();
    let server = Running::with(|config| {
        let layer = MailLayer {
            mail_host: Some("127.0.0.1".to_owned()),
            mail_port: Some(port),
            mail_security: Some(crate::mail::Security::None),
            mail_from: Some("backup@example.org".to_owned()),
            ..MailLayer::default()
        };
        config.settings.mail = MailSettings::resolve(layer).expect("resolves");
    })
    .await;
    server.register(ALICE, "password").await;
    assert_eq!(put_reset(&server, ALICE).await.status, 200);
    let due = async |at: Option<i64>| {
        let is_due = async {
            while server.server.store.next_mail_at().await.expect("answers") != at {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, is_due).await.unwrap_or_else(|_| panic!("{at:?}"));
    };
    due(Some(START + 15)).await;
    server.pass(15);
    server.server.mail_waits();
    due(Some(START + 45)).await;
    // The last look is when the code is over, and then it is given up.
    server.pass(15 * 60 - 16);
    server.server.mail_waits();
    due(Some(START + 900)).await;
    server.pass(1);
    server.server.mail_waits();
    due(None).await;
    assert!(server.login(ALICE, "password").await.is_some(), "nobody is kept out");
}
