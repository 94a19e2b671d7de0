//! A server that lies. A start: the whole suite comes later.

use std::sync::{Arc, Mutex};

use keybackup_tests::impostor::Impostor;
use keybackup_tests::{Device, Middleman, Output, PASSWORD, Reply, Response, Server, Tree, tree};
use serde_json::{Value, json};

const EMAIL: &str = "alice@example.org";

/// A device with the personas `a` and `b`, through somebody who may lie.
fn victim() -> (Server, Middleman, Device) {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    for name in ["a", "b"] {
        tree::reference(&device.persona(name), name);
    }
    device.run(["push", "--all"]).expect(0);
    (server, middleman, device)
}

/// Runs what looks at the account, expects exit 14 each time, and that nothing has changed.
#[track_caller]
fn all_refuse(device: &Device, code: &str) {
    let before = (Tree::read(&device.persona("a")), Tree::read(&device.profiles()));
    for command in [
        &["list"][..],
        &["push", "a"],
        &["pull", "a", "new"],
        &["pull", "--all", "--force"],
        &["verify", "a"],
    ] {
        let output = device.command([command, &["--json"]].concat()).run();
        let error = output.clone().expect(14).error();
        assert_eq!(error["code"], code, "{output}");
        assert!(error["hint"].is_string(), "{output}");
        assert_eq!(output.stdout.matches("\"changed\":true").count(), 0, "{output}");
    }
    assert!(!device.path("new").exists());
    before.0.assert_same(&Tree::read(&device.persona("a")));
    // The listing is a cache; all else stays as it was.
    let but_cache = |mut tree: Tree| {
        tree.0.retain(|path, _| !path.ends_with("snapshot"));
        tree
    };
    but_cache(before.1).assert_same(&but_cache(Tree::read(&device.profiles())));
}

/// Answers every listing with `lie`, applied to the honest one.
fn lie_in_listings(middleman: &Middleman, lie: impl Fn(&mut Value) + Send + Sync + 'static) {
    middleman.set(move |request, upstream| {
        if !request.is_listing() {
            return Reply::Answer(upstream.ask(request));
        }
        let mut request = request.clone();
        request.headers.retain(|(name, _)| name != "if-none-match");
        let mut response = upstream.ask(&request);
        let mut listing = response.json();
        lie(&mut listing);
        response.headers.retain(|(name, _)| name != "content-length" && name != "etag");
        response.body = serde_json::to_vec(&listing).expect("JSON");
        Reply::Answer(response)
    });
}

/// What an honest server lists now.
fn listing(middleman: &Middleman, device: &Device) -> Value {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    lie_in_listings(middleman, move |listing| {
        *keep.lock().expect("held briefly") = Some(listing.clone());
    });
    device.run(["list"]).expect(0);
    middleman.honest();
    let listing = kept.lock().expect("held briefly").take();
    listing.expect("it was asked for")
}

#[test]
fn yesterday_is_not_today() {
    let (_server, middleman, device) = victim();
    let yesterday = listing(&middleman, &device);
    tree::put(&device.persona("a").join("new"), b"new", 0o600, std::time::Duration::from_secs(1));
    assert_eq!(device.one(["push", "a"])["version"], 2);

    // All of it.
    let old = yesterday.clone();
    lie_in_listings(&middleman, move |listing| *listing = old.clone());
    all_refuse(&device, "rollback");
    // One persona alone, under today's index; and today's personas under yesterday's index.
    let old = yesterday.clone();
    lie_in_listings(&middleman, move |listing| listing["personas"] = old["personas"].clone());
    all_refuse(&device, "rollback");
    let old = yesterday;
    lie_in_listings(&middleman, move |listing| listing["index"] = old["index"].clone());
    all_refuse(&device, "rollback");

    // A device that is new knows nothing of yesterday, but index and labels have to agree.
    middleman.honest();
    let fresh = Device::logged_in(&middleman.url, EMAIL);
    lie_in_listings(&middleman, |listing| {
        listing["personas"].as_array_mut().expect("a list").pop();
    });
    fresh.run(["list"]).expect(14);
    middleman.honest();
    fresh.run(["pull", "--all"]).expect(0);
    device.run(["verify", "--all"]).expect(0);
}

#[test]
fn nothing_is_dropped_swapped_or_forged() {
    let (_server, middleman, device) = victim();
    lie_in_listings(&middleman, |listing| {
        listing["personas"].as_array_mut().expect("a list").remove(0);
    });
    all_refuse(&device, "rollback");
    lie_in_listings(&middleman, |listing| {
        let personas = listing["personas"].as_array_mut().expect("a list");
        let label = personas[0]["label"].clone();
        personas[0]["label"] = personas[1]["label"].clone();
        personas[1]["label"] = label;
    });
    all_refuse(&device, "integrity");
    lie_in_listings(&middleman, |listing| {
        let label = listing["personas"][0]["label"].as_str().expect("text").to_owned();
        let last = label.len() - 5;
        let other = if &label[last..=last] == "A" { "B" } else { "A" };
        listing["personas"][0]["label"] =
            format!("{}{other}{}", &label[..last], &label[last + 1..]).into();
    });
    all_refuse(&device, "integrity");
    lie_in_listings(&middleman, |listing| {
        listing["index"]["counter"] =
            json!(listing["index"]["counter"].as_u64().expect("a number") + 1);
    });
    all_refuse(&device, "integrity");
    lie_in_listings(&middleman, |listing| {
        listing["epoch"] = "00112233445566778899aabbccddeeff".into();
    });
    all_refuse(&device, "rollback");
    lie_in_listings(&middleman, |listing| {
        listing["keyring_version"] = json!(2);
    });
    for command in [&["list"][..], &["push", "--all"], &["pull", "--all", "--force"]] {
        let output = device.command(command).arg("--json").run();
        assert!(matches!(output.code, 13 | 14), "{output}");
    }
    middleman.honest();
    device.run(["verify", "--all"]).expect(0);
}

/// Pulls of `a` with blobs as `lie` makes them: 14, or 13 where it may be a broken line.
#[track_caller]
fn pull_refuses(device: &Device, codes: &[i32]) {
    for command in [
        &["pull", "a", "new"][..],
        &["pull", "a", "--zip", "new.zip"],
        &["verify", "a"],
        &["cat", "a", "persona.json"],
    ] {
        let output: Output = device.command([command, &["--json"]].concat()).run();
        assert!(codes.contains(&output.code), "{output}");
        output.error();
        assert_eq!(output.stdout.matches("content_base64").count(), 0, "{output}");
        assert!(!device.path("new").exists() && !device.path("new.zip").exists());
        assert_eq!(device.leftovers(&device.path("new")), [""; 0]);
    }
}

#[test]
fn bytes_are_those_that_were_pushed() {
    let (_server, middleman, device) = victim();
    let ids: Vec<String> = device.json(["list"])["personas"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|persona| persona["id"].as_str().expect("an id").to_owned())
        .collect();
    // Those of another persona.
    middleman.set(move |request, upstream| {
        let mut request = request.clone();
        if request.is_blob() {
            request.target = request.target.replace(&ids[0], &ids[1]);
        }
        Reply::Answer(upstream.ask(&request))
    });
    pull_refuses(&device, &[14]);
    // One bit, in every part; and less, or more.
    let altered = |alter: fn(&mut Vec<u8>)| {
        middleman.alter(move |request, response| {
            if request.is_blob() && response.status < 300 {
                alter(&mut response.body);
                response.headers.retain(|(name, _)| name != "content-length");
            }
        });
    };
    for alter in [
        (|body| body[0] ^= 1) as fn(&mut Vec<u8>),
        |body| body[20] ^= 1,
        |body| {
            let middle = body.len() / 2;
            body[middle] ^= 0x80;
        },
        |body| *body.last_mut().expect("not empty") ^= 1,
    ] {
        altered(alter);
        pull_refuses(&device, &[14]);
    }
    altered(|body| body.truncate(body.len() - 1));
    pull_refuses(&device, &[13, 14]);
    altered(|body| body.push(0));
    pull_refuses(&device, &[13, 14]);
    altered(Vec::clear);
    pull_refuses(&device, &[13, 14]);
    // Announced whole, and cut.
    middleman.set(|request, upstream| {
        let response = upstream.ask(request);
        if !request.is_blob() {
            return Reply::Answer(response);
        }
        let bytes = response.bytes();
        Reply::Raw(bytes[..bytes.len() - 100].to_vec())
    });
    pull_refuses(&device, &[13]);
    middleman.honest();
    device.run(["pull", "a", "new"]).expect(0);
}

#[test]
fn no_answer_erases_what_a_device_knows() {
    let (_server, middleman, device) = victim();
    let before = Tree::read(&device.profiles());
    for (status, code, exit) in [
        (401, "unauthenticated", 4),
        (403, "forbidden", 4),
        (404, "not_found", 13),
        (409, "stale", 11),
        (410, "gone", 10),
        (413, "too_large", 1),
        (429, "too_many", 13),
        (500, "internal", 13),
        (503, "unavailable", 13),
        (507, "full", 1),
        (418, "\\u001b[31mnonsense", 13),
    ] {
        middleman.set(move |_, _| Reply::Answer(Response::error(status, code)));
        for command in [&["list"][..], &["push", "a", "--force"], &["pull", "a", "new"]] {
            let output = device.command(command).run();
            assert_eq!(output.code, exit, "{status} {code}: {output}");
            assert!(!output.stderr.contains('\x1b'), "{output}");
        }
        before.assert_same(&Tree::read(&device.profiles()));
    }
    // A login that is answered with another account, or with nothing to open.
    middleman.alter(|request, response| {
        if request.path() == "/login/finish" {
            let mut answer = response.json();
            answer["slots"] = json!([]);
            response.body = serde_json::to_vec(&answer).expect("JSON");
            response.headers.retain(|(name, _)| name != "content-length");
        }
    });
    device.login(EMAIL, PASSWORD).expect(14);
    before.assert_same(&Tree::read(&device.profiles()));
    middleman.honest();
    device.run(["verify", "--all"]).expect(0);
}

#[test]
fn redirects_are_not_followed() {
    let (server, middleman, device) = victim();
    let elsewhere = Impostor::saying(Response::new(200, "application/json", "{}").bytes(), false);
    for target in [elsewhere.url.clone(), server.url.clone()] {
        for status in [301, 302, 303, 307, 308] {
            let to = target.clone();
            middleman.set(move |request, _| {
                let location = format!("{to}{}", request.target);
                Reply::Answer(Response::new(status, "text/plain", "").header("location", &location))
            });
            let error = device.command(["list", "--json"]).run().expect(13).error();
            assert_eq!(error["code"], "not_keybackup", "{error}");
            assert!(error["message"].as_str().expect("text").contains("redirect"), "{error}");
        }
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let (_server, middleman, device) = victim();
    middleman.set(|request, upstream| {
        if request.is_blob() {
            let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
            return Reply::Endless(head, vec![0; 64 * 1024]);
        }
        Reply::Answer(upstream.ask(request))
    });
    let output = device.command(["pull", "a", "new", "--json"]).measured();
    assert!(matches!(output.code, 13 | 14), "{output}");
    assert!(output.peak_kib < 64 * 1024, "{} KiB", output.peak_kib);
    assert!(!device.path("new").exists());
}
