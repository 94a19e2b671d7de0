//! Takes bytes as what a connection brings first. A head that the guard takes has one meaning: it
//! is read again here, by RFC 9112's rules, and by the parser that hyper uses, and all agree about
//! its end, its lines, its one `Host`, and the length of its body. How it comes in pieces does not
//! matter.

use keybackup_server::http::head::{HeadError, MAX_HEAD_BYTES, check, find_end};

/// As many header lines as hyper makes room for.
const HYPER_LINES: usize = 100;

/// Runs one input.
pub fn run(data: &[u8]) -> bool {
    let whole = verdict(data, usize::MAX);
    for piece_bytes in [1, 7, 16 * 1024] {
        let pieces = verdict(data, piece_bytes);
        // In pieces it is too large as soon as it is.
        let same = pieces == whole || (whole.is_err() && pieces == Err(HeadError::TooLarge));
        assert!(same, "{pieces:?} in pieces of {piece_bytes}, {whole:?} at once");
    }
    match whole {
        Ok(Some((end, body_bytes))) => {
            assert!(end <= MAX_HEAD_BYTES);
            by_the_rules(&data[..end], body_bytes);
            by_httparse(&data[..end], body_bytes);
            true
        }
        Ok(None) => false,
        Err(error) => {
            assert!(error.status().is_client_error() || error.status().is_server_error());
            false
        }
    }
}

/// What becomes of a connection: where its head ends and how long the body is.
fn verdict(data: &[u8], piece_bytes: usize) -> Result<Option<(usize, u64)>, HeadError> {
    let (mut scanned, mut come) = (0, 0);
    while come < data.len() {
        come = data.len().min(come.saturating_add(piece_bytes));
        if let Some(end) = find_end(&data[..come], &mut scanned)? {
            return check(&data[..end]).map(|body_bytes| Some((end, body_bytes)));
        }
        assert!(come < MAX_HEAD_BYTES, "it waits for more than a head may have");
    }
    Ok(None)
}

/// What must be true of a head, said once more.
fn by_the_rules(head: &[u8], body_bytes: u64) {
    let text = head.strip_suffix(b"\r\n\r\n").expect("a blank line ends it");
    let text: String = text.iter().copied().map(char::from).collect();
    let mut lines = text.split("\r\n");
    let request = lines.next().expect("there is always a first").split(' ');
    let [method, target, version] =
        request.collect::<Vec<_>>().try_into().expect("three words and two spaces");
    assert!(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method));
    assert!(["HTTP/1.0", "HTTP/1.1"].contains(&version));
    assert_plain(target);

    let (mut hosts, mut lengths) = (0, Vec::new());
    for line in lines {
        assert!(!line.contains(['\r', '\n', '\0']));
        let (name, value) = line.split_once(':').expect("a colon");
        let is_token = |c: char| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c);
        assert!(!name.is_empty() && name.chars().all(is_token), "{name:?}");
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => {
                hosts += 1;
                assert!(!value.is_empty() && !value.contains([' ', '\t', ',', '/', '@', '\\']));
            }
            "content-length" => lengths.push(value.to_owned()),
            "transfer-encoding" => panic!("{line:?}"),
            _ => {}
        }
    }
    assert_eq!(hosts, 1);
    assert!(lengths.len() <= 1);
    let length = lengths.first().map_or("0", String::as_str);
    assert!(length.bytes().all(|digit| digit.is_ascii_digit()), "{length}");
    assert_eq!(length.parse(), Ok(body_bytes));
}

/// A path that every program takes for the same, and nothing hidden in it.
fn assert_plain(target: &str) {
    assert!(target.starts_with('/') && target.is_ascii(), "{target}");
    assert!(!target.contains(['#', '\\', ' ', '"', '<', '>', '^', '`', '{', '|', '}']));
    let path = target.split('?').next().expect("there is always a first");
    assert!(!path.contains("//"));
    let mut segments = path.split('/');
    assert!(segments.all(|segment| !matches!(segment, "." | "..")));
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).expect("two digits");
        let byte = u8::from_str_radix(digits, 16).expect("hexadecimal");
        assert!(!byte.is_ascii_control() && !b"./\\%".contains(&byte), "{path}");
    }
}

/// hyper's parser reads the same.
fn by_httparse(head: &[u8], body_bytes: u64) {
    let mut fields = [httparse::EMPTY_HEADER; HYPER_LINES];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(head).expect("hyper takes what the guard takes");
    assert_eq!(parsed, httparse::Status::Complete(head.len()));
    let named = |name: &str| {
        let fields = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value).collect::<Vec<_>>()
    };
    assert_eq!(named("host").len(), 1);
    assert!(named("transfer-encoding").is_empty());
    let lengths = named("content-length");
    let length = lengths.first().map_or(&b"0"[..], |length| length);
    assert_eq!(std::str::from_utf8(length).expect("digits").parse(), Ok(body_bytes));
    let lines = head.windows(2).filter(|two| two == b"\r\n").count();
    assert_eq!(request.headers.len(), lines - 2);
    let line = head.split(|byte| *byte == b'\r').next().expect("there is always a first");
    let version = request.version.expect("it was parsed");
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    assert_eq!(format!("{method} {path} HTTP/1.{version}").as_bytes(), line);
}
