//! No server, or something that is none: a clear error, exit 13, bounded memory, and nothing of
//! the person's travels.

use keybackup_tests::impostor::Impostor;
use keybackup_tests::port::Port;
use keybackup_tests::{Device, Middleman, PASSWORD, Reply, Request, Response, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";
/// What a client may take while something feeds it without end.
const BOUND_KIB: u64 = 64 * 1024;

fn ok(content_type: &str, body: &str) -> Vec<u8> {
    Response::new(200, content_type, body).bytes()
}

/// What answers, by name.
fn strange_answers() -> Vec<(&'static str, Vec<u8>, bool)> {
    let html = "<!doctype html><title>Welcome to nginx!</title>";
    let status = |protocols: &str, suites: &str| {
        format!(
            r#"{{"service":"keybackup","version":"9","protocols":{protocols},"suites":{suites},"registration":"open","limits":{{"inline_blob_bytes":1,"blob_bytes":1,"quota_bytes":1,"personas":1}}}}"#
        )
    };
    vec![
        ("a web page", ok("text/html", html), false),
        ("a page that is not found", Response::new(404, "text/html", html).bytes(), false),
        ("another JSON service", ok("application/json", r#"{"service":"other"}"#), false),
        ("nothing", Vec::new(), false),
        ("an empty answer", ok("application/json", ""), false),
        ("what is no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), false),
        (
            "a redirect",
            Response::new(302, "text/plain", "").header("location", "http://127.0.0.1:9/").bytes(),
            false,
        ),
        ("a proxy's failure", Response::new(502, "text/html", html).bytes(), false),
        (
            "a body without end",
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"service\":\"".to_vec(),
            true,
        ),
        ("headers without end", b"HTTP/1.1 200 OK\r\nx: ".to_vec(), true),
        (
            "a body that ends early",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{}".to_vec(),
            false,
        ),
        ("another protocol", ok("application/json", &status("[2,3]", "[1]")), false),
        ("another suite", ok("application/json", &status("[1]", "[9]")), false),
    ]
}

/// Holds rules 1 and 17.
#[test]
fn logging_in_to_what_is_no_server() {
    for (what, answer, endless) in strange_answers() {
        let impostor = Impostor::saying(answer, endless);
        let device = Device::new(&impostor.url);
        let output = device.command(["login", EMAIL, "--json"]).password(PASSWORD).measured();
        let error = output.clone().expect(13).error();
        let code = error["code"].as_str().expect("a slug");
        let expected = match what {
            "another protocol" | "another suite" => ["protocol"; 3],
            _ => ["not_keybackup", "network", "server"],
        };
        assert!(expected.contains(&code), "{what}: {error}");
        assert!(error["hint"].is_string(), "{what}: {error}");
        assert!(output.peak_kib < BOUND_KIB, "{what}: {} KiB", output.peak_kib);
        // One look at /status, and nothing that comes from the password.
        assert_eq!(impostor.asked(), 1, "{what}");
        assert!(!device.profiles().join("default/profile.json").exists(), "{what}");
    }
}

#[test]
fn no_server_at_all() {
    let nobody = Port::reserve();
    let device = Device::new(&nobody.url());
    for command in ["login", "register"] {
        let output = device.command([command, EMAIL, "--json"]).password(PASSWORD).run().expect(13);
        let error = output.error();
        assert_eq!(error["code"], "network");
        assert!(error["hint"].as_str().expect("a hint").contains("keybackup doctor"), "{error}");
        assert_eq!(output.stdout, "");
    }
    // A status without a server is still a status.
    let status = device.json(["status"]);
    assert_eq!(status["server"]["reachable"], false);
    assert_eq!(status["server"]["error"]["exit"], 13);
    device.run(["doctor"]).expect(1);
}

/// Holds rules 7 and 17.
#[test]
fn a_server_that_becomes_something_else() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    let profile = Tree::read(&device.profiles());
    tree::put(
        &device.persona("work").join("new"),
        b"new",
        0o600,
        std::time::Duration::from_secs(1),
    );
    for (what, answer, endless) in strange_answers() {
        middleman.set(move |_, _| {
            if endless {
                Reply::Endless(answer.clone(), vec![b' '; 64 * 1024])
            } else {
                Reply::Raw(answer.clone())
            }
        });
        for command in [&["push"][..], &["pull", "work", "elsewhere"], &["list"]] {
            // A listing may be long, so its bound is: see the next test.
            if what == "a body without end" {
                continue;
            }
            let output = device.command([command, &["--json"]].concat()).measured();
            assert!(matches!(output.code, 13), "{what}: {output}");
            assert!(output.error()["hint"].is_string(), "{what}: {output}");
            assert!(output.peak_kib < BOUND_KIB, "{what}: {} KiB", output.peak_kib);
        }
        profile.assert_same(&Tree::read(&device.profiles()));
        assert!(!device.path("elsewhere").exists(), "{what}");
    }
    middleman.honest();
    assert_eq!(device.one(["push"])["version"], 2);
}

/// Holds rule 17.
#[test]
fn a_server_that_is_silent() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    middleman.set(|_, _| Reply::Stall(Vec::new()));
    let output = device.command(["list", "--json", "--timeout", "1"]).run().expect(13);
    let error = output.error();
    assert_eq!(error["code"], "network");
    assert!(error["hint"].as_str().expect("a hint").contains("--timeout"), "{error}");
}

/// Answers the head of an upload, takes nothing of its body, and keeps the connection.
fn refuse_uploads(answer: Option<Response>) -> impl Fn(&Request) -> Option<Vec<u8>> {
    move |request| {
        let answer = || answer.as_ref().map_or_else(Vec::new, Response::bytes);
        request.is_upload_body().then(answer)
    }
}

/// Holds rule 17.
#[test]
fn an_upload_that_nobody_takes() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    tree::large(&device.persona("large").join("file"), 24);
    middleman.set_early(refuse_uploads(Some(Response::error(507, "full"))));
    let refused = device.command(["push", "--json"]).run().expect(1);
    assert_eq!(refused.error()["code"], "quota");
    middleman.set_early(refuse_uploads(None));
    let silent = device.command(["push", "--json", "--timeout", "1"]).run().expect(13);
    assert_eq!(silent.error()["code"], "network");
    middleman.set_early(|_| None);
    assert_eq!(device.one(["push"])["version"], 1);
}
