//! Every endpoint × {nobody, a malformed token, another account, an expired session, an ended
//! session}.

use keybackup_protocol::PersonaId;
use keybackup_protocol::api::{Devices, Done, KeyringAnswer, Labels, Listing};

use super::harness::{Member, Reply, Running, device};
use super::personas::{Push, push};

const PERSONA: PersonaId = PersonaId::from_bytes([0xaa; 16]);

/// Every endpoint that needs a session.
fn endpoints() -> Vec<(&'static str, String)> {
    let id = PERSONA;
    vec![
        ("GET", "/keyring".to_owned()),
        ("GET", "/personas".to_owned()),
        ("HEAD", "/personas".to_owned()),
        ("GET", format!("/personas/{id}")),
        ("HEAD", format!("/personas/{id}")),
        ("GET", format!("/personas/{id}?version=1")),
        ("POST", format!("/personas/{id}")),
        ("DELETE", format!("/personas/{id}")),
        ("GET", format!("/personas/{id}/labels")),
        ("POST", "/uploads".to_owned()),
        ("HEAD", UPLOAD.to_owned()),
        ("PATCH", UPLOAD.to_owned()),
        ("DELETE", UPLOAD.to_owned()),
        ("GET", "/devices".to_owned()),
        ("PUT", format!("/devices/{}", device(1))),
        ("GET", "/account".to_owned()),
        ("DELETE", "/account".to_owned()),
        ("PUT", "/password".to_owned()),
        ("GET", "/sessions".to_owned()),
        ("DELETE", "/sessions".to_owned()),
        ("DELETE", "/sessions/0011223344556677".to_owned()),
        ("DELETE", "/session".to_owned()),
    ]
}

async fn ask_all(server: &Running, authorization: Option<&str>) {
    for (method, path) in endpoints() {
        let mut headers = vec![("Tus-Resumable", "1.0.0")];
        headers.extend(authorization.map(|value| ("Authorization", value)));
        let reply = server.ask(method, &path, &headers).await;
        assert_eq!(reply.status, 401, "{method} {path} {authorization:?}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        assert_eq!(reply.header("keybackup-epoch"), None, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(reply.code(), "unauthenticated", "{method} {path}");
        }
    }
}

/// Holds rule 33.
#[tokio::test]
async fn nobody_and_nonsense_are_refused_everywhere() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let token = &alice.session.token;
    ask_all(&server, None).await;
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer kb_",
        "Bearer kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &format!("Basic {token}"),
        &format!("Bearer {token}A"),
        &format!("Bearer {}", &token[..token.len() - 1]),
        &format!("Bearer {}", alice.session.device_cookie),
        token,
    ] {
        ask_all(&server, Some(value)).await;
    }
}

/// Holds rule 33.
#[tokio::test]
async fn an_ended_session_is_refused_everywhere() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let authorization = alice.authorization();
    let headers = [("Authorization", authorization.as_str())];
    let reply = server.ask("DELETE", "/session", &headers).await;
    assert!(reply.json::<Done>().changed);
    ask_all(&server, Some(&authorization)).await;
}

/// Holds rule 33.
#[tokio::test]
async fn an_expired_session_is_refused_everywhere() {
    let ttl = |idle, absolute| {
        move |config: &mut crate::config::Config| {
            config.settings.session_idle_s = idle;
            config.settings.session_ttl_s = absolute;
        }
    };
    // By age, even if used; and by want of use.
    for (idle, absolute) in [(1_000_000, 1000), (1000, 1_000_000)] {
        let server = Running::with(ttl(idle, absolute)).await;
        let alice = server.register("alice@example.org", "correct horse").await;
        if idle > absolute {
            server.pass(999);
            assert_eq!(get(&server, &alice, "/keyring").await.status, 200);
            server.pass(1);
        } else {
            server.pass(1000);
        }
        ask_all(&server, Some(&alice.authorization())).await;
    }
}

#[tokio::test]
async fn use_keeps_a_session_from_idling_out() {
    let server = Running::with(|config| config.settings.session_idle_s = 1000).await;
    let alice = server.register("alice@example.org", "correct horse").await;
    for _ in 0..3 {
        server.pass(900);
        assert_eq!(get(&server, &alice, "/keyring").await.status, 200);
        // The use is noted behind the answer; a write waits for what was queued before it.
        let headers = alice.authorization();
        let path = format!("/personas/{PERSONA}");
        server.ask("DELETE", &path, &[("Authorization", headers.as_str())]).await;
    }
}

/// Ids of another account are as ids of nothing, to read and to change.
///
/// Holds rule 33.
#[tokio::test]
async fn another_account_sees_and_changes_nothing() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let bob = server.register("bob@example.org", "battery staple").await;
    let pushed = push(&server, &alice, PERSONA, Push::first(b"sealed bytes of alice")).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let path = format!("/personas/{PERSONA}");
    for path in [path.clone(), format!("{path}?version=1"), format!("{path}/labels")] {
        let reply = get(&server, &bob, &path).await;
        assert_eq!((reply.status, reply.code().as_str()), (410, "gone"), "{path}");
    }
    let headers = bob.authorization();
    let reply = server.ask("DELETE", &path, &[("Authorization", headers.as_str())]).await;
    assert!(!reply.json::<Done>().changed, "nothing of bob's");
    let after = Push { base: Some(1), version: 2, ..Push::first(b"bob's") };
    assert_eq!(push(&server, &bob, PERSONA, after).await.status, 412, "no such base of bob's");
    let own = push(&server, &bob, PERSONA, Push::first(b"bob's")).await;
    assert_eq!(own.status, 200, "the same id in another account is another persona");

    let reply = get(&server, &alice, &path).await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"sealed bytes of alice"[..]));
    let listing: Listing = get(&server, &alice, "/personas").await.json();
    assert_eq!(listing.account_id, alice.account);
    assert_eq!((listing.personas.len(), listing.personas[0].trashed), (1, false));
    let listing: Listing = get(&server, &bob, "/personas").await.json();
    assert_eq!(listing.account_id, bob.account);
    assert_eq!(get(&server, &bob, "/keyring").await.json::<KeyringAnswer>().epoch, bob.epoch);
    assert_eq!(get(&server, &bob, "/devices").await.json::<Devices>().devices.len(), 1);
    let labels: Labels = get(&server, &alice, &format!("{path}/labels")).await.json();
    assert_eq!(labels.labels.len(), 1);
}

/// Holds rule 33.
#[tokio::test]
async fn an_upload_of_another_account_is_none() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let bob = server.register("bob@example.org", "battery staple").await;
    let upload = super::uploads::upload(&server, &alice, b"bytes").await;
    let by_name = Push { upload: Some(upload), ..Push::first(b"bytes") };
    assert_eq!(push(&server, &bob, PERSONA, by_name.clone()).await.status, 410);
    assert_eq!(push(&server, &alice, PERSONA, by_name).await.status, 200);
}

#[tokio::test]
async fn every_authenticated_answer_names_epoch_and_keyring() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    for (method, path) in endpoints() {
        let authorization = alice.authorization();
        let headers = [("Authorization", authorization.as_str()), ("Tus-Resumable", "1.0.0")];
        let reply = server.ask(method, &path, &headers).await;
        assert_ne!(reply.status, 401, "{method} {path}");
        let epoch = alice.epoch.to_string();
        assert_eq!(reply.header("keybackup-epoch"), Some(epoch.as_str()), "{method} {path}");
        assert_eq!(reply.header("keybackup-keyring"), Some("1"), "{method} {path}");
    }
}

#[tokio::test]
async fn the_protocol_version_is_demanded_where_it_matters() {
    let server = Running::start().await;
    for (value, path, status) in [
        ("1", "/keyring", 401),
        ("2", "/keyring", 400),
        ("", "/keyring", 400),
        ("one", "/login/start", 400),
        ("2", "/status", 200),
        ("2", "/healthz", 200),
    ] {
        let reply = server.ask("GET", path, &[("Keybackup-Protocol", value)]).await;
        assert_eq!(reply.status, status, "{value:?} {path}");
        if status == 400 {
            assert_eq!(reply.code(), "protocol_unsupported");
            assert!(reply.text().contains('1'), "names what is spoken");
        }
    }
    let absent = server.raw(b"GET /keyring HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(absent.starts_with("HTTP/1.1 400 "));
}

const UPLOAD: &str = "/uploads/000102030405060708090a0b0c0d0e0f";

#[tokio::test]
async fn routes_and_methods_that_do_not_exist() {
    let server = Running::start().await;
    for (method, path, status, allow) in [
        ("GET", "/", 404, None),
        ("GET", "/nothing", 404, None),
        ("GET", "/personas/not-an-id", 404, None),
        ("POST", "/status", 405, Some("GET, HEAD, OPTIONS")),
        ("DELETE", "/personas", 405, Some("GET, HEAD, OPTIONS")),
        ("PATCH", "/uploads/0102", 404, None),
        ("GET", UPLOAD, 405, Some("HEAD, PATCH, DELETE, OPTIONS")),
        ("POST", UPLOAD, 405, Some("HEAD, PATCH, DELETE, OPTIONS")),
        ("OPTIONS", UPLOAD, 204, Some("HEAD, PATCH, DELETE, OPTIONS")),
        ("OPTIONS", "/session", 204, Some("DELETE, OPTIONS")),
        ("OPTIONS", "/uploads", 204, Some("POST, OPTIONS")),
    ] {
        let reply = server.ask(method, path, &[]).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.header("allow"), allow, "{method} {path}");
    }
}

/// One that is not known, or not on this route, is misspelt or meant for something else.
#[tokio::test]
async fn unknown_parameters_are_refused_everywhere() {
    let server = Running::start().await;
    let alice = server.register("alice@example.org", "correct horse").await;
    let authorization = alice.authorization();
    let headers = [("Authorization", authorization.as_str())];
    let others = [
        ("GET", "/status".to_owned()),
        ("GET", "/healthz".to_owned()),
        ("POST", "/accounts/start".to_owned()),
        ("POST", "/accounts".to_owned()),
        ("POST", "/login/start".to_owned()),
        ("POST", "/login/finish".to_owned()),
        ("OPTIONS", "/uploads".to_owned()),
    ];
    for (method, path) in endpoints().into_iter().chain(others) {
        let path = path.split('?').next().expect("a path");
        let reply = server.ask(method, &format!("{path}?verson=1"), &headers).await;
        assert_eq!(reply.status, 400, "{method} {path}");
    }
    assert_eq!(server.ask("GET", "/status?", &[]).await.status, 200, "none");
}

#[tokio::test]
async fn everything_lies_under_the_prefix() {
    let server = Running::with(|config| config.settings.path_prefix = "/backup".to_owned()).await;
    for (path, status) in
        [("/backup/status", 200), ("/status", 404), ("/backupstatus", 404), ("/backup", 404)]
    {
        assert_eq!(server.ask("GET", path, &[]).await.status, status, "{path}");
    }
}

async fn get(server: &Running, member: &Member, path: &str) -> Reply {
    server.ask("GET", path, &[("Authorization", &member.authorization())]).await
}
