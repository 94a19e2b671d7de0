//! What an owner is granted, asked for in the very same words by everybody else: who has no session
//! that holds, another account, and sessions of an epoch that is not the current one. The matrix has
//! all endpoints, and asks without bodies; here nothing but who asks decides.

use super::world::World;

/// The owner's status; of who has no session that holds; of another account's session; of one of an
/// epoch that is not the current one.
type Statuses = [u16; 4];

/// A method, a path as the router's log has it, and what is answered. `GET` stands for `HEAD`, too.
type Row = (&'static str, &'static str, Statuses);

const ROWS: [Row; 23] = [
    // Reading: another account sees what is its own, and nothing of this one.
    ("GET", "/account", [200, 401, 200, 200]),
    ("GET", "/keyring", [200, 401, 200, 200]),
    ("GET", "/epochs", [200, 401, 200, 200]),
    ("GET", "/devices", [200, 401, 200, 200]),
    ("GET", "/sessions", [200, 401, 200, 409]),
    ("GET", "/personas", [200, 401, 200, 200]),
    ("GET", "/personas/<id>", [200, 401, 410, 409]),
    ("GET", "/personas/<id>/labels", [200, 401, 410, 200]),
    // Changing.
    ("POST", "/personas/<id>", [200, 401, 409, 409]),
    ("DELETE", "/personas/<id>", [200, 401, 200, 409]),
    ("POST", "/personas/<id>/purge", [200, 401, 401, 409]),
    ("POST", "/uploads", [201, 401, 201, 409]),
    ("HEAD", "/uploads/<id>", [200, 401, 410, 409]),
    ("PATCH", "/uploads/<id>", [204, 401, 410, 409]),
    ("DELETE", "/uploads/<id>", [204, 401, 410, 409]),
    ("PUT", "/devices/<id>", [200, 401, 410, 409]),
    // Anybody may begin to move to an address that is nobody's.
    ("POST", "/account/email/start", [200, 401, 200, 409]),
    ("PUT", "/password", [200, 401, 401, 409]),
    ("PUT", "/recovery", [200, 401, 401, 409]),
    ("DELETE", "/account", [200, 401, 401, 409]),
    ("DELETE", "/sessions/<id>", [200, 401, 200, 409]),
    ("DELETE", "/sessions", [200, 401, 200, 409]),
    LAST,
];

/// It ends the session that asks.
const LAST: Row = ("DELETE", "/session", [200, 401, 200, 200]);

const fn methods(method: &'static str) -> &'static [&'static str] {
    match method.as_bytes() {
        b"GET" => &["GET", "HEAD"],
        b"POST" => &["POST"],
        b"PUT" => &["PUT"],
        b"HEAD" => &["HEAD"],
        b"PATCH" => &["PATCH"],
        _ => &["DELETE"],
    }
}

/// So what else is asked for in the same words was refused for who asked.
///
/// Holds rule 33.
#[tokio::test]
async fn the_owner_is_granted_what_the_others_are_not() {
    let mut world = World::make().await;
    for (method, path, [owner, ..]) in ROWS {
        // What was granted may have used something up.
        if method != "GET" {
            world = World::make().await;
        }
        for method in methods(method) {
            let shown = world.owner.clone();
            let reply = world.ask(method, path, Some(&shown)).await;
            assert_eq!(reply.status, owner, "{method} {path}: {}", reply.text());
        }
    }
}

/// Holds rules 24 and 33.
#[tokio::test]
async fn who_has_no_session_that_holds_is_told_nothing() {
    let world = World::make().await;
    let before = world.rows();
    for (method, path, [_, expected, ..]) in ROWS {
        for method in methods(method) {
            let mut bodies = Vec::new();
            for (who, shown) in &world.without {
                let reply = world.ask(method, path, shown.as_deref()).await;
                assert_eq!(reply.status, expected, "{who}: {method} {path}: {}", reply.text());
                for name in ["etag", "keybackup-epoch", "keybackup-keyring"] {
                    assert!(reply.header(name).is_none(), "{who}: {method} {path}: {name}");
                }
                bodies.push(reply.body);
            }
            assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{method} {path}");
        }
    }
    assert_eq!(world.rows(), before);
}

/// Holds rule 33.
#[tokio::test]
async fn another_accounts_session_is_one_of_another_account() {
    let world = World::make().await;
    let before = world.rows();
    for (method, path, [_, _, expected, _]) in ROWS {
        for method in methods(method) {
            let reply = world.ask(method, path, Some(&world.another)).await;
            assert_eq!(reply.status, expected, "{method} {path}: {}", reply.text());
            for secret in world.traces() {
                assert!(!reply.text().contains(&secret), "{method} {path} tells {secret}");
            }
        }
    }
    assert_eq!(world.rows(), before);
}

/// A session of before a reset, and one that a login into an older epoch opened: they read, and
/// change nothing.
///
/// Holds rule 33.
#[tokio::test]
async fn a_session_of_an_older_epoch_changes_nothing() {
    let world = World::make().await;
    let was_there = world.owner.clone();
    world.begin_another_epoch();
    let came_later = world.log_in_to_the_first_epoch().await;
    let before = world.rows();
    for (method, path, [.., expected]) in ROWS {
        if (method, path) == (LAST.0, LAST.1) {
            assert_eq!(world.rows(), before);
        }
        for method in methods(method) {
            for (who, shown) in [("was there", &was_there), ("came later", &came_later)] {
                let reply = world.ask(method, path, Some(shown)).await;
                assert_eq!(reply.status, expected, "{who}: {method} {path}: {}", reply.text());
                if expected == 409 && *method != "HEAD" {
                    assert_eq!(reply.code(), "stale", "{who}: {method} {path}");
                }
            }
        }
    }
}
