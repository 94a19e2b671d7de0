//! Answers whose form is the lie: compressed, of a wrong length, in chunks that are none, without
//! end, in another protocol.

use keybackup_tests::{PASSWORD, Reply, Request, Response};
use serde_json::json;

use super::victim::{LOOKS, Lie, Victim, altered, instead, judge, kept, lie};

const RULES: &[u8] = &[17];
/// What a client may take while something feeds it without end.
const BOUND_KIB: u64 = 64 * 1024;

/// A lie about the form of listings.
fn formed(
    name: &'static str,
    exits: &'static [i32],
    say: impl Fn(Response) -> Reply + Send + Sync + 'static,
) -> Lie {
    lie(name, RULES, exits, instead(Request::is_listing, move |_, response| say(response)))
}

/// A head, and a body as it is.
fn raw(head: &str, body: &[u8]) -> Reply {
    Reply::Raw([format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), body].concat())
}

/// One stored block of gzip (RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    let length = u16::try_from(bytes.len()).expect("a short listing");
    let mut gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01".to_vec();
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(bytes);
    gzip.extend((!crc).to_le_bytes());
    gzip.extend(u32::from(length).to_le_bytes());
    gzip
}

/// Holds rule 17.
#[test]
fn a_body_is_as_long_as_it_says_and_nothing_unpacks_it() {
    let victim = Victim::new();
    let lies = [
        formed("compressed", &[13], |response| {
            let body = gzip(&response.body);
            Reply::Answer(Response { body, ..response }.header("content-encoding", "gzip"))
        }),
        formed("shorter than it is", &[13], |response| {
            let length = (response.body.len() - 1).to_string();
            Reply::Answer(response.header("content-length", &length))
        }),
        formed("longer than it is", &[13], |response| {
            let length = (response.body.len() + 1).to_string();
            Reply::Answer(response.header("content-length", &length))
        }),
        formed("of no length", &[13], |response| {
            Reply::Answer(response.header("content-length", "0"))
        }),
        formed("of a negative length", &[13], |response| {
            Reply::Answer(response.header("content-length", "-1"))
        }),
        formed("of a length that overflows", &[13], |response| {
            Reply::Answer(response.header("content-length", "99999999999999999999999999"))
        }),
        formed("of two lengths", &[13], |response| {
            raw("content-length: 5\r\ncontent-length: 7\r\n", &response.body)
        }),
        formed("in no chunks", &[13], |response| {
            raw("transfer-encoding: chunked\r\n", &response.body)
        }),
        formed("in chunks of a size that is none", &[13], |_| {
            raw("transfer-encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n")
        }),
        formed("in chunks beyond all sizes", &[13], |_| {
            raw("transfer-encoding: chunked\r\n", b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n")
        }),
        formed("in chunks that do not end", &[13], |_| {
            raw("transfer-encoding: chunked\r\n", b"2\r\n{}\r\n")
        }),
        formed("in a chunk that is cut", &[13], |_| {
            raw("transfer-encoding: chunked\r\n", b"ffff\r\n{}")
        }),
        formed("in a coding that nobody knows", &[13], |response| {
            raw("transfer-encoding: gzip, identity\r\n", &gzip(&response.body))
        }),
        formed("an empty answer", &[13], |_| Reply::Raw(Vec::new())),
        formed("a head alone", &[13], |_| Reply::Raw(b"HTTP/1.1 200 OK\r\n".to_vec())),
        formed("no head", &[13], |response| Reply::Raw(response.body)),
        formed("a head that is none", &[13], |_| raw("no colon here\r\n", b"{}")),
        formed("a head with a zero byte", &[13], |_| raw("a: \0b\r\n", b"{}")),
        formed("a status that is none", &[13], |_| {
            Reply::Raw(b"HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n".to_vec())
        }),
        formed("another protocol", &[13], |_| Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        formed("HTTP/2", &[13], |_| {
            Reply::Raw(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x10\0\0".to_vec())
        }),
        formed("a switch to another protocol", &[13], |_| {
            Reply::Raw(b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec())
        }),
        formed("no content", &[13], |_| Reply::Answer(Response::new(204, "text/plain", ""))),
        formed("not modified, though nobody asked", &[13], |_| {
            Reply::Answer(Response::new(304, "text/plain", ""))
        }),
    ];
    // With the last listing at hand 304 would be an answer.
    std::fs::remove_file(victim.device.profiles().join("default/snapshot")).expect("removed");
    for told in lies {
        let before = kept(&victim.device);
        for arguments in &LOOKS[..3] {
            judge(&told, &victim.told(&told, arguments));
            let seen = victim.middleman.take_seen();
            assert!(seen.iter().all(|request| request.method == "GET"), "{told}");
            // Nobody offers to unpack anything.
            let offers = |(name, _): &(String, String)| name == "accept-encoding";
            assert!(!seen.iter().flat_map(|it| &it.headers).any(offers), "{told}");
        }
        before.assert_same(&kept(&victim.device));
    }
    // A word alone packs nothing.
    let told = formed("called compressed", &[0], |response| {
        Reply::Answer(response.header("content-encoding", "gzip"))
    });
    assert_eq!(victim.told(&told, &["list"]).expect(0).json()["personas"][0]["name"], "a");
    victim.middleman.honest();
    victim.device.run(["verify", "--all"]).expect(0);
}

/// Holds rule 17.
#[test]
fn what_has_no_end_is_cut_off() {
    let victim = Victim::new();
    let text = || b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"a\":\"".to_vec();
    let routes: [(&str, &str, &[&str], u64); 4] = [
        // A listing of 100,000 personas may be long: its bound is the largest answer there is.
        ("a listing", "/personas", &["list"], 700 * 1024),
        ("a keyring", "/keyring", &["list"], BOUND_KIB),
        ("a status", "/status", &["login", "alice@example.org"], BOUND_KIB),
        ("a first message", "/login/start", &["login", "alice@example.org"], BOUND_KIB),
    ];
    for (name, path, arguments, bound) in routes {
        let announced = altered(Request::is_listing, |listing| {
            listing["keyring_version"] = json!(2);
        });
        let told = lie(format!("{name} without end"), RULES, &[13], move |request, upstream| {
            if request.path() == path {
                return Reply::Endless(text(), vec![b'a'; 64 * 1024]);
            }
            if path == "/keyring" {
                return announced(request, upstream);
            }
            Reply::Answer(upstream.ask(request))
        });
        told.tell(&victim.middleman);
        let command = victim.device.command(arguments).arg("--json").password(PASSWORD);
        let output = command.measured();
        judge(&told, &output);
        assert!(output.peak_kib < bound, "{told}: {} KiB", output.peak_kib);
    }
    let forms: [(&str, Vec<u8>, &[u8]); 4] = [
        ("a refusal", b"HTTP/1.1 401 No\r\nconnection: close\r\n\r\n{\"error\":\"".to_vec(), b"a"),
        ("a head", b"HTTP/1.1 200 OK\r\nx: ".to_vec(), b"a"),
        ("many headers", b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n"),
        ("answers that are not the last", Vec::new(), b"HTTP/1.1 103 Early\r\na: b\r\n\r\n"),
    ];
    for (name, first, again) in forms {
        let again = again.repeat(64 * 1024 / again.len());
        let told = lie(format!("{name} without end"), RULES, &[13], move |_, _| {
            Reply::Endless(first.clone(), again.clone())
        });
        told.tell(&victim.middleman);
        let command = victim.device.command(["list", "--json", "--timeout", "2"]);
        let output = command.measured();
        judge(&told, &output);
        assert!(output.peak_kib < BOUND_KIB, "{told}: {} KiB", output.peak_kib);
    }
    victim.middleman.honest();
    victim.device.run(["verify", "--all"]).expect(0);
}
