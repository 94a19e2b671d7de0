//! OPAQUE messages that are another account's, none at all, or the client's own.

use keybackup_protocol::B64;
use keybackup_tests::{Reply, Request, Response, cheap};
use serde_json::{Value, json};

use super::login::Account;
use super::victim::{EMAIL, Lie, altered, lie, route};

const RULES: &[u8] = &[5, 6];

/// A lie in KE2.
fn ke2(
    name: impl Into<String>,
    exits: &'static [i32],
    alter: impl Fn(&mut Vec<u8>) + Send + Sync + 'static,
) -> Lie {
    lie(
        name,
        RULES,
        exits,
        altered(route("POST", "/login/start"), move |answer: &mut Value| {
            let mut bytes =
                B64::from_text(answer["ke2"].as_str().expect("text")).expect("base64").0;
            alter(&mut bytes);
            answer["ke2"] = B64(bytes).to_text().into();
        }),
    )
}

/// Holds rules 5 and 6.
#[test]
fn a_server_that_can_not_prove_itself_learns_nothing() {
    let account = Account::new();
    cheap::register(&account.server.url, "mallory@example.org");
    let lies = [
        ke2("all zeros", &[12, 13], |bytes| bytes.fill(0)),
        ke2("all ones", &[12, 13], |bytes| bytes.fill(0xff)),
        ke2("nothing", &[13], Vec::clear),
        ke2("a byte less", &[13], |bytes| bytes.truncate(319)),
        ke2("a byte more", &[13], |bytes| bytes.push(0)),
        ke2("the evaluated element of nothing", &[12, 13], |bytes| bytes[..32].fill(0)),
        ke2("another evaluated element", &[12, 13], |bytes| bytes[0] ^= 2),
        ke2("another nonce for the mask", &[12, 13], |bytes| bytes[32] ^= 1),
        ke2("another masked answer", &[12, 13], |bytes| bytes[64] ^= 1),
        ke2("another server nonce", &[12], |bytes| bytes[192] ^= 1),
        ke2("another server key share", &[12, 13], |bytes| bytes[224] ^= 2),
        ke2("another MAC", &[12], |bytes| bytes[319] ^= 1),
        ke2("a MAC of zeros", &[12], |bytes| bytes[256..].fill(0)),
        lie("an account of somebody else", RULES, &[12], |request, upstream| {
            Reply::Answer(upstream.ask(&for_another(request)))
        }),
        lie("the client's own message", RULES, &[12, 13], |request, upstream| {
            let mut response = upstream.ask(request);
            if request.path() == "/login/start" {
                // As much of KE2 as KE1 has counterparts for: blinded element, nonce, key share.
                let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
                let ke1 = B64::from_text(sent["ke1"].as_str().expect("text")).expect("base64").0;
                let mut answer = response.json();
                let mut bytes =
                    B64::from_text(answer["ke2"].as_str().expect("text")).expect("base64").0;
                bytes[..32].copy_from_slice(&ke1[..32]);
                bytes[192..256].copy_from_slice(&ke1[32..]);
                answer["ke2"] = B64(bytes).to_text().into();
                response = Response::new(200, "application/json", answer.to_string());
            }
            Reply::Answer(response)
        }),
        lie("the client's own message as it was", RULES, &[13], |request, upstream| {
            if request.path() == "/login/start" {
                let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
                let body = json!({"ke2": sent["ke1"], "ticket": "t"}).to_string();
                return Reply::Answer(Response::new(200, "application/json", body));
            }
            Reply::Answer(upstream.ask(request))
        }),
    ];
    for told in lies {
        let seen = account.suffers(&told);
        // KE3 would tell whether a guess is right; without a proof of the server there is none.
        assert_eq!(seen.last().map(Request::path), Some("/login/start"), "{told}");
    }
    account.opens();
}

/// The same request, for the account of mallory.
fn for_another(request: &Request) -> Request {
    let mut request = request.clone();
    if request.path() == "/login/start" {
        let mut body: Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!(body["email"], EMAIL);
        body["email"] = "mallory@example.org".into();
        request.body = body.to_string().into_bytes();
        // A server that lies takes no hash of the client's to heart.
        let told = ["content-length", "keybackup-json-hash"];
        request.headers.retain(|(name, _)| !told.contains(&name.as_str()));
    }
    request
}
