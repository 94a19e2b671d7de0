//! Lies to who registers: an answer that is none must leave no half account behind on the device,
//! and keep the phrase that may be needed after all.

use keybackup_protocol::B64;
use keybackup_tests::{Device, Middleman, PASSWORD, Reply, Request, Response, Server, cheap};
use serde_json::{Value, json};

use super::victim::{EMAIL, Lie, altered, lie, route};

const RULES: &[u8] = &[5, 6, 7];

fn started(name: &'static str, exits: &'static [i32], alter: fn(&mut Vec<u8>)) -> Lie {
    let hook = altered(route("POST", "/accounts/start"), move |answer: &mut Value| {
        let field = &mut answer["registration_response"];
        let mut bytes = B64::from_text(field.as_str().expect("text")).expect("base64").0;
        alter(&mut bytes);
        *field = B64(bytes).to_text().into();
    });
    lie(name, RULES, exits, hook)
}

fn finished(name: &'static str, exits: &'static [i32], say: fn() -> Response) -> Lie {
    lie(name, RULES, exits, move |request, upstream| {
        Reply::Answer(match request.path() {
            "/accounts" => say(),
            _ => upstream.ask(request),
        })
    })
}

/// Holds rules 5, 6 and 7.
#[test]
fn a_registration_that_is_answered_with_nonsense() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let grant = |token: &str| json!({"session": {"token": token, "expires_at": 1, "idle_ttl_s": 1, "device_cookie": "x"}});
    let broken = grant("no token").to_string();
    let lies = [
        started("zeros", &[13], |bytes| bytes.fill(0)),
        started("nothing", &[13], Vec::clear),
        started("a byte more", &[13], |bytes| bytes.push(0)),
        started("no group element", &[13], |bytes| bytes[..32].fill(0xff)),
        started("no server key", &[13], |bytes| bytes[32..].fill(0)),
        finished("a success that says nothing", &[13], || Response::new(200, "text/plain", "")),
        finished("a page", &[13], || Response::new(200, "text/html", "<h1>Welcome</h1>")),
        finished("a failure", &[13], || Response::error(500, "internal")),
        finished("an address that is taken by now", &[11], || Response::error(409, "taken")),
        finished("a ticket that is forgotten", &[13], || Response::error(409, "ticket_refused")),
        finished("a registration that closed", &[4], || {
            Response::error(403, "registration_refused")
        }),
        lie("a session that is none", RULES, &[13], move |request, upstream| {
            let body = broken.clone();
            Reply::Answer(match request.path() {
                "/accounts" => Response::new(200, "application/json", body),
                _ => upstream.ask(request),
            })
        }),
    ];
    for told in lies {
        middleman.take_seen();
        told.tell(&middleman);
        let Err(failure) = cheap::try_register(&middleman.url, EMAIL) else {
            panic!("{told}: it was believed");
        };
        let exit = i32::from(failure.exit().code());
        assert!(told.exits.contains(&exit), "{told}: exit of {:?}: {failure}", told.exits);
        // What is sent again is the same: one account comes of it, or none.
        let seen = middleman.take_seen();
        let finishes: Vec<_> = seen.iter().filter(|it| it.path() == "/accounts").collect();
        assert!(finishes.windows(2).all(|pair| pair[0].body == pair[1].body), "{told}");
        assert!(finishes.len() <= 3, "{told}");
    }
    assert_eq!(server.sql("SELECT COUNT(*) FROM accounts").trim(), "0");
}

/// The program leaves no profile behind, and the phrase was shown before.
///
/// Holds rule 7.
#[test]
fn a_registration_in_doubt_leaves_the_phrase_and_no_profile() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::new(&middleman.url);
    middleman.set(|request: &Request, upstream| {
        let response = upstream.ask(request);
        Reply::Answer(match request.path() {
            "/accounts" => Response::new(200, "text/html", "<h1>Welcome</h1>"),
            _ => response,
        })
    });
    let output = device.command(["register", EMAIL, "--json"]).password(PASSWORD).run().expect(13);
    let phrase = output.json()["recovery_phrase"].as_str().expect("text").to_owned();
    assert_eq!(phrase.split(' ').count(), 12);
    assert!(output.error()["hint"].as_str().expect("text").contains("keep the recovery phrase"));
    assert!(!device.profiles().join("default/profile.json").exists());
    // It was made: who looks finds it.
    middleman.honest();
    device.login(EMAIL, PASSWORD).expect(0);
    device.run(["list"]).expect(0);
}
