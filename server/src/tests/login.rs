//! Registration and login, and that nobody learns from them whether an address has an account.

use keybackup_protocol::B64;
use keybackup_protocol::api::{LoginFinish, Registration, RegistrationFinish};

use super::harness::{Running, ke1, new_account, registration, registration_finish};
use crate::auth::invite;
use crate::http::proxies::TrustedProxies;
use crate::store::Store as _;

const EMAIL: &str = "alice@example.org";

#[tokio::test]
async fn who_registers_can_log_in_and_out() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, "correct horse").await;
    let logged_in = server.login("alice@EXAMPLE.org", "correct horse").await.expect("logs in");
    assert_eq!((logged_in.account_id, logged_in.epoch), (alice.account, alice.epoch));
    assert_eq!(logged_in.slots.len(), 2);
    assert_eq!(logged_in.keyring.version, 1);
    assert_eq!(logged_in.device.map(|device| device.revision), Some(1));
    assert!(logged_in.session.token.starts_with("kb_"));
    assert!(logged_in.session.device_cookie.starts_with("kbd_"));
    assert_ne!(logged_in.session.token, alice.session.token);
    assert!(server.login(EMAIL, "wrong horse").await.is_none());
}

/// Holds rules 23 and 24.
#[tokio::test]
async fn a_login_start_does_not_tell_known_from_unknown() {
    let server = Running::start().await;
    server.register(EMAIL, "correct horse").await;
    let (known, _) = server.login_start(EMAIL, "guess").await;
    let (unknown, _) = server.login_start("nobody@example.org", "guess").await;
    assert_eq!((known.status, unknown.status), (200, 200));
    assert_eq!(known.headers_but_date(), unknown.headers_but_date());
    assert_eq!(known.body.len(), unknown.body.len());
}

/// One answer, byte for byte, for everything that can be wrong with a finish.
///
/// Holds rule 24.
#[tokio::test]
async fn every_failed_finish_is_the_same() {
    let server = Running::start().await;
    server.register(EMAIL, "correct horse").await;
    let mut failures = Vec::new();
    for email in [EMAIL, "nobody@example.org"] {
        let (reply, pending) = server.login_start(email, "guess").await;
        assert!(pending.finish(&reply).is_none(), "the client knows, too");
        failures.push(finish(reply.json::<serde_json::Value>()["ticket"].as_str(), 64));
    }
    for length in [0, 63, 65] {
        let (reply, _) = server.login_start(EMAIL, "guess").await;
        failures.push(finish(reply.json::<serde_json::Value>()["ticket"].as_str(), length));
    }
    failures.push(finish(Some("AAAA"), 64));
    failures.push(finish(Some("AAAA"), 63));
    failures.push(finish(Some("not base64!"), 64));
    // An expired ticket.
    let (reply, pending) = server.login_start(EMAIL, "correct horse").await;
    let expired = pending.finish(&reply).expect("the right password");
    // A used one.
    let (reply, pending) = server.login_start(EMAIL, "correct horse").await;
    let used = pending.finish(&reply).expect("the right password");
    assert_eq!(server.post("/login/finish", &used).await.status, 200);
    failures.push(used);
    let replies = answers(&server, &failures).await;
    server.pass(121);
    let late = answers(&server, &[expired]).await;
    for reply in replies.iter().chain(&late) {
        assert_eq!(reply, &replies[0]);
        assert_eq!(reply.0, 401);
        assert!(reply.1.contains("\"code\":\"login_failed\""), "{}", reply.1);
    }
}

fn finish(ticket: Option<&str>, ke3_len: usize) -> LoginFinish {
    LoginFinish {
        ticket: ticket.expect("a ticket").to_owned(),
        ke3: B64(vec![9; ke3_len]),
        device_id: super::harness::device(1),
    }
}

async fn answers(server: &Running, failures: &[LoginFinish]) -> Vec<(u16, String)> {
    let mut replies = Vec::new();
    for failure in failures {
        let reply = server.post("/login/finish", failure).await;
        replies.push((reply.status, reply.text()));
    }
    replies
}

/// Holds rule 25.
#[tokio::test]
async fn attempts_are_counted_before_they_are_evaluated() {
    let server = Running::with(|config| config.store_limits.attempts_per_hour = 3).await;
    for email in [EMAIL, "nobody@example.org"] {
        for _ in 0..3 {
            assert_eq!(server.login_start(email, "guess").await.0.status, 200, "{email}");
        }
        let (reply, _) = server.login_start(email, "guess").await;
        assert_eq!((reply.status, reply.code().as_str()), (429, "too_many"), "{email}");
        let retry: u64 = reply.header("retry-after").expect("says when").parse().expect("seconds");
        assert!((1..=3600).contains(&retry), "{retry}");
    }
    server.pass(3601);
    assert_eq!(server.login_start(EMAIL, "guess").await.0.status, 200);
}

/// Whatever addresses they name, and registrations among them.
///
/// Holds rule 25.
#[tokio::test]
async fn one_network_begins_so_many_an_hour() {
    let server = Running::with(|config| config.store_limits.starts_per_hour = 3).await;
    for email in [EMAIL, "nobody@example.org"] {
        assert_eq!(server.login_start(email, "guess").await.0.status, 200, "{email}");
    }
    server.registration(EMAIL, "correct horse", None).await;
    let (reply, _) = server.login_start("other@example.org", "guess").await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "too_many"));
    assert_eq!(reply.header("retry-after"), Some("1200"));
    assert_eq!(start(&server, "new@example.org", None).await, (429, "too_many".to_owned()));
    server.pass(1200);
    assert_eq!(server.login_start(EMAIL, "guess").await.0.status, 200);
}

/// Holds rule 25.
#[tokio::test]
async fn a_restart_gives_no_network_new_starts() {
    let few = |config: &mut crate::config::Config| config.store_limits.starts_per_hour = 2;
    let server = Running::with(few).await;
    for _ in 0..2 {
        assert_eq!(server.login_start(EMAIL, "guess").await.0.status, 200);
    }
    let server = server.restart(few).await;
    assert_eq!(server.login_start(EMAIL, "guess").await.0.status, 429);
    server.pass(1800);
    assert_eq!(server.login_start(EMAIL, "guess").await.0.status, 200);
}

/// Asking whether addresses are taken counts, also when the answer is that they are.
///
/// Holds rules 24 and 25.
#[tokio::test]
async fn refused_registrations_count() {
    let server = Running::with(|config| config.store_limits.starts_per_hour = 4).await;
    server.register(EMAIL, "correct horse").await;
    for _ in 0..2 {
        assert_eq!(start(&server, EMAIL, None).await, (409, "taken".to_owned()));
    }
    assert_eq!(start(&server, EMAIL, None).await, (429, "too_many".to_owned()));
}

/// Holds rule 25.
#[tokio::test]
async fn guesses_beyond_an_addresss_attempts_count_for_the_network() {
    let server = Running::with(|config| {
        config.store_limits.attempts_per_hour = 1;
        config.store_limits.starts_per_hour = 3;
    })
    .await;
    for status in [200, 429, 429] {
        assert_eq!(server.login_start(EMAIL, "guess").await.0.status, status);
    }
    assert_eq!(server.login_start("other@example.org", "guess").await.0.status, 429, "used up");
}

/// Holds rule 25.
#[tokio::test]
async fn a_trusted_proxy_says_who_is_behind_it() {
    let start = async |server: &Running, from: &str| {
        let request = serde_json::json!({
            "email": EMAIL, "purpose": "session", "ke1": ke1("guess"),
        });
        let json = serde_json::to_vec(&request).expect("serialises");
        server.send("POST", "/login/start", &[("X-Forwarded-For", from)], &json).await.status
    };
    for (trusted, second, third) in [("127.0.0.1", 200, 429), ("127.0.0.2", 429, 429)] {
        let server = Running::with(|config| {
            config.store_limits.starts_per_hour = 1;
            let proxies = TrustedProxies::parse(&[trusted.to_owned()]);
            config.settings.trusted_proxies = proxies.expect("an address");
        })
        .await;
        assert_eq!(start(&server, "192.0.2.1").await, 200);
        assert_eq!(start(&server, "192.0.2.2").await, second, "another client");
        assert_eq!(start(&server, "192.0.2.9, 192.0.2.1").await, third, "says that it is another");
    }
}

#[tokio::test]
async fn a_malformed_registration_is_refused_before_it_is_counted() {
    let server = Running::with(|config| config.store_limits.starts_per_hour = 1).await;
    for request in [vec![], vec![0; 31], vec![0xff; 32]] {
        let request = serde_json::json!({
            "email": EMAIL, "suite": 1, "registration_request": B64(request),
        });
        let reply = server.post("/accounts/start", &request).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"));
    }
    server.registration(EMAIL, "correct horse", None).await;
}

/// Behind a proxy everybody is one network: a stranger in it keeps no known device out.
///
/// Holds rule 25.
#[tokio::test]
async fn a_known_device_does_not_share_its_networks_starts() {
    let server = Running::with(|config| config.store_limits.starts_per_hour = 4).await;
    let alice = server.register(EMAIL, "correct horse").await;
    for _ in 0..2 {
        assert_eq!(server.login_start("nobody@example.org", "guess").await.0.status, 200);
    }
    let cookie = Some(alice.session.device_cookie);
    let foreign = Some(crate::auth::token::DeviceCookie::new().to_text());
    for (email, cookie) in [(EMAIL, None), (EMAIL, foreign), ("bob@example.org", cookie.clone())] {
        let (reply, _) = server.login_start_with(email, "guess", cookie).await;
        assert_eq!((reply.status, reply.code().as_str()), (429, "too_many"), "{email}");
    }
    for _ in 0..4 {
        let (reply, _) = server.login_start_with(EMAIL, "guess", cookie.clone()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let (reply, _) = server.login_start_with(EMAIL, "guess", cookie).await;
    assert_eq!(reply.status, 429, "its account has as many");
}

/// A repeated finish writes a session each time, so it counts as a start does.
///
/// Holds rule 25.
#[tokio::test]
async fn repeated_finishes_are_counted_too() {
    let server = Running::with(|config| config.store_limits.starts_per_hour = 3).await;
    let (finish, _) = server.registration(EMAIL, "correct horse", None).await;
    for _ in 0..2 {
        assert_eq!(server.post("/accounts", &finish).await.status, 200);
    }
    let reply = server.post("/accounts", &finish).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "too_many"));
    server.pass(1200);
    assert_eq!(server.post("/accounts", &finish).await.status, 200, "it changed nothing");
}

#[tokio::test]
async fn malformed_messages_are_refused_before_they_are_counted() {
    let server = Running::with(|config| config.store_limits.attempts_per_hour = 1).await;
    for ke1 in [vec![], vec![0; 95], vec![0; 97], vec![0; 96], vec![0xff; 96]] {
        let start = serde_json::json!({
            "email": EMAIL, "ke1": B64(ke1.clone()), "purpose": "session",
        });
        let reply = server.post("/login/start", &start).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{ke1:?}");
    }
    for (start, message) in [
        (serde_json::json!({ "email": "nobody", "ke1": "", "purpose": "session" }), "e-mail"),
        (serde_json::json!({ "email": EMAIL, "ke1": "", "purpose": "root" }), "line 1"),
        (serde_json::json!({ "email": EMAIL }), "line 1"),
        (serde_json::json!("secret text"), "line 1"),
    ] {
        let reply = server.post("/login/start", &start).await;
        assert_eq!(reply.status, 400, "{start}");
        assert!(reply.text().contains(message), "{}", reply.text());
        assert!(!reply.text().contains("secret"), "an error must not repeat the body");
    }
    assert_eq!(server.login_start(EMAIL, "guess").await.0.status, 200);
}

#[tokio::test]
async fn a_finish_is_repeatable_with_the_same_bytes_only() {
    let server = Running::start().await;
    let (finish, _) = server.registration(EMAIL, "correct horse", None).await;
    for _ in 0..2 {
        assert_eq!(server.post("/accounts", &finish).await.status, 200);
    }
    let other = RegistrationFinish { account_id: new_account(), ..finish };
    let reply = server.post("/accounts", &other).await;
    assert_eq!((reply.status, reply.code().as_str()), (409, "ticket_refused"));
    // Refused before the OPRF is evaluated, in any spelling.
    let reply = start(&server, " Alice@Example.ORG ", None).await;
    assert_eq!((reply.0, reply.1.as_str()), (409, "taken"));
}

/// What is wrong, and how it is made so.
type Spoil = (&'static str, fn(&mut RegistrationFinish));

#[tokio::test]
async fn a_registration_is_checked_whole() {
    let server = Running::start().await;
    let spoil: [Spoil; 9] = [
        ("record", |finish| finish.epoch.record = B64(vec![1; 191])),
        ("record", |finish| finish.epoch.record = B64(vec![0xff; 192])),
        ("slots", |finish| drop(finish.epoch.slots.pop())),
        ("slots", |finish| finish.epoch.slots[1] = finish.epoch.slots[0].clone()),
        ("slot size", |finish| finish.epoch.slots[0].sealed = B64(vec![0; 5000])),
        ("verifier", |finish| finish.epoch.phrase_verifier = B64(vec![0; 31])),
        ("keyring", |finish| finish.epoch.keyring.version = 2),
        ("index", |finish| finish.epoch.index.counter = 0),
        ("device", |finish| finish.device.revision = 0),
    ];
    for (what, spoil) in spoil {
        let (mut finish, _) = server.registration(EMAIL, "correct horse", None).await;
        spoil(&mut finish);
        let reply = server.post("/accounts", &finish).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{what}");
    }
    let (_, record) = server.registration(EMAIL, "correct horse", None).await;
    let unknown = registration_finish("AAAA".to_owned(), record);
    assert_eq!(server.post("/accounts", &unknown).await.code(), "ticket_refused");
    server.register(EMAIL, "correct horse").await;
}

#[tokio::test]
async fn a_taken_account_id_is_refused() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, "correct horse").await;
    let (mut finish, _) = server.registration("bob@example.org", "battery", None).await;
    finish.account_id = alice.account;
    let reply = server.post("/accounts", &finish).await;
    assert_eq!((reply.status, reply.code().as_str()), (409, "taken"));
}

#[tokio::test]
async fn registration_follows_its_mode() {
    let closed = Running::with(registration(Registration::Closed)).await;
    let refused = (403, "registration_refused".to_owned());
    assert_eq!(start(&closed, EMAIL, None).await, refused);
    let server = Running::with(registration(Registration::Invite)).await;
    let code = invite::generate();
    let tag = server.key.invite_tag(code.as_bytes());
    let now = super::harness::START;
    server.store.create_invite(tag, now, now + 100, 1).await.expect("makes it");
    for bad in [None, Some(""), Some("0000-0000-0000-0000"), Some("Ü")] {
        assert_eq!(start(&server, EMAIL, bad).await, refused, "{bad:?}");
    }
    let typed = invite::display(&code).to_lowercase();
    let (finish, _) = server.registration(EMAIL, "correct horse", Some(typed.clone())).await;
    assert_eq!(server.post("/accounts", &finish).await.status, 200);
    assert_eq!(start(&server, "bob@example.org", Some(&typed)).await, refused, "used up");
}

/// The mode that counts is the one at the end: a restart may have changed it.
#[tokio::test]
async fn a_finish_follows_the_mode_that_is() {
    let refused = (403, "registration_refused".to_owned());
    for (mode, taken) in
        [(Registration::Closed, false), (Registration::Invite, false), (Registration::Open, true)]
    {
        let server = Running::start().await;
        let (finish, _) = server.registration(EMAIL, "correct horse", None).await;
        let server = server.restart(registration(mode)).await;
        let reply = server.post("/accounts", &finish).await;
        if taken {
            assert_eq!(reply.status, 200, "{}", reply.text());
        } else {
            assert_eq!((reply.status, reply.code()), refused);
        }
    }
}

/// A start by hand: status and code.
async fn start(server: &Running, email: &str, invite: Option<&str>) -> (u16, String) {
    let request = serde_json::json!({
        "email": email, "suite": 1, "invite": invite,
        "registration_request": B64(blinded()),
    });
    let reply = server.post("/accounts/start", &request).await;
    (reply.status, reply.code())
}

/// Any group element: here, a public key.
pub(super) fn blinded() -> Vec<u8> {
    let key = crate::keyfile::OpaqueSetup::new(&mut rand08::rngs::OsRng);
    key.keypair().public().serialize().to_vec()
}

/// Holds rule 3.
#[tokio::test]
async fn another_suite_is_refused() {
    let server = Running::start().await;
    let request = serde_json::json!({
        "email": EMAIL, "suite": 2, "registration_request": B64(blinded()),
    });
    let reply = server.post("/accounts/start", &request).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "protocol_unsupported"));
}

/// What is kept and what is told: no token, cookie or address lies in the data directory.
///
/// Holds rules 26 and 33.
#[tokio::test]
async fn the_data_directory_holds_no_token_and_no_address() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, "correct horse").await;
    let token = &alice.session.token;
    let secret = B64::from_text(&token[3..]).expect("base64url").0;
    let mut files = vec![server.dir.path().to_owned()];
    let mut seen = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("reads");
            files.extend(entries.map(|entry| entry.expect("an entry").path()));
            continue;
        }
        seen += 1;
        let bytes = std::fs::read(&path).expect("reads");
        for needle in [token.as_bytes(), &secret, EMAIL.as_bytes(), b"alice"] {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{}", path.display());
        }
    }
    assert!(seen >= 2, "database and key file");
}
