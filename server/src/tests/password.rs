//! `PUT /password`, and what a fresh login is good for.

use keybackup_protocol::Address;
use keybackup_protocol::api::{
    AccountAnswer, Ended, FreshLogin, LoginPurpose, LoginStart, LoginStarted, PasswordChange,
    Sessions, Slot, SlotKind,
};
use opaque_ke::{
    ClientLogin, ClientRegistration, ClientRegistrationFinishParameters, RegistrationResponse,
};
use rand08::rngs::OsRng;

use super::harness::{Member, Pending, Reply, Running, Suite, identifiers};

const EMAIL: &str = "alice@example.org";
const OLD: &str = "correct horse";
const NEW: &str = "battery staple";

/// All of a change but its last request.
pub(super) async fn prepared(
    server: &Running,
    email: &str,
    old: &str,
    new: &str,
) -> PasswordChange {
    let address: Address = email.parse().expect("an address");
    let login = ClientLogin::<Suite>::start(&mut OsRng, old.as_bytes()).expect("starts");
    let registration =
        ClientRegistration::<Suite>::start(&mut OsRng, new.as_bytes()).expect("starts");
    let start = LoginStart {
        email: email.to_owned(),
        ke1: login.message.serialize().to_vec().into(),
        purpose: LoginPurpose::ChangePassword,
        epoch: None,
        previous: false,
        device_cookie: None,
        registration_request: Some(registration.message.serialize().to_vec().into()),
    };
    let reply = server.post("/login/start", &start).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let started: LoginStarted = reply.json();
    let response = started.registration_response.expect("was asked for");
    let response = RegistrationResponse::deserialize(&response.0).expect("a response");
    let parameters = ClientRegistrationFinishParameters::new(identifiers(&address), None);
    let finished = registration
        .state
        .finish(&mut OsRng, new.as_bytes(), response, parameters)
        .expect("finishes");
    let pending = Pending { state: login.state, address, password: old.to_owned() };
    let finish = pending.finish(&reply).expect("the right password");
    PasswordChange {
        login: FreshLogin { ticket: finish.ticket, ke3: finish.ke3 },
        record: finished.message.serialize().to_vec().into(),
        slot: Slot { kind: SlotKind::Password, generation: 2, sealed: vec![9; 300].into() },
    }
}

async fn put(server: &Running, member: &Member, change: &PasswordChange) -> Reply {
    let json = serde_json::to_vec(change).expect("serialises");
    let authorization = member.authorization();
    server.send("PUT", "/password", &[("Authorization", &authorization)], &json).await
}

async fn get(server: &Running, member: &Member, path: &str) -> Reply {
    server.ask("GET", path, &[("Authorization", &member.authorization())]).await
}

/// Holds rule 30.
#[tokio::test]
async fn the_new_one_logs_in_the_old_one_does_not_and_other_sessions_end() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, OLD).await;
    let elsewhere = server.login(EMAIL, OLD).await.expect("logs in");
    // A login that is under way with the old one.
    let (reply, pending) = server.login_start(EMAIL, OLD).await;
    let under_way = pending.finish(&reply).expect("the right password");

    let change = prepared(&server, EMAIL, OLD, NEW).await;
    let reply = put(&server, &alice, &change).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(put(&server, &alice, &change).await.status, 200, "its answer was lost");

    assert_eq!(server.post("/login/finish", &under_way).await.status, 401);
    assert!(server.login(EMAIL, OLD).await.is_none());
    let logged_in = server.login(EMAIL, NEW).await.expect("logs in");
    let slot = logged_in.slots.iter().find(|slot| slot.kind == SlotKind::Password);
    assert_eq!(slot, Some(&change.slot));
    let ended = format!("Bearer {}", elsewhere.session.token);
    assert_eq!(server.ask("GET", "/keyring", &[("Authorization", &ended)]).await.status, 401);
    assert_eq!(get(&server, &alice, "/keyring").await.status, 200, "who asked stays");
    let facts: AccountAnswer = get(&server, &alice, "/account").await.json();
    assert_eq!((facts.account_id, facts.password.generation), (alice.account, 2));
}

/// Holds rules 30 and 33.
#[tokio::test]
async fn a_session_alone_or_a_login_for_something_else_changes_nothing() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, OLD).await;
    let bob = server.register("bob@example.org", OLD).await;
    let failed = async |member: &Member, change: &PasswordChange| {
        let reply = put(&server, member, change).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "login_failed"));
    };
    let good = prepared(&server, EMAIL, OLD, NEW).await;
    // Another account's session; no proof; a proof of another ticket.
    failed(&bob, &good).await;
    let with = |ticket: &str, ke3: Vec<u8>| PasswordChange {
        login: FreshLogin { ticket: ticket.to_owned(), ke3: ke3.into() },
        ..good.clone()
    };
    failed(&alice, &with("AAAA", good.login.ke3.0.clone())).await;
    failed(&alice, &with(&good.login.ticket, vec![1; 64])).await;
    failed(&alice, &with(&good.login.ticket, vec![1; 63])).await;
    // A ticket for a session does not change the password.
    let (reply, pending) = server.login_start(EMAIL, OLD).await;
    let login = pending.finish(&reply).expect("the right password");
    failed(&alice, &with(&login.ticket, login.ke3.0.clone())).await;
    // And one for changing it opens no session.
    let finish = keybackup_protocol::api::LoginFinish {
        ticket: good.login.ticket.clone(),
        ke3: good.login.ke3.clone(),
        device_id: alice.device,
    };
    assert_eq!(server.post("/login/finish", &finish).await.status, 401);
    assert!(server.login(EMAIL, NEW).await.is_none());
    assert!(server.login(EMAIL, OLD).await.is_some());
    // What was refused has used nothing up.
    assert_eq!(put(&server, &alice, &good).await.status, 200);
    // An expired one.
    let late = prepared(&server, EMAIL, NEW, OLD).await;
    server.pass(121);
    failed(&alice, &late).await;
}

/// Holds rules 23 and 24.
#[tokio::test]
async fn the_start_is_alike_for_unknown_addresses_and_takes_what_fits() {
    let server = Running::start().await;
    server.register(EMAIL, OLD).await;
    let start = |email: &str, purpose, request: Option<usize>| {
        let login = ClientLogin::<Suite>::start(&mut OsRng, b"guess").expect("starts");
        let registration = ClientRegistration::<Suite>::start(&mut OsRng, b"new").expect("starts");
        let request = request.map(|bytes| {
            let mut message = registration.message.serialize().to_vec();
            message.truncate(bytes);
            message.into()
        });
        LoginStart {
            email: email.to_owned(),
            ke1: login.message.serialize().to_vec().into(),
            purpose,
            epoch: None,
            previous: false,
            device_cookie: None,
            registration_request: request,
        }
    };
    let change = LoginPurpose::ChangePassword;
    let known = server.post("/login/start", &start(EMAIL, change, Some(32))).await;
    let unknown = start("nobody@example.org", change, Some(32));
    let unknown = server.post("/login/start", &unknown).await;
    assert_eq!((known.status, unknown.status), (200, 200));
    assert_eq!(known.body.len(), unknown.body.len());
    for (purpose, request) in
        [(change, None), (change, Some(31)), (LoginPurpose::Session, Some(32))]
    {
        let reply = server.post("/login/start", &start(EMAIL, purpose, request)).await;
        assert_eq!(reply.status, 400, "{purpose:?} {request:?}");
    }
}

/// Holds rule 33.
#[tokio::test]
async fn sessions_are_listed_and_revoked() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, OLD).await;
    let bob = server.register("bob@example.org", OLD).await;
    server.login(EMAIL, OLD).await.expect("logs in");
    server.login(EMAIL, OLD).await.expect("logs in");
    let list = async || get(&server, &alice, "/sessions").await.json::<Sessions>().sessions;
    let listed = list().await;
    assert_eq!(listed.len(), 3);
    assert_eq!(listed.iter().filter(|session| session.current).count(), 1);
    let other = listed.iter().find(|session| !session.current).expect("two others");
    let path = format!("/sessions/{}", other.id);
    let delete = async |member: &Member, path: &str| {
        server.ask("DELETE", path, &[("Authorization", &member.authorization())]).await
    };
    let changed = |reply: Reply| reply.json::<keybackup_protocol::api::Done>().changed;
    assert!(!changed(delete(&bob, &path).await), "not another account's");
    assert!(changed(delete(&alice, &path).await));
    assert!(!changed(delete(&alice, &path).await));
    assert_eq!(delete(&alice, "/sessions").await.json::<Ended>().ended, 1);
    assert_eq!(list().await.len(), 1);
    assert_eq!(get(&server, &bob, "/sessions").await.json::<Sessions>().sessions.len(), 1);
    for odd in ["/sessions/", "/sessions/12", "/sessions/zzzzzzzzzzzzzzzz"] {
        assert_eq!(delete(&alice, odd).await.status, 404, "{odd}");
    }
}
