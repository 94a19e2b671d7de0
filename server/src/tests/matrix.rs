//! Every endpoint × everybody who may ask: what is answered is a table, and the endpoints are the
//! router's own list, so that a route without a row fails.

use std::collections::BTreeMap;

use keybackup_protocol::PersonaId;
use keybackup_protocol::api::{Listing, RegistrationStart};
use rusqlite::Connection;

use super::harness::{Member, Running, START, device};
use super::personas::{Push, push};
use crate::auth::token::Token;
use crate::mail::Letter;
use crate::router::described;
use crate::store::{AccountStore as _, DATABASE, Store as _};

const PERSONA: PersonaId = PersonaId::from_bytes([0xaa; 16]);

/// Statuses of an endpoint: to who has no session that holds, to a member who names another
/// account's ids, to a session whose epoch is not its account's current one.
type Row = (&'static str, &'static str, [u16; 3]);

/// Requests have no body, so that nobody's does anything: a member's is 400 or 428 where one is due.
/// `HEAD` is as `GET`, and `OPTIONS` is answered to everybody. In this order: the last ones end the
/// session that asks.
const EXPECTED: [Row; 41] = [
    ("GET", "/status", [200, 200, 200]),
    ("GET", "/healthz", [200, 200, 200]),
    ("POST", "/accounts/start", [400, 400, 400]),
    ("POST", "/accounts/confirm", [400, 400, 400]),
    ("POST", "/accounts", [400, 400, 400]),
    ("POST", "/login/start", [400, 400, 400]),
    ("POST", "/login/finish", [400, 400, 400]),
    ("GET", "/account", [401, 200, 200]),
    ("DELETE", "/account", [401, 400, 409]),
    ("POST", "/account/email/start", [401, 400, 409]),
    ("PUT", "/account/email", [401, 400, 409]),
    ("POST", "/account/email/undo", [400, 400, 400]),
    ("PUT", "/password", [401, 400, 409]),
    ("POST", "/password/reset/start", [400, 400, 400]),
    ("POST", "/password/reset", [400, 400, 400]),
    ("PUT", "/password/reset", [400, 400, 400]),
    ("GET", "/password/reset/<email>", [200, 200, 200]),
    ("GET", "/password/reset.html", [200, 200, 200]),
    ("PUT", "/recovery", [401, 400, 409]),
    ("GET", "/epochs", [401, 200, 200]),
    ("GET", "/epochs/<id>/personas", [401, 410, 410]),
    ("POST", "/epochs/<id>/open", [401, 400, 409]),
    ("POST", "/epochs/<id>/unlock", [401, 400, 409]),
    ("POST", "/epochs/undo", [400, 400, 400]),
    ("GET", "/sessions", [401, 200, 409]),
    ("DELETE", "/sessions", [401, 200, 409]),
    ("DELETE", "/sessions/<id>", [401, 200, 409]),
    ("GET", "/keyring", [401, 200, 200]),
    ("GET", "/personas", [401, 200, 200]),
    ("GET", "/personas/<id>", [401, 410, 409]),
    ("POST", "/personas/<id>", [401, 428, 409]),
    ("DELETE", "/personas/<id>", [401, 200, 409]),
    ("GET", "/personas/<id>/labels", [401, 410, 200]),
    ("POST", "/personas/<id>/purge", [401, 400, 409]),
    ("POST", "/uploads", [401, 400, 409]),
    ("GET", "/devices", [401, 200, 200]),
    ("PUT", "/devices/<id>", [401, 400, 409]),
    ("HEAD", "/uploads/<id>", [401, 410, 409]),
    ("PATCH", "/uploads/<id>", [401, 410, 409]),
    ("DELETE", "/uploads/<id>", [401, 410, 409]),
    ("DELETE", "/session", [401, 200, 200]),
];

/// Who asks, and which column is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    Nobody,
    HalfRegistered,
    Revoked,
    Idle,
    Expired,
    Disabled,
    Deleted,
    OtherAccount,
    Displaced,
    Undone,
}

impl Caller {
    const fn column(self) -> usize {
        match self {
            Self::OtherAccount => 1,
            Self::Displaced | Self::Undone => 2,
            _ => 0,
        }
    }
}

fn database(server: &Running) -> Connection {
    Connection::open(server.dir.path().join("data").join(DATABASE)).expect("opens")
}

/// Changes the row of a member's session.
fn change(connection: &Connection, member: &Member, what: &str) {
    let token = Token::from_text(&member.session.token).expect("a token");
    let sql = format!("UPDATE sessions SET {what} WHERE token_hash = $1");
    assert_eq!(connection.execute(&sql, [token.hash().0]).expect("updates"), 1, "{what}");
}

/// Gives the member's account another epoch, the current one; the sessions stay in the first.
fn displace(connection: &Connection, member: &Member) {
    let account = member.account.to_string();
    let copy = |table: &str, id: &str| {
        format!(
            "CREATE TEMP TABLE another AS SELECT * FROM {table} WHERE account_id = x'{account}'; \
             UPDATE another SET {id} = x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'; \
             INSERT INTO {table} SELECT * FROM another; DROP TABLE another;"
        )
    };
    let sql = [
        copy("epochs", "position = 2, displaced = id, id"),
        copy("keyrings", "epoch_id"),
        copy("indexes", "epoch_id"),
        copy("credentials", "epoch_id"),
        copy("slots", "epoch_id"),
        format!(
            "UPDATE accounts SET current_epoch = x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' \
             WHERE id = x'{account}';"
        ),
    ];
    connection.execute_batch(&sql.concat()).expect("makes another epoch");
}

/// The callers, each with what it shows, and the account whose ids they all name.
async fn callers(server: &Running) -> (Member, BTreeMap<Caller, Option<String>>) {
    let alice = server.register("alice@example.org", "correct horse").await;
    let pushed = push(server, &alice, PERSONA, Push::first(b"sealed bytes of alice")).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let start = serde_json::json!(RegistrationStart {
        email: "half@example.org".to_owned(),
        suite: 1,
        registration_request: super::login::blinded().into(),
        invite: None,
        confirmation: None,
    });
    let half: serde_json::Value = server.post("/accounts/start", &start).await.json();
    let ticket = half["ticket"].as_str().expect("a ticket");
    let mut callers = BTreeMap::from([
        (Caller::Nobody, None),
        (Caller::HalfRegistered, Some(format!("Bearer {ticket}"))),
    ]);
    for (caller, name) in [
        (Caller::Revoked, "revoked"),
        (Caller::Idle, "idle"),
        (Caller::Expired, "expired"),
        (Caller::Disabled, "disabled"),
        (Caller::Deleted, "deleted"),
        (Caller::OtherAccount, "other"),
        (Caller::Displaced, "displaced"),
        (Caller::Undone, "undone"),
    ] {
        let member = server.register(&format!("{name}@example.org"), "correct horse").await;
        let authorization = member.authorization();
        // Of their own, and by the same id, so that it is not its absence that is answered.
        if caller != Caller::OtherAccount {
            let own = push(server, &member, PERSONA, Push::first(b"own")).await;
            assert_eq!(own.status, 200, "{}", own.text());
        }
        let connection = database(server);
        match caller {
            Caller::Revoked => {
                let headers = [("Authorization", authorization.as_str())];
                assert_eq!(server.ask("DELETE", "/session", &headers).await.status, 200);
            }
            Caller::Idle => change(&connection, &member, "idle_ttl_s = 0"),
            Caller::Expired => change(&connection, &member, &format!("expires_at = {START}")),
            Caller::Disabled => {
                let disabled = server.store.disable_account(member.account, START).await;
                assert!(disabled.expect("disables"));
            }
            Caller::Deleted => {
                let mail = Letter::AccountDeleted.seal(&server.key).expect("seals");
                server.store.close_account(member.account, mail, START).await.expect("closes");
            }
            Caller::Displaced => displace(&connection, &member),
            Caller::Undone => {
                displace(&connection, &member);
                change(&connection, &member, "epoch_id = x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'");
                let back = "UPDATE accounts SET current_epoch = $1 WHERE id = $2";
                let ids = (member.epoch.as_bytes(), member.account.as_bytes());
                connection.execute(back, ids).expect("goes back");
            }
            _ => {}
        }
        callers.insert(caller, Some(authorization));
    }
    (alice, callers)
}

/// Holds rule 33.
#[tokio::test]
async fn every_endpoint_answers_everybody_as_the_table_says() {
    let server = Running::start().await;
    let (alice, callers) = callers(&server).await;
    let sessions = server.store.sessions(alice.account, -1, START).await.expect("answers");
    let upload = super::uploads::upload(&server, &alice, b"waiting").await;
    for (caller, authorization) in &callers {
        for (method, path, statuses) in EXPECTED {
            let id = match path {
                "/sessions/<id>" => sessions[0].id.to_string(),
                _ if path.starts_with("/epochs/") => alice.epoch.to_string(),
                "/devices/<id>" => device(1).to_string(),
                "/uploads/<id>" => upload.to_string(),
                _ => PERSONA.to_string(),
            };
            let mut headers = vec![("Tus-Resumable", "1.0.0")];
            headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
            let target = path.replace("<id>", &id).replace("<email>", "nobody@example.org");
            let reply = server.ask(method, &target, &headers).await;
            let expected = statuses[caller.column()];
            assert_eq!(reply.status, expected, "{caller:?}: {method} {path}");
            let challenge = (expected == 401).then_some("Bearer");
            assert_eq!(reply.header("www-authenticate"), challenge, "{caller:?}: {method} {path}");
            // What a look at a link must not do is said elsewhere.
            let has_head = !["/status", "/healthz", "/password/reset/<email>"].contains(&path);
            if method == "GET" && has_head {
                let reply = server.ask("HEAD", &target, &headers).await;
                assert_eq!(reply.status, expected, "{caller:?}: HEAD {path}");
                assert!(reply.body.is_empty(), "{caller:?}: HEAD {path}");
            }
        }
    }
    // And none of it was done to who was named.
    let authorization = alice.authorization();
    let headers = [("Authorization", authorization.as_str())];
    let listing: Listing = server.ask("GET", "/personas", &headers).await.json();
    assert_eq!((listing.personas.len(), listing.personas[0].trashed), (1, false));
    let bytes = server.ask("GET", &format!("/personas/{PERSONA}"), &headers).await.body;
    assert_eq!(bytes, b"sealed bytes of alice");
}

#[test]
fn every_endpoint_has_a_row() {
    for (path, methods) in described() {
        for method in methods.split(", ").filter(|method| !["HEAD", "OPTIONS"].contains(method)) {
            let rows = EXPECTED.iter().filter(|row| (row.0, row.1) == (method, path)).count();
            assert_eq!(rows, 1, "{method} {path}");
        }
    }
}
