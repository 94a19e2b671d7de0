//! Large pushes over links that break and to servers that die: they go on where the server has them.
//! And the server's half, tried by a client of other people.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keybackup_tests::http::Request;
use keybackup_tests::{Device, Middleman, PATIENCE, Running, Server, Tree, cheap, not_run, tree};

const EMAIL: &str = "alice@example.org";
const MIB: u64 = 1 << 20;

fn length(request: &Request, name: &str) -> u64 {
    let value = request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    value.expect("it is there").parse().expect("a number")
}

/// Bytes of uploads that came from the client, and how long the upload is.
fn sent(middleman: &Middleman, seen: &[Request]) -> (u64, u64) {
    let whole = seen.iter().filter(|request| request.is_upload_body());
    let sent = middleman.passed() + whole.map(|request| request.body.len() as u64).sum::<u64>();
    let created = seen.iter().find(|request| request.path() == "/uploads").expect("begun");
    (sent, length(created, "upload-length"))
}

fn comes_back(device: &Device, persona: &Path) {
    device.run(["pull", "large", "back"]).expect(0);
    Tree::read(persona).assert_same(&Tree::read(&device.path("back")));
    device.run(["verify"]).expect(0);
}

#[test]
fn a_link_that_breaks_twenty_times() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let large = device.persona("large");
    tree::large(&large.join("file"), 24);
    middleman.take_seen();
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    middleman.break_off(move |request| {
        let breaks = request.is_upload_body() && counted.load(Ordering::Relaxed) < 20;
        breaks.then(|| {
            // Not all alike, and not where pieces end.
            let cut = counted.fetch_add(1, Ordering::Relaxed) as u64;
            MIB / 2 + cut * 54_321
        })
    });
    assert_eq!(device.one(["push"])["version"], 1);
    assert_eq!(cuts.load(Ordering::Relaxed), 20);
    let seen = middleman.take_seen();
    let (sent, length) = sent(&middleman, &seen);
    assert!(sent <= length + length / 10, "{sent} bytes sent of {length}");
    let count = |wanted: fn(&Request) -> bool| seen.iter().filter(|seen| wanted(seen)).count();
    assert_eq!(count(|request| request.method == "POST" && request.path() == "/uploads"), 1);
    assert_eq!(count(|request| request.method == "HEAD"), 20);
    assert_eq!(count(Request::is_commit), 1);
    comes_back(&device, &large);
    assert_eq!(server.sql("SELECT COUNT(*) FROM versions").trim(), "1");
    assert_eq!(server.sql("SELECT COUNT(*) FROM uploads").trim(), "0");
}

/// What was durable before the kill is not sent again, and its hash is made from what is kept.
#[test]
fn a_server_that_is_killed_and_comes_back() {
    let server = Arc::new(Server::start());
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let large = device.persona("large");
    tree::large(&large.join("file"), 24);
    middleman.take_seen();
    let (victim, deaths) = (Arc::clone(&server), AtomicUsize::new(0));
    middleman.break_off(move |request| {
        let dies = request.is_upload_body() && deaths.fetch_add(1, Ordering::Relaxed) == 0;
        dies.then_some(20 * MIB)
    });
    middleman.before_break(move || {
        let began = Instant::now();
        let kept = (16 * MIB).to_string();
        while victim.sql("SELECT bytes FROM uploads").trim() != kept {
            assert!(began.elapsed() < PATIENCE, "nothing becomes durable");
            std::thread::sleep(Duration::from_millis(20));
        }
        victim.kill();
        victim.restart();
    });
    assert_eq!(device.one(["push"])["version"], 1);
    let seen = middleman.take_seen();
    let last = seen.iter().rfind(|request| request.is_upload_body()).expect("it went on");
    assert_eq!(length(last, "upload-offset"), 16 * MIB);
    comes_back(&device, &large);
    assert_eq!(server.sql("SELECT COUNT(*) FROM versions").trim(), "1");
}

/// It is given up after some tries, says so, and what it leaves stands in nobody's way.
#[test]
fn a_link_that_never_lasts() {
    let server = Server::with(&["--quota-bytes", "62914560"]);
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let large = device.persona("large");
    tree::large(&large.join("file"), 40);
    middleman.take_seen();
    middleman.break_off(|request| request.is_upload_body().then_some(0));
    let began = Instant::now();
    let output = device.command(["push", "--json"]).run().expect(13);
    assert_eq!(output.error()["code"], "network");
    assert!(began.elapsed() > Duration::from_secs(15), "it waits longer each time");
    let seen = middleman.take_seen();
    assert_eq!(seen.iter().filter(|request| request.method == "HEAD").count(), 6);
    middleman.break_off(|_| None);
    // Twice would not fit: the one that was left is ended.
    assert_eq!(device.one(["push"])["version"], 1);
    let ended = middleman.take_seen();
    let ended = |method| ended.iter().filter(|request| request.method == method).count();
    assert_eq!((ended("DELETE"), ended("HEAD")), (1, 0));
    comes_back(&device, &large);
}

/// A server that claims more than it was given is not believed, and nothing is committed.
///
/// Holds rule 17.
#[test]
fn a_server_that_has_more_than_it_got() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    tree::large(&device.persona("large").join("file"), 24);
    middleman.break_off(|request| request.is_upload_body().then_some(100_000));
    middleman.alter(|request, response| {
        if request.method == "HEAD" && request.path().starts_with("/uploads/") {
            for (name, value) in &mut response.headers {
                if name == "upload-offset" {
                    "23000000".clone_into(value);
                }
            }
        }
    });
    let output = device.command(["push", "--json"]).run().expect(13);
    assert_eq!(output.error()["code"], "not_keybackup");
    assert!(!middleman.take_seen().iter().any(Request::is_commit));
    middleman.break_off(|_| None);
    middleman.honest();
    assert_eq!(device.one(["push"])["version"], 1);
}

#[test]
fn a_client_of_other_people() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in it");
    let python = repository.join(".tools/venv/bin/python");
    let has_it = Command::new(&python).args(["-c", "import tusclient"]).output();
    if !has_it.is_ok_and(|output| output.status.success()) {
        not_run("tuspy", "not in .tools/venv: ./test.sh installs it");
        return;
    }
    let server = Server::start();
    let token = cheap::register(&server.url, EMAIL);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    let content = tree::noise(2_345_678, 9);
    std::fs::write(&file, &content).expect("writes");
    let mut command = Command::new(python);
    command.arg("-B").arg(repository.join("tests/tus/push.py"));
    command.arg(&server.url).arg(&token).arg(&file);
    let output = Running::spawn(&mut command, b"").wait("tuspy").expect(0);
    assert!(output.stdout.starts_with(&format!("{}/uploads/", server.url)), "{output}");
    assert_eq!(server.sql("SELECT bytes FROM uploads").trim(), content.len().to_string());
    let parts = server.sql("SELECT name FROM blob_parts ORDER BY position");
    let parts: Vec<_> = parts.split_whitespace().collect();
    assert_eq!(parts.len(), 8);
    let read = |name: &&str| {
        let file = server.data().join("blobs").join(&name[..1]).join(name);
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    assert!(parts.iter().map(read).collect::<Vec<_>>().concat() == content);
}
