//! Ctrl-C, a kill, a server that dies, at every moment that can be told from outside: nothing is
//! half-written, nothing acknowledged is lost, and the same command again works.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keybackup_tests::http::Request;
use keybackup_tests::middleman::Upstream;
use keybackup_tests::{Device, Middleman, PASSWORD, Reply, Server, Tree, tree};
use rustix::process::Signal;

const EMAIL: &str = "alice@example.org";

/// Where in an exchange a client is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Its request is on the way: the server never sees it.
    Asked,
    /// The server has done it, and the client does not know.
    Done,
    /// Half of the answer has come.
    Half,
}

/// A request by name, and how to tell it.
type Step = (&'static str, fn(&Request) -> bool);

/// Makes the client stop at the `nth` request for which `wanted` holds.
fn stop_at(
    middleman: &Middleman,
    moment: Moment,
    wanted: impl Fn(&Request) -> bool + Send + Sync + 'static,
) {
    middleman.set(move |request: &Request, upstream: &Upstream| {
        if !wanted(request) {
            return Reply::Answer(upstream.ask(request));
        }
        match moment {
            Moment::Asked => Reply::Stall(Vec::new()),
            Moment::Done => {
                upstream.ask(request);
                Reply::Stall(Vec::new())
            }
            Moment::Half => {
                let bytes = upstream.ask(request).bytes();
                Reply::Stall(bytes[..bytes.len() / 2].to_vec())
            }
        }
    });
}

fn spool(device: &Device) -> usize {
    std::fs::read_dir(device.profiles().join("default/spool")).map_or(0, Iterator::count)
}

#[test]
fn a_push_that_is_stopped() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    // Above 8 MiB, so that there is an upload before the commit.
    tree::put(&work.join("large"), &tree::noise(9 << 20, 5), 0o600, Duration::from_secs(1));

    let wanted: [Step; 3] = [
        ("the listing", Request::is_listing),
        ("the upload", Request::is_upload_body),
        ("the commit", Request::is_commit),
    ];
    let mut version = 1;
    for signal in [Signal::INT, Signal::KILL] {
        for (name, wanted) in wanted {
            for moment in [Moment::Asked, Moment::Done] {
                let what = format!("{signal:?} at {name}, {moment:?}");
                // Something new each time, so that each of these would be a version.
                tree::put(&work.join("note"), what.as_bytes(), 0o600, Duration::from_secs(2));
                stop_at(&middleman, moment, wanted);
                let running = device.command(["push"]).start();
                middleman.stalled();
                running.signal(signal);
                let output = running.wait(&what);
                assert_eq!(output.code, if signal == Signal::INT { 130 } else { 137 }, "{output}");
                // What was sealed whole is kept, and nothing else.
                assert!(spool(&device) <= usize::from(name != "the listing"), "{what}");
                middleman.honest();
                // Made or not made, and never something between.
                let made = name == "the commit" && moment == Moment::Done;
                version += 1;
                assert_eq!(
                    device.one(["list"])["version"],
                    if made { version } else { version - 1 },
                    "{what}"
                );
                let pushed = device.one(["push"]);
                assert_eq!(
                    (&pushed["changed"], &pushed["version"]),
                    (&(!made).into(), &version.into()),
                    "{what}"
                );
                assert_eq!(spool(&device), 0, "{what}");
            }
        }
    }
    device.run(["pull", "work", "back"]).expect(0);
    Tree::read(&work).assert_same(&Tree::read(&device.path("back")));
    assert_eq!(std::fs::read_dir(device.tmp()).expect("listable").count(), 0);
}

/// Holds rule 15.
#[test]
fn an_answer_that_is_lost_is_no_conflict() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    middleman.set(|request, upstream| {
        let answer = upstream.ask(request);
        if request.is_commit() { Reply::Raw(Vec::new()) } else { Reply::Answer(answer) }
    });
    let pushed = device.one(["push"]);
    assert_eq!((&pushed["changed"], &pushed["version"]), (&true.into(), &1.into()));
    let commits = middleman.take_seen().iter().filter(|request| request.is_commit()).count();
    assert_eq!(commits, 1);
    // And one that never arrived is an error, after which the same command works.
    tree::put(&device.persona("work").join("x"), b"x", 0o600, Duration::from_secs(1));
    middleman.set(|request, upstream| {
        if request.is_commit() {
            Reply::Raw(Vec::new())
        } else {
            Reply::Answer(upstream.ask(request))
        }
    });
    device.run(["push"]).expect(13);
    middleman.honest();
    assert_eq!(device.one(["push"])["version"], 2);
}

/// A process is killed with its commit on the way, and that arrives when the next one has looked.
#[test]
fn a_commit_that_arrives_late_is_no_conflict() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    // First as a new persona, then as a new version; with the same files, and with others.
    for (round, version, same) in [(0, 1, true), (1, 2, true), (2, 4, false)] {
        if round > 0 {
            tree::put(&work.join("note"), &[round], 0o600, Duration::from_secs(round.into()));
        }
        let late = Arc::new(Mutex::new(None));
        let held = Arc::clone(&late);
        middleman.set(move |request, upstream| {
            if !request.is_commit() {
                return Reply::Answer(upstream.ask(request));
            }
            *held.lock().expect("held briefly") = Some(request.clone());
            Reply::Stall(Vec::new())
        });
        let running = device.command(["push"]).start();
        middleman.stalled();
        running.signal(Signal::KILL);
        running.wait("push").expect(137);
        let first: Request = late.lock().expect("held briefly").take().expect("it was sent");
        let waiting = Mutex::new(Some(first));
        middleman.set(move |request, upstream| {
            if request.is_commit()
                && let Some(first) = waiting.lock().expect("held briefly").take()
            {
                assert_eq!(upstream.ask(&first).status, 200);
            }
            Reply::Answer(upstream.ask(request))
        });
        if !same {
            tree::put(&work.join("note"), b"newer", 0o600, Duration::from_secs(99));
        }
        let pushed = device.one(["push"]);
        assert_eq!(pushed["version"], version, "{pushed}");
        assert_eq!(pushed["changed"], !same, "{pushed}");
        device.run(["verify", "--all"]).expect(0);
        assert_eq!(device.json(["list"])["personas"].as_array().map(Vec::len), Some(1));
    }
}

/// Sealed objects mean nothing to a server: without a hash it would take, and acknowledge, what
/// opens nowhere.
#[test]
fn what_changes_on_the_way_to_the_server_is_not_taken() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    for (round, what) in [(1, "\"label\":\""), (2, "\"sealed\":\""), (3, "/personas/")] {
        tree::put(&work.join("note"), &[round], 0o600, Duration::from_secs(round.into()));
        middleman.set(move |request, upstream| {
            let mut request = request.clone();
            if request.is_commit() {
                let flip = |byte: u8| if byte == b'a' { b'b' } else { b'a' };
                if what.starts_with('/') {
                    let last = request.target.pop().expect("a digit");
                    request.target.push(char::from(flip(u8::try_from(last).expect("a digit"))));
                } else {
                    let found =
                        request.body.windows(what.len()).position(|it| it == what.as_bytes());
                    let at = found.expect("it is in the head") + what.len() + 200;
                    request.body[at] = flip(request.body[at]);
                }
            }
            Reply::Answer(upstream.ask(&request))
        });
        device.run(["push"]).expect(13);
        middleman.honest();
        device.run(["verify", "--all"]).expect(0);
        assert_eq!(device.one(["push"])["version"], round + 1);
    }
}

#[test]
fn a_pull_that_is_stopped_on_the_way() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    tree::put(&work.join("large"), &tree::noise(9 << 20, 6), 0o600, Duration::from_secs(1));
    device.run(["push"]).expect(0);
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        for (moment, target) in [(Moment::Asked, "back"), (Moment::Half, "deep/back")] {
            stop_at(&middleman, moment, Request::is_blob);
            let running = device.command(["pull", "work", target]).start();
            middleman.stalled();
            running.signal(signal);
            let output = running.wait("pull");
            assert_eq!(output.code, if signal == Signal::KILL { 137 } else { 130 }, "{output}");
            assert!(!device.path(target).exists(), "{signal:?} {moment:?}");
            assert_eq!(device.leftovers(&device.path(target)), [""; 0], "{signal:?} {moment:?}");
            assert_eq!(spool(&device), 0, "the spool has no name");
        }
    }
    middleman.honest();
    device.run(["pull", "work", "back"]).expect(0);
    Tree::read(&work).assert_same(&Tree::read(&device.path("back")));
}

#[test]
fn a_registration_that_is_stopped() {
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let register = |device: &Device, file: &str| {
        device.command(["register", EMAIL, "--recovery-file", file]).password(PASSWORD).start()
    };
    let first = Device::new(&middleman.url);
    // Before anything is committed: as if nothing had been.
    stop_at(&middleman, Moment::Done, |request| request.path() == "/accounts/start");
    let running = register(&first, "phrase");
    middleman.stalled();
    running.signal(Signal::INT);
    running.wait("register").expect(130);
    assert!(!first.path("phrase").exists());
    stop_at(&middleman, Moment::Asked, |request| request.path() == "/accounts");
    let running = register(&first, "phrase");
    middleman.stalled();
    running.signal(Signal::KILL);
    running.wait("register").expect(137);
    assert!(first.path("phrase").exists(), "the phrase is kept before the account is made");
    assert_eq!(server.sql("SELECT COUNT(*) FROM accounts").trim(), "0");

    // Committed, and the answer lost to a kill: the password and the phrase are good.
    stop_at(&middleman, Moment::Done, |request| request.path() == "/accounts");
    let running = register(&first, "phrase two");
    middleman.stalled();
    running.signal(Signal::KILL);
    running.wait("register").expect(137);
    middleman.honest();
    register(&first, "phrase three").wait("register").expect(11);
    assert!(!first.path("phrase three").exists(), "no phrase for an account that was not made");
    first.login(EMAIL, PASSWORD).expect(0);
    tree::reference(&first.persona("work"), "Alice");
    first.run(["push"]).expect(0);
}

#[test]
fn a_server_that_dies_and_comes_back() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    server.kill();
    device.run(["push"]).expect(13);
    server.restart();
    // What was acknowledged is there.
    assert_eq!(device.one(["push"])["changed"], false);
    device.run(["verify"]).expect(0);

    // In the middle of an upload: through somebody who kills it there.
    let server = std::sync::Arc::new(server);
    let middleman = Middleman::start(&server.url);
    let through = Device::registered(&middleman.url, "bob@example.org");
    let large = through.persona("large");
    tree::put(&large.join("file"), &tree::noise(20 << 20, 7), 0o600, Duration::from_secs(1));
    for at_commit in [false, true] {
        let victim = std::sync::Arc::clone(&server);
        middleman.set(move |request, upstream| {
            let is_it = if at_commit { request.is_commit() } else { request.is_upload_body() };
            if !is_it {
                return Reply::Answer(upstream.ask(request));
            }
            // It gets half of the bytes, and dies.
            let half = request.body.len() / 2;
            let cut = upstream.cut(request, half);
            victim.kill();
            drop(cut);
            Reply::Raw(Vec::new())
        });
        through.run(["push"]).expect(13);
        server.restart();
        middleman.honest();
        assert_eq!(through.json(["list"])["personas"], serde_json::json!([]));
    }
    assert_eq!(through.one(["push"])["version"], 1);
    through.run(["pull", "large", "back"]).expect(0);
    Tree::read(&large).assert_same(&Tree::read(&through.path("back")));
    device.run(["verify"]).expect(0);
    // Asked to end, it ends well.
    assert_eq!(server.terminate().code, 0);
}
