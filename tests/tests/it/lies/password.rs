//! Lies to who changes the password: nothing of the new one is sent unless the old one and the
//! server are proven, and the old one holds until the server truly has the new one.

use keybackup_tests::{Middleman, PASSWORD, Reply, Request, Response, Server, cheap};
use serde_json::json;

use super::damage::{DAMAGE, damage_text};
use super::victim::{EMAIL, Lie, altered, lie, route};

const NEW: &str = "another quite good passphrase";

/// Tells a lie to a change, which has to fail as documented; whether `PUT /password` was sent.
#[track_caller]
fn suffers(middleman: &Middleman, lie: &Lie) -> bool {
    let logged_in = cheap::try_login(&middleman.url, EMAIL).expect("it is honest");
    middleman.take_seen();
    lie.tell(middleman);
    let changed = cheap::try_change_password(&middleman.url, EMAIL, &logged_in, PASSWORD, NEW);
    let Err(failure) = changed else { panic!("{lie}: it was believed") };
    let exit = i32::from(failure.exit().code());
    assert!(lie.exits.contains(&exit), "{lie}: exit of {:?}: {failure}", lie.exits);
    assert!(!failure.hints().is_empty() || exit == 12, "{lie}: no hint: {failure}");
    middleman.honest();
    // The old password holds.
    cheap::login(&middleman.url, EMAIL);
    middleman.take_seen().iter().any(|request| request.method == "PUT")
}

/// Holds rules 1, 4, 5, 8 and 9.
#[test]
fn nothing_of_a_new_password_goes_to_a_server_that_lies() {
    const RULES: &[u8] = &[1, 4, 5, 8, 9];
    let server = Server::start();
    cheap::register(&server.url, EMAIL);
    let middleman = Middleman::start(&server.url);
    let other = || json!("00112233445566778899aabbccddeeff");
    let account = |name: &str, alter: fn(&mut serde_json::Value)| {
        lie(name, RULES, &[13], altered(route("GET", "/account"), alter))
    };
    let start = |name: String, exits, alter: Box<dyn Fn(&mut serde_json::Value) + Send + Sync>| {
        // The login before it is another purpose's, and the truth.
        let starts_change = |request: &Request| {
            let body = String::from_utf8_lossy(&request.body);
            request.path() == "/login/start" && body.contains("change_password")
        };
        lie(name, RULES, exits, altered(starts_change, alter))
    };
    let mut lies = vec![
        lie(
            "another suite",
            RULES,
            &[13],
            altered(route("GET", "/status"), |it| {
                it["suites"] = json!([2]);
            }),
        ),
        account("generation 0", |it| it["password"]["generation"] = json!(0)),
        account("the last generation", |it| {
            it["password"]["generation"] = json!((1_u64 << 53) - 1);
        }),
        account("a generation beyond all", |it| it["password"]["generation"] = json!(u64::MAX)),
        account("no password", |it| it["password"] = json!(null)),
        lie(
            "another account",
            RULES,
            &[13],
            altered(route("GET", "/account"), move |it| {
                it["account_id"] = other();
            }),
        ),
        lie(
            "another epoch",
            RULES,
            &[13],
            altered(route("GET", "/account"), move |it| {
                it["epoch"] = other();
            }),
        ),
        start(
            "no registration response".to_owned(),
            &[13],
            Box::new(|it| {
                it.as_object_mut().expect("an object").remove("registration_response");
            }),
        ),
        start(
            "an answer of zeros".to_owned(),
            &[13],
            Box::new(|it| {
                it["registration_response"] = keybackup_protocol::B64(vec![0; 64]).to_text().into();
            }),
        ),
        start(
            "a short answer".to_owned(),
            &[13],
            Box::new(|it| {
                it["registration_response"] = keybackup_protocol::B64(vec![1; 63]).to_text().into();
            }),
        ),
    ];
    for (how, damage) in DAMAGE {
        lies.push(start(
            format!("KE2 with {how}"),
            &[12, 13],
            Box::new(move |it| {
                damage_text(&mut it["ke2"], damage);
            }),
        ));
    }
    for told in &lies {
        assert!(!suffers(&middleman, told), "{told}: something of it was sent");
    }
    for (status, code, exits) in [
        (401, "login_failed", &[12][..]),
        (401, "unauthenticated", &[4]),
        (409, "stale", &[11]),
        (410, "gone", &[10]),
        (412, "conflict", &[11]),
        (500, "internal", &[13]),
    ] {
        let refused = route("PUT", "/password");
        let told = lie(format!("{status} {code}"), RULES, exits, move |request, upstream| {
            if refused(request) {
                return Reply::Answer(Response::error(status, code));
            }
            Reply::Answer(upstream.ask(request))
        });
        assert!(suffers(&middleman, &told), "{told}: it was not sent");
    }
}
