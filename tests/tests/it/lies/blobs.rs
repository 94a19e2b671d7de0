//! Bytes that are those of another version or persona, too few, too many, or another part than was
//! asked for.

use keybackup_tests::{Reply, Request, Response};

use super::victim::{Lie, PULLS, Victim, instead, lie};

const RULES: &[u8] = &[9, 12, 13, 17];

/// A lie about the bytes of personas. The length that was true is left out.
fn bytes(
    name: &str,
    exits: &'static [i32],
    say: impl Fn(&Request, Response) -> Reply + Send + Sync + 'static,
) -> Lie {
    lie(name, RULES, exits, instead(Request::is_blob, say))
}

/// One that alters the bytes alone.
fn body(name: &str, exits: &'static [i32], alter: fn(&mut Vec<u8>)) -> Lie {
    bytes(name, exits, move |_, mut response| {
        alter(&mut response.body);
        Reply::Answer(response)
    })
}

/// Holds rules 9, 12, 13 and 17.
#[test]
fn bytes_are_those_that_were_pushed() {
    let victim = Victim::new();
    victim.push();
    let [a, b] = victim.ids.clone();
    let other = lie("the bytes of another persona", RULES, &[14], move |request, upstream| {
        let mut request = request.clone();
        if request.is_blob() {
            request.target = format!("/personas/{b}?version=1");
        }
        Reply::Answer(upstream.ask(&request))
    });
    let older = lie("the bytes of an older version", RULES, &[14], move |request, upstream| {
        let mut request = request.clone();
        if request.is_blob() {
            request.target = format!("/personas/{a}?version=1");
        }
        Reply::Answer(upstream.ask(&request))
    });
    let lies = [
        other,
        older,
        // Another length than the label's is no answer; what has it is compared.
        body("a byte less", &[13], |body| body.truncate(body.len() - 1)),
        body("a byte more", &[13], |body| body.push(0)),
        body("no bytes", &[13], Vec::clear),
        body("a chunk more", &[13], |body| body.resize(body.len() + 65_552, 0)),
        body("the header alone", &[13], |body| body.truncate(121)),
        body("the end before the beginning", &[14], |body| body.reverse()),
        body("zeros", &[14], |body| body.fill(0)),
        bytes("fewer bytes than announced", &[13], |_, response| {
            let bytes = response.bytes();
            Reply::Raw(bytes[..bytes.len() - 100].to_vec())
        }),
        bytes("more bytes than announced", &[13, 14], |_, response| {
            // What follows is of no answer, and the length of this one is the label's.
            let mut response = response;
            response.body.rotate_left(1);
            let mut bytes = response.bytes();
            bytes.extend([0; 4096]);
            Reply::Raw(bytes)
        }),
        bytes("an announced length that is none", &[13], |_, response| {
            Reply::Answer(response.header("content-length", "many"))
        }),
        bytes("an announced length beyond all", &[13], |_, response| {
            Reply::Answer(response.header("content-length", "18446744073709551615"))
        }),
        bytes("bytes without end", &[13], |_, response| {
            let head = b"HTTP/1.1 206 OK\r\nconnection: close\r\n\r\n".to_vec();
            Reply::Endless([head, response.body].concat(), vec![0; 64 * 1024])
        }),
        bytes("no content", &[13], |_, _| Reply::Answer(Response::new(204, "text/plain", ""))),
        bytes("not modified", &[13], |_, _| Reply::Answer(Response::new(304, "text/plain", ""))),
        bytes("an error page that is a success", &[13], |_, _| {
            Reply::Answer(Response::new(200, "text/html", "<h1>Sorry</h1>"))
        }),
    ];
    for told in lies {
        victim.suffers(&told, PULLS);
    }
}

/// What reads by ranges takes none that was not asked for.
///
/// Holds rules 12 and 17.
#[test]
fn a_range_is_the_one_that_was_asked_for() {
    let victim = Victim::new();
    let reads: &[&[&str]] = &[&["files", "a"], &["cat", "a", "persona.json"]];
    let lies = [
        bytes("the whole for a part", &[13], |_, response| {
            Reply::Answer(Response { status: 200, ..response })
        }),
        bytes("another part", &[14], |_, mut response| {
            response.body.rotate_left(7);
            Reply::Answer(response)
        }),
        bytes("a part of a part", &[13], |_, mut response| {
            response.body.truncate(100);
            Reply::Answer(response)
        }),
        bytes("no such part", &[13], |_, _| {
            Reply::Answer(Response::error(416, "range_not_satisfiable"))
        }),
    ];
    for told in lies {
        victim.suffers(&told, reads);
    }
    // A word about the range that is not true changes nothing: the bytes tell.
    let told = bytes("a false word about a part", &[0], |_, mut response| {
        response.headers.retain(|(name, _)| name != "content-range");
        Reply::Answer(response.header("content-range", "bytes 5-6/7"))
    });
    let read = victim.told(&told, &["cat", "a", "persona.json"]).expect(0);
    victim.middleman.honest();
    let honest = victim.device.command(["cat", "a", "persona.json", "--json"]).run().expect(0);
    assert_eq!(read.stdout, honest.stdout);
}

/// Holds rule 17.
#[test]
fn bytes_without_end_take_no_memory() {
    let victim = Victim::new();
    victim.middleman.set(|request, upstream| {
        if request.is_blob() {
            let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
            return Reply::Endless(head, vec![0; 64 * 1024]);
        }
        Reply::Answer(upstream.ask(request))
    });
    let output = victim.device.command(["pull", "a", "new", "--json"]).measured();
    assert!(matches!(output.code, 13 | 14), "{output}");
    assert!(output.peak_kib < 64 * 1024, "{} KiB", output.peak_kib);
    assert!(!victim.device.path("new").exists());
}
