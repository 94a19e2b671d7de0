//! Answers to a login whose password was proven: every object of them swapped and damaged, other
//! accounts and epochs, missing slots and keyrings, and sessions that are none. The library logs
//! in here, with a key stretching that costs nothing; `programs.rs` has the program do it.

use keybackup::keys::BlobType;
use keybackup::records::{Digest, Kind, Label};
use keybackup::seal::BlobWriter;
use keybackup_protocol::{B64, DeviceId, PersonaId};
use keybackup_tests::{Middleman, Reply, Request, Response, Server, cheap};
use opaque_ke::rand::rngs::OsRng;
use serde_json::{Value, json};

use super::damage::{DAMAGE, damage_text};
use super::victim::{EMAIL, Lie, altered, lie, route};

const RULES: &[u8] = &[4, 5, 7, 8, 9];

/// An account of the library's.
pub(super) struct Account {
    pub(super) server: Server,
    pub(super) middleman: Middleman,
}

impl Account {
    pub(super) fn new() -> Self {
        let server = Server::start();
        cheap::register(&server.url, EMAIL);
        Self { middleman: Middleman::start(&server.url), server }
    }

    /// Tells a lie to a login, which has to fail as documented and send nothing after it. Answers
    /// what was sent.
    #[track_caller]
    pub(super) fn suffers(&self, lie: &Lie) -> Vec<Request> {
        self.middleman.take_seen();
        lie.tell(&self.middleman);
        let Err(failure) = cheap::try_login(&self.middleman.url, EMAIL) else {
            panic!("{lie}: it was believed");
        };
        let exit = i32::from(failure.exit().code());
        assert!(lie.exits.contains(&exit), "{lie}: exit of {:?}: {failure}", lie.exits);
        assert!(!failure.hints().is_empty() || exit == 12, "{lie}: no hint: {failure}");
        let seen = self.middleman.take_seen();
        let expected = ["/status", "/login/start", "/login/finish"];
        let paths: Vec<_> = seen.iter().map(Request::path).collect();
        assert!(expected.starts_with(&paths), "{lie}: {paths:?}");
        seen
    }

    /// Honest again: it opens.
    pub(super) fn opens(&self) {
        self.middleman.honest();
        cheap::login(&self.middleman.url, EMAIL);
    }
}

/// A lie in the answer to the last message.
fn finished(
    name: impl Into<String>,
    exits: &'static [i32],
    alter: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Lie {
    lie(name, RULES, exits, altered(route("POST", "/login/finish"), alter))
}

fn slot<'a>(answer: &'a mut Value, kind: &str) -> &'a mut Value {
    let slots = answer["slots"].as_array_mut().expect("a list");
    slots.iter_mut().find(|slot| slot["kind"] == kind).expect("there is one")
}

/// Where a sealed object stands in the answer.
type Place = (&'static str, fn(&mut Value) -> &mut Value);

const PLACES: [Place; 3] = [
    ("the password slot", |answer| &mut slot(answer, "password")["sealed"]),
    ("the recovery slot", |answer| &mut slot(answer, "recovery")["sealed"]),
    ("the keyring", |answer| &mut answer["keyring"]["sealed"]),
];

/// Damage to a recovery slot that only its phrase shows.
const ONLY_WITH_THE_PHRASE: [&str; 5] = [
    "another nonce",
    "another commitment",
    "a commitment of zeros",
    "another first byte",
    "another tag",
];

/// One of everything sealed in the account, as text.
fn objects(account: &Account) -> Vec<(&'static str, Value)> {
    let (sender, answers) = std::sync::mpsc::channel();
    account.middleman.alter(move |request, response| {
        if request.path() == "/login/finish" {
            sender.send(response.json()).expect("it is waited for");
        }
    });
    let logged_in = cheap::try_login(&account.middleman.url, EMAIL).expect("it is true");
    let mut answer = answers.recv().expect("it was sent");
    let ask = |target| {
        let request = Request::new("GET", target).bearer(logged_in.grant.token.expose());
        request.send(account.server.address()).expect("it is there").json()
    };
    let (keyring, persona) = (&logged_in.keyring, PersonaId::from_bytes([9; 16]));
    // As the account's own device would seal them: a server that has such serves them here.
    let label = Label {
        kind: Kind::Directory,
        name: "a".parse().expect("a name"),
        nickname: None,
        version: 2,
        content_version: None,
        removed: true,
        content: None,
        device: DeviceId::from_bytes([7; 16]),
        time: 0,
        previous: Some(Digest::of(b"the one before")),
        keyring_version: 1,
        supersedes: Vec::new(),
    };
    let label = label.seal(&mut OsRng, keyring, logged_in.account, persona).expect("sealed");
    let key = keyring.active_persona_key(persona);
    let kind = BlobType::Directory;
    let blob = BlobWriter::create(&mut OsRng, &key, kind, logged_in.account, 1, Vec::new());
    let (blob, _) = blob.expect("begun").finish().expect("sealed");
    let mut objects: Vec<_> =
        PLACES.iter().map(|(name, place)| (*name, place(&mut answer).clone())).collect();
    objects.extend([
        ("the index", ask("/personas")["index"]["sealed"].clone()),
        ("the device record", ask("/devices")["devices"][0]["sealed"].clone()),
        ("a label", B64(label.bytes).to_text().into()),
        ("the head of a blob", B64(blob[..342].to_vec()).to_text().into()),
    ]);
    objects
}

/// Holds rules 4, 5, 7, 8 and 9.
#[test]
fn every_object_in_place_of_every_other_in_a_login() {
    let account = Account::new();
    let objects = objects(&account);
    for (name, place) in PLACES {
        for (object, sealed) in &objects {
            if *object != name {
                let sealed = sealed.clone();
                account.suffers(&finished(format!("{object} for {name}"), &[14], move |answer| {
                    *place(answer) = sealed.clone();
                }));
            }
        }
    }
    account.opens();
}

/// Of a recovery slot only the shape can be seen without the phrase; a device that has one keeps
/// its own (`guards.rs`).
///
/// Holds rules 4, 5, 7, 8 and 9.
#[test]
fn every_object_of_a_login_damaged() {
    let account = Account::new();
    for (name, place) in PLACES {
        for (how, damage) in DAMAGE {
            if name == "the recovery slot" && ONLY_WITH_THE_PHRASE.contains(&how) {
                continue;
            }
            account.suffers(&finished(format!("{name} with {how}"), &[14], move |answer| {
                damage_text(place(answer), damage);
            }));
        }
    }
    account.opens();
}

/// Holds rules 4, 5, 7, 8 and 9.
#[test]
fn other_accounts_other_epochs_and_what_is_missing() {
    let account = Account::new();
    let other = || json!("00112233445566778899aabbccddeeff");
    let lies = [
        finished("another account", &[14], move |it| it["account_id"] = other()),
        finished("another epoch", &[14], move |it| it["epoch"] = other()),
        finished("account and epoch exchanged", &[14], |it| {
            let (account, epoch) = (it["account_id"].clone(), it["epoch"].clone());
            (it["account_id"], it["epoch"]) = (epoch, account);
        }),
        finished("no slots", &[14], |it| it["slots"] = json!([])),
        finished("no password slot", &[14], |it| {
            *slot(it, "password") = slot(it, "recovery").clone();
        }),
        finished("no recovery slot", &[14], |it| {
            *slot(it, "recovery") = slot(it, "password").clone();
        }),
        finished("the slots exchanged", &[14], |it| {
            let password = slot(it, "password")["sealed"].clone();
            let recovery = slot(it, "recovery")["sealed"].clone();
            slot(it, "password")["sealed"] = recovery;
            slot(it, "recovery")["sealed"] = password;
        }),
        finished("a slot of a kind that is none", &[13], |it| {
            slot(it, "password")["kind"] = "token".into();
        }),
        finished("an earlier generation", &[14], |it| {
            slot(it, "password")["generation"] = json!(0);
        }),
        finished("a later generation", &[14], |it| slot(it, "password")["generation"] = json!(2)),
        finished("no keyring", &[13], |it| drop(it.as_object_mut().map(|it| it.remove("keyring")))),
        finished("a keyring that is null", &[13], |it| it["keyring"] = Value::Null),
        finished("keyring version 0", &[14], |it| it["keyring"]["version"] = json!(0)),
        finished("a later keyring version", &[14], |it| it["keyring"]["version"] = json!(2)),
        finished("a keyring version beyond all others", &[14], |it| {
            it["keyring"]["version"] = json!(u64::MAX);
        }),
        finished("no session", &[13], |it| it["session"] = Value::Null),
        finished("a token without its prefix", &[13], |it| token(it, |it| it[3..].to_owned())),
        finished("a token of another kind", &[13], |it| {
            token(it, |it| it.replacen("kb_", "kbd_", 1));
        }),
        finished("a token with a line break", &[13], |it| token(it, |it| format!("{it}\r\nx: y"))),
        finished("a token with a line break inside", &[13], |it| {
            token(it, |it| format!("{}\n{}", &it[..20], &it[21..]));
        }),
        finished("an empty token", &[13], |it| token(it, |_| String::new())),
        finished("a long token", &[13], |it| token(it, |it| it.repeat(9))),
        finished("a cookie with a line break", &[13], |it| {
            it["session"]["device_cookie"] = "kbd_\r\nset-cookie: x".into();
        }),
        finished("an end of time", &[13], |it| it["session"]["expires_at"] = json!(u64::MAX)),
        finished("an end that is a text", &[13], |it| it["session"]["expires_at"] = "soon".into()),
    ];
    for told in lies {
        account.suffers(&told);
    }
    // The first of a kind counts: nothing is tried until something opens.
    let twice = finished("a damaged slot before the true one", &[14], |it| {
        let mut damaged = slot(it, "password").clone();
        damage_text(&mut damaged["sealed"], |bytes| bytes[90] ^= 1);
        it["slots"].as_array_mut().expect("a list").insert(0, damaged);
    });
    account.suffers(&twice);
    account.opens();
}

fn token(answer: &mut Value, alter: impl FnOnce(&str) -> String) {
    let token = &mut answer["session"]["token"];
    *token = alter(token.as_str().expect("text")).into();
}

/// Holds rules 4 and 5.
#[test]
fn a_login_that_is_refused_is_no_reason_to_say_more() {
    const RULES: &[u8] = &[4, 5];
    let account = Account::new();
    for path in ["/login/start", "/login/finish"] {
        for (status, code, exits) in [
            (401, "login_failed", &[12][..]),
            (401, "unauthenticated", &[4]),
            (403, "forbidden", &[4]),
            (404, "not_found", &[13]),
            (409, "taken", &[11]),
            (410, "gone", &[10]),
            (429, "too_many", &[13]),
            (500, "internal", &[13]),
            (503, "unavailable", &[13]),
        ] {
            let told =
                lie(format!("{status} {code} at {path}"), RULES, exits, move |it, upstream| {
                    if it.path() == path {
                        return Reply::Answer(Response::error(status, code));
                    }
                    Reply::Answer(upstream.ask(it))
                });
            let seen = account.suffers(&told);
            assert_eq!(seen.last().map(Request::path), Some(path), "{told}");
        }
    }
    account.opens();
}
