//! Answers that send a client elsewhere: to another host, to no TLS, to another route, to a file.

use keybackup_tests::impostor::Impostor;
use keybackup_tests::{Reply, Request, Response};

use super::victim::{Victim, Which, judge, kept, lie};

const RULES: &[u8] = &[17];

/// Holds rule 17.
#[test]
fn redirects_are_not_followed() {
    let victim = Victim::new();
    let elsewhere = Impostor::saying(Response::new(200, "application/json", "{}").bytes(), false);
    let places = [
        elsewhere.url.clone(),
        elsewhere.url.replace("http://", "http://127.0.0.1@"),
        victim.server.url.clone(),
        victim.middleman.url.clone(),
        "https://192.0.2.1".to_owned(),
        "file:///etc/passwd?".to_owned(),
        "//192.0.2.1".to_owned(),
        "\\\\192.0.2.1\\".to_owned(),
        String::new(),
    ];
    for place in places {
        for status in [300, 301, 302, 303, 305, 307, 308, 399] {
            let to = place.clone();
            let told = lie(format!("{status} to {place}"), RULES, &[13], move |request, _| {
                let location = format!("{to}{}", request.target);
                let response = Response::new(status, "text/plain", "");
                Reply::Answer(response.header("location", &location).header("refresh", "0"))
            });
            let before = kept(&victim.device);
            let output = victim.told(&told, &["list"]);
            judge(&told, &output);
            let error = output.error();
            assert_eq!(error["code"], "not_keybackup", "{told}: {error}");
            assert!(error["message"].as_str().expect("text").contains("redirect"), "{error}");
            assert_eq!(victim.middleman.take_seen().len(), 1, "{told}");
            before.assert_same(&kept(&victim.device));
        }
    }
    assert_eq!(elsewhere.asked(), 0);
    victim.middleman.honest();
    victim.device.run(["verify", "--all"]).expect(0);
}

/// What carries something is not carried elsewhere: a commit, a first message, bytes.
///
/// Holds rule 17.
#[test]
fn what_is_sent_goes_to_one_place() {
    let victim = Victim::new();
    let elsewhere = Impostor::saying(Response::new(200, "application/json", "{}").bytes(), false);
    let routes: [(&str, Which, &[&str]); 4] = [
        ("a commit", Request::is_commit, &["push", "a"]),
        ("a blob", Request::is_blob, &["verify", "a"]),
        ("a first message", |it| it.path() == "/login/start", &["login", "alice@example.org"]),
        ("a status", |it| it.path() == "/status", &["login", "alice@example.org"]),
    ];
    for (name, which, arguments) in routes {
        for status in [301, 307, 308] {
            let to = elsewhere.url.clone();
            let told =
                lie(format!("{status} for {name}"), RULES, &[13], move |request, upstream| {
                    if !which(request) {
                        return Reply::Answer(upstream.ask(request));
                    }
                    let response = Response::new(status, "text/plain", "");
                    Reply::Answer(response.header("location", &format!("{to}{}", request.target)))
                });
            judge(&told, &victim.told(&told, arguments));
            victim.middleman.honest();
            victim.device.run(["verify", "--all"]).expect(0);
        }
    }
    assert_eq!(elsewhere.asked(), 0);
    // A success that names another place is a success here.
    victim.middleman.set(move |request, upstream| {
        let response = upstream.ask(request).header("location", &elsewhere.url);
        let response = response.header("refresh", &format!("0; url={}", elsewhere.url));
        Reply::Answer(response.header("set-cookie", "a=b").header("alt-svc", "h2=\":1\""))
    });
    victim.middleman.take_seen();
    victim.device.run(["verify", "--all"]).expect(0);
    let seen = victim.middleman.take_seen();
    let names: Vec<_> = seen.iter().flat_map(|it| &it.headers).map(|(name, _)| &**name).collect();
    assert!(!names.contains(&"cookie") && !names.contains(&"referer"), "{names:?}");
}
