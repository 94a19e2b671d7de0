//! Large pushes over links that break and to servers that die: they go on where the server has them.
//! And the server's half, tried by a client of other people.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keybackup_tests::http::Request;
use keybackup_tests::{Device, Middleman, PATIENCE, Running, Server, Tree, cheap, not_run, tree};

use rustix::process::Signal;

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
    let last = seen.iter().rfind(|request| request.is_upload_body()).expect("it ended");
    (sent, length(last, "upload-length"))
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
    tree::large(&large.join("file"), 64);
    middleman.take_seen();
    let (victim, bodies) = (Arc::clone(&server), AtomicUsize::new(0));
    let first = Arc::new(AtomicU64::new(0));
    let piece = Arc::clone(&first);
    middleman.break_off(move |request| {
        let body = request.is_upload_body().then(|| bodies.fetch_add(1, Ordering::Relaxed))?;
        if body == 0 {
            piece.store(length(request, "content-length"), Ordering::Relaxed);
        }
        (body == 1).then_some(20 * MIB)
    });
    let piece = Arc::clone(&first);
    middleman.before_break(move || {
        let began = Instant::now();
        let kept = (piece.load(Ordering::Relaxed) + 16 * MIB).to_string();
        while victim.sql("SELECT bytes FROM uploads").trim() != kept {
            assert!(began.elapsed() < PATIENCE, "nothing becomes durable");
            std::thread::sleep(Duration::from_millis(20));
        }
        victim.kill();
        victim.restart();
    });
    assert_eq!(device.one(["push"])["version"], 1);
    let seen = middleman.take_seen();
    let mut bodies = seen.iter().filter(|request| request.is_upload_body());
    let next = bodies.nth(1).expect("it went on");
    assert_eq!(length(next, "upload-offset"), first.load(Ordering::Relaxed) + 16 * MIB);
    comes_back(&device, &large);
    assert_eq!(server.sql("SELECT COUNT(*) FROM versions").trim(), "1");
}

/// A push that breaks at its first upload body, behind `MIB` of it, once `when` it is time, and is
/// killed there.
fn killed(device: &Device, middleman: &Middleman, when: impl Fn(&Path) -> bool) {
    let (begun, parcel) = (AtomicUsize::new(0), device.profiles().join("default/parcel.sealed"));
    middleman.break_off(move |request| {
        let first = request.is_upload_body() && begun.fetch_add(1, Ordering::Relaxed) == 0;
        first.then_some(MIB)
    });
    let (tell, told) = channel();
    let (go_on, may_go) = channel();
    let (tell, may_go) = (Mutex::new(tell), Mutex::new(may_go));
    middleman.before_break(move || {
        tell.lock().expect("one at a time").send(()).expect("somebody waits");
        let _ = may_go.lock().expect("one at a time").recv_timeout(PATIENCE);
    });
    let push = device.command(["push"]).start();
    told.recv_timeout(PATIENCE).expect("it sends");
    let began = Instant::now();
    while !when(&parcel) {
        assert!(began.elapsed() < PATIENCE, "it never comes to that");
        std::thread::sleep(Duration::from_millis(1));
    }
    push.signal(Signal::KILL);
    push.wait("keybackup push");
    go_on.send(()).expect("the middleman waits");
    middleman.break_off(|_| None);
    middleman.take_seen();
}

/// What was sealed whole is neither sealed nor, as far as it arrived, sent again.
#[test]
fn a_client_that_is_killed_when_all_is_sealed() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let large = device.persona("large");
    tree::large(&large.join("file"), 24);
    killed(&device, &middleman, Path::exists);
    assert_eq!(device.one(["push"])["version"], 1);
    let seen = middleman.take_seen();
    let count = |method| seen.iter().filter(|request| request.method == method).count();
    assert_eq!((count("HEAD"), count("PATCH"), count("DELETE")), (1, 1, 0));
    let (sent, length) = sent(&middleman, &seen);
    assert!(sent <= length + length / 10, "{sent} bytes sent of {length}");
    comes_back(&device, &large);
    assert_eq!(server.sql("SELECT COUNT(*) FROM versions").trim(), "1");
    assert_eq!(server.sql("SELECT COUNT(*) FROM uploads").trim(), "0");
    let profile = device.profiles().join("default");
    let spool = std::fs::read_dir(profile.join("spool")).expect("there");
    assert_eq!((spool.count(), profile.join("parcel.sealed").exists()), (0, false));
}

/// What was sealed in part is thrown away: no salt is used again.
#[test]
fn a_client_that_is_killed_while_it_seals() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let large = device.persona("large");
    tree::large(&large.join("file"), 256);
    killed(&device, &middleman, |parcel| {
        assert!(!parcel.exists(), "it is killed too late");
        true
    });
    assert_eq!(device.one(["push"])["version"], 1);
    let seen = middleman.take_seen();
    let count = |method| seen.iter().filter(|request| request.method == method).count();
    assert_eq!((count("HEAD"), count("DELETE")), (0, 1), "what was begun is ended");
    comes_back(&device, &large);
    assert_eq!(server.sql("SELECT COUNT(*) FROM versions").trim(), "1");
    let spool = std::fs::read_dir(device.profiles().join("default/spool")).expect("there");
    assert_eq!(spool.count(), 0);
}

/// A parcel that is not what it was is not sent, nor one of what a directory has held before.
#[test]
fn a_parcel_that_no_longer_fits() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let large = device.persona("large");
    tree::large(&large.join("file"), 24);
    let spool = device.profiles().join("default/spool/parcel");
    let flip = || {
        let mut bytes = std::fs::read(&spool).expect("is there");
        bytes[20 << 20] ^= 1;
        std::fs::write(&spool, bytes).expect("writes");
    };
    let spoils: [&dyn Fn(); 4] = [
        &flip,
        &|| std::fs::write(&spool, b"short").expect("writes"),
        &|| std::fs::remove_file(&spool).expect("is there"),
        &|| tree::large(&large.join("more"), 1),
    ];
    for (spoil, version) in spoils.iter().zip(1..) {
        std::fs::write(large.join("count"), version.to_string()).expect("writes");
        killed(&device, &middleman, Path::exists);
        spoil();
        assert_eq!(device.one(["push"])["version"], version);
        assert!(!spool.exists(), "{version}");
        device.run(["verify"]).expect(0);
    }
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
    // Twice would not fit: it goes on with the one that was left.
    assert_eq!(device.one(["push"])["version"], 1);
    let ended = middleman.take_seen();
    let ended = |method| ended.iter().filter(|request| request.method == method).count();
    assert_eq!((ended("DELETE"), ended("HEAD"), ended("POST")), (0, 1, 1));
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

/// What is pushed inline, what is uploaded, and what is pulled keep to a limit, and tell their rate.
#[test]
fn a_limit_is_kept_both_ways() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    for (mebibytes, limit) in [(2, "1M"), (12, "6M")] {
        let large = device.persona("large");
        tree::large(&large.join("file"), mebibytes);
        for arguments in [&["push"][..], &["pull", "large", "back", "--force"]] {
            let began = Instant::now();
            let output = device
                .command(arguments)
                .env("KEYBACKUP_LIMIT_RATE", limit)
                .arg("--progress")
                .arg("json")
                .arg("--json")
                .run()
                .expect(0);
            let took = began.elapsed().as_secs_f64();
            assert!((1.5..20.0).contains(&took), "{arguments:?} took {took} s");
            let lines = output.stderr.lines().filter_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                let rate = line["progress"]["rate"].as_f64()?;
                let moves = ["sending", "receiving"].map(|task| line["progress"]["task"] == task);
                (moves.contains(&true) && line["progress"]["left_s"].is_number()).then_some(rate)
            });
            assert!(lines.count() > 1, "{output}");
        }
    }
    for bad in ["fast", "1K", "0"] {
        let output = device.command(["push", "--limit-rate", bad, "--json"]).run().expect(2);
        assert_eq!(output.error()["code"], "config", "{bad}");
    }
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
