//! Pulls of large personas over links that break: they go on where they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keybackup_tests::{Device, Middleman, Reply, Request, Response, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";
const MIB: usize = 1 << 20;

struct Fixture {
    _server: Server,
    middleman: Middleman,
    device: Device,
    /// Bytes of the blob.
    length: usize,
}

impl Fixture {
    fn new() -> Self {
        let server = Server::start();
        let middleman = Middleman::start(&server.url);
        let device = Device::registered(&middleman.url, EMAIL);
        tree::large(&device.persona("large").join("file"), 24);
        device.run(["push"]).expect(0);
        let length = device.one(["list"])["stored_size"].as_u64().expect("it is told");
        middleman.take_seen();
        let length = usize::try_from(length).expect("it fits");
        Self { _server: server, middleman, device, length }
    }

    /// From now on `say` decides what becomes of the answers that bring bytes, by their number.
    fn blobs(&self, say: impl Fn(usize, Response) -> Reply + Send + Sync + 'static) {
        let count = AtomicUsize::new(0);
        self.middleman.set(move |request, upstream| {
            let response = upstream.ask(request);
            if request.is_blob() {
                return say(count.fetch_add(1, Ordering::Relaxed), response);
            }
            Reply::Answer(response)
        });
    }

    fn comes_back(&self, to: &str) {
        self.device.run(["pull", "large", to]).expect(0);
        Tree::read(&self.device.persona("large")).assert_same(&Tree::read(&self.device.path(to)));
    }

    fn fails(&self, exit: i32, code: &str) {
        let output = self.device.command(["pull", "large", "none", "--json"]).run().expect(exit);
        assert_eq!(output.error()["code"], code);
        assert!(!self.device.path("none").exists());
    }
}

/// So many bytes of the body, and then the connection ends.
fn cut(response: &Response, body_bytes: usize) -> Reply {
    let mut bytes = response.bytes();
    let head = bytes.len() - response.body.len();
    bytes.truncate(head + body_bytes);
    Reply::Raw(bytes)
}

fn ranges(seen: &[Request]) -> Vec<Option<String>> {
    let range = |request: &Request| {
        request.headers.iter().find(|(name, _)| name == "range").map(|(_, value)| value.clone())
    };
    seen.iter().filter(|request| request.is_blob()).map(range).collect()
}

#[test]
fn a_link_that_breaks_ten_times() {
    let fixture = Fixture::new();
    let given = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given);
    fixture.blobs(move |number, response| {
        // Not all alike, and not where pieces end.
        let bytes = if number < 10 { MIB + number * 54_321 } else { response.body.len() };
        counted.fetch_add(bytes, Ordering::Relaxed);
        if number < 10 { cut(&response, bytes) } else { Reply::Answer(response) }
    });
    fixture.comes_back("back");
    let ranges = ranges(&fixture.middleman.take_seen());
    assert_eq!(ranges.len(), 11);
    assert_eq!(ranges.iter().filter(|range| range.is_none()).count(), 1);
    // All that was given was used.
    assert_eq!(given.load(Ordering::Relaxed), fixture.length);
}

/// It is given up after some tries, and nothing is left.
#[test]
fn a_link_that_never_lasts() {
    let fixture = Fixture::new();
    fixture.blobs(|number, response| cut(&response, if number == 0 { MIB } else { 1_000 }));
    let began = Instant::now();
    fixture.fails(13, "network");
    assert!(began.elapsed() > Duration::from_secs(15), "it waits longer each time");
    assert_eq!(ranges(&fixture.middleman.take_seen()).len(), 7);
    // Without any progress before it is the network's failure at once.
    fixture.blobs(|_, response| cut(&response, 1_000));
    fixture.fails(13, "network");
    assert_eq!(ranges(&fixture.middleman.take_seen()), [None]);
    fixture.middleman.honest();
    fixture.comes_back("back");
}

/// What is done to an answer.
type Lie = fn(Response) -> Response;

/// The rest is the one that was asked for, and the hash over all decides.
///
/// Holds rules 12 and 17.
#[test]
fn a_rest_is_the_one_that_was_asked_for() {
    let fixture = Fixture::new();
    let lies: [(i32, &str, Lie); 5] = [
        (13, "not_keybackup", |response| Response { status: 200, ..response }),
        (13, "not_keybackup", |mut response| {
            response.headers.retain(|(name, _)| name != "content-range");
            response
        }),
        (13, "not_keybackup", |mut response| {
            response.headers.retain(|(name, _)| name != "content-range");
            response.header("content-range", "bytes 5-6/7")
        }),
        (13, "not_keybackup", |mut response| {
            // With the length that this then has: it ends cleanly.
            response.headers.retain(|(name, _)| name != "content-length");
            response.body.pop();
            response
        }),
        (14, "integrity", |mut response| {
            response.body.rotate_left(1);
            response
        }),
    ];
    for (exit, code, lie) in lies {
        fixture.blobs(move |number, response| match number {
            0 => cut(&response, MIB),
            _ => Reply::Answer(lie(response)),
        });
        fixture.fails(exit, code);
    }
    fixture.middleman.honest();
    fixture.comes_back("back");
}
