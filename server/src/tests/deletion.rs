//! `DELETE /account`: who may, what comes of it, and that it is answered once more.

use keybackup_protocol::api::{
    AccountAnswer, AccountDeleted, AccountDeletion, FreshLogin, Listing, LoginPurpose, LoginStart,
};
use keybackup_protocol::{Address, PersonaId};
use opaque_ke::ClientLogin;
use rand08::rngs::OsRng;

use super::harness::{Pending, Reply, Running, START, Suite};
use super::personas::{Push, push};

const EMAIL: &str = "alice@example.org";
const PASSWORD: &str = "correct horse";

/// A login for a purpose, proven.
async fn proven(server: &Running, email: &str, purpose: LoginPurpose) -> AccountDeletion {
    let address: Address = email.parse().expect("an address");
    let login = ClientLogin::<Suite>::start(&mut OsRng, PASSWORD.as_bytes()).expect("starts");
    let start = serde_json::to_value(LoginStart {
        email: email.to_owned(),
        ke1: login.message.serialize().to_vec().into(),
        purpose,
        epoch: None,
        previous: false,
        device_cookie: None,
        registration_request: None,
    });
    let reply = server.post("/login/start", &start.expect("serialises")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let pending = Pending { state: login.state, address, password: PASSWORD.to_owned() };
    let finish = pending.finish(&reply).expect("the right password");
    AccountDeletion { login: FreshLogin { ticket: finish.ticket, ke3: finish.ke3 } }
}

async fn delete(
    server: &Running,
    authorization: Option<&str>,
    deletion: &AccountDeletion,
) -> Reply {
    let json = serde_json::to_vec(deletion).expect("serialises");
    let headers: Vec<_> = authorization.map(|value| ("Authorization", value)).into_iter().collect();
    server.send("DELETE", "/account", &headers, &json).await
}

#[tokio::test]
async fn a_deleted_account_is_as_an_unknown_one_and_its_address_is_free() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, PASSWORD).await;
    let elsewhere = server.login(EMAIL, PASSWORD).await.expect("logs in");
    let persona = PersonaId::from_bytes([1; 16]);
    assert_eq!(push(&server, &alice, persona, Push::first(b"bytes")).await.status, 200);
    let deletion = proven(&server, EMAIL, LoginPurpose::DeleteAccount).await;
    let session = alice.authorization();
    let reply = delete(&server, Some(&session), &deletion).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let deleted: AccountDeleted = reply.json();
    assert_eq!(deleted.held_until, START + 30 * 24 * 60 * 60);
    assert_eq!(deleted.locked_personas, 0);

    let elsewhere = format!("Bearer {}", elsewhere.session.token);
    for session in [&session, &elsewhere] {
        let reply = server.ask("GET", "/keyring", &[("Authorization", session)]).await;
        assert_eq!(reply.status, 401);
    }
    // Its session is over, and yet a lost answer is asked for once more, and no other.
    for session in [Some(session.as_str()), None] {
        let again = delete(&server, session, &deletion).await;
        assert_eq!((again.status, again.json::<AccountDeleted>()), (200, deleted));
    }
    let (known, _) = server.login_start(EMAIL, PASSWORD).await;
    let (unknown, _) = server.login_start("nobody@example.org", PASSWORD).await;
    assert_eq!((known.status, known.body.len()), (unknown.status, unknown.body.len()));
    assert_eq!(known.headers_but_date(), unknown.headers_but_date());
    assert!(server.login(EMAIL, PASSWORD).await.is_none());

    let anew = server.register(EMAIL, PASSWORD).await;
    assert_ne!(anew.account, alice.account);
    let authorization = anew.authorization();
    let headers = [("Authorization", authorization.as_str())];
    let listing: Listing = server.ask("GET", "/personas", &headers).await.json();
    assert!(listing.personas.is_empty());
    let again = delete(&server, Some(&authorization), &deletion).await;
    assert_eq!(again.status, 401, "a new account is not deleted by the old login");
    let facts: AccountAnswer = server.ask("GET", "/account", &headers).await.json();
    assert_eq!(facts.account_id, anew.account);
}

/// Holds rule 33.
#[tokio::test]
async fn a_session_alone_or_a_login_for_something_else_deletes_nothing() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, PASSWORD).await.authorization();
    let bob = server.register("bob@example.org", PASSWORD).await.authorization();
    let good = proven(&server, EMAIL, LoginPurpose::DeleteAccount).await;
    let refused = async |session: Option<&str>, deletion: &AccountDeletion, code: &str| {
        let reply = delete(&server, session, deletion).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, code));
    };
    refused(None, &good, "unauthenticated").await;
    refused(Some("Bearer kb_nonsense"), &good, "unauthenticated").await;
    refused(Some(&bob), &good, "login_failed").await;
    let with = |ticket: &str, ke3: Vec<u8>| AccountDeletion {
        login: FreshLogin { ticket: ticket.to_owned(), ke3: ke3.into() },
    };
    refused(Some(&alice), &with("AAAA", vec![1; 64]), "login_failed").await;
    refused(Some(&alice), &with(&good.login.ticket, vec![1; 64]), "login_failed").await;
    let other = proven(&server, EMAIL, LoginPurpose::Session).await;
    refused(Some(&alice), &other, "login_failed").await;
    for body in [&b""[..], b"{}", b"nonsense"] {
        let headers = [("Authorization", alice.as_str())];
        assert_eq!(server.send("DELETE", "/account", &headers, body).await.status, 400);
        assert_eq!(server.send("DELETE", "/account", &[], body).await.status, 401);
    }
    server.pass(120);
    refused(Some(&alice), &good, "login_failed").await;
    assert!(server.login(EMAIL, PASSWORD).await.is_some());
}
