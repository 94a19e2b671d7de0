//! Inputs to begin with: the test vectors, and what no vector has.

use std::fs;
use std::path::{Path, PathBuf};

use super::opaque;
use super::world::Sealed;

/// Every seed, with its target.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for vector in vectors() {
        of_vector(&vector, &mut seeds);
    }
    let [plain, other] = [include_str!("seeds/heads.txt"), include_str!("seeds/texts.txt")];
    for head in plain.split("\n---\n") {
        seeds.push(("http_head", head.trim_end().replace('\n', "\r\n").into_bytes()));
        let blank = [head.trim_end().replace('\n', "\r\n").as_bytes(), b"\r\n\r\n"].concat();
        seeds.push(("http_head", blank));
    }
    seeds.extend(other.lines().map(|line| {
        let text: String = serde_json::from_str(line).expect("each line is a text in JSON");
        ("terminal", text.into_bytes())
    }));
    let indexes = include_str!("seeds/indexes.txt").lines();
    seeds.extend(indexes.map(|json| ("index", json.as_bytes().to_vec())));
    let profile = include_bytes!("seeds/profile.json").as_slice();
    let sent = include_bytes!("seeds/sent.json").as_slice();
    seeds.push(("state", [b"\x02", profile].concat()));
    seeds.push(("state", b"\x03\"etag\"\n2\n{}".to_vec()));
    seeds.push(("state", [b"\x04", sent].concat()));
    let cached = [&[0, 0, 0, 1, b'a'][..], &[1; 8 + 8 + 8 + 8 + 32]].concat();
    seeds.push(("state", [b"\x01\x01", &*cached, &*cached].concat()));
    // One, two and three chunks: sealed and left alone, cut, with chunks swapped; sealed by hand.
    for (zip_bytes, choices) in [(100_u32, [0; 3]), (70_000, [1, 0, 1]), (140_000, [0, 2, 1])] {
        for mode in [1, 2] {
            let head = [&[mode, 1][..], &zip_bytes.to_be_bytes(), b"\x03zip"].concat();
            seeds.push(("stream", [&head[..], &choices].concat()));
            seeds.push(("stream", [&head[..], &[3; 24], &[0, 0, 0, 1, 0, 0, 1]].concat()));
        }
    }
    for content in ["", "content"] {
        let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
        let directory = [&b"\x02d/\x10"[..], &[0, 0]].concat();
        let file = [&b"\x03d/f\x10"[..], &length, content.as_bytes()].concat();
        seeds.push(("archive", [b"\x02", &*directory, &*file].concat()));
    }
    seeds.extend(opaque::seeds().into_iter().map(|seed| ("opaque", seed)));
    seeds
}

/// One of `client/vectors`.
struct Vector {
    operation: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Vector {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

fn vectors() -> Vec<Vector> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/vectors");
    let list = |directory: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).expect("the vectors are beside the client");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        paths
    };
    let files = list(&root).into_iter().filter(|path| path.is_dir());
    let files = files.flat_map(|directory| list(&directory));
    files.map(|path| parse(&fs::read_to_string(path).expect("text"))).collect()
}

fn parse(text: &str) -> Vector {
    let (head, body) = text.split_once("\n\n").expect("an empty line stands before the body");
    let field = |line: &str| {
        let (name, value) = line.split_once(':').expect("every line is a field");
        (name.to_owned(), value.trim_start().to_owned())
    };
    let fields: Vec<_> = head.lines().map(field).collect();
    let operation = fields.iter().find(|(name, _)| name == "operation");
    let operation = operation.expect("every vector has one").1.clone();
    let digits = body.replace('\n', "");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    let body = (0..digits.len()).step_by(2).map(byte).collect();
    Vector { operation, fields, body }
}

fn of_vector(vector: &Vector, seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let body = &vector.body;
    match vector.operation.as_str() {
        "object" => of_object(vector, seeds),
        "blob" => {
            seeds.push(("header", body[..body.len().min(121)].to_vec()));
            seeds.push(("stream", [b"\0", &**body].concat()));
        }
        "zip" => {
            seeds.push(("archive", [b"\0", &**body].concat()));
            seeds.push(("archive", [b"\x01", &**body].concat()));
        }
        _ => {}
    }
}

fn of_object(vector: &Vector, seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    const NAMES: [&str; 7] = [
        "password-slot",
        "recovery-slot",
        "keyring",
        "index",
        "label",
        "device-record",
        "local-state",
    ];
    let name = vector.field("type").expect("every object has one");
    let Some(at) = NAMES.iter().position(|known| *known == name) else { return };
    let sealed_type = Sealed::ALL[at];
    let at = u8::try_from(at).expect("there are seven");
    let version: u64 = vector.field("version").and_then(|text| text.parse().ok()).unwrap_or(1);
    let head = |mode| [&[at, mode][..], &version.to_be_bytes()].concat();
    seeds.push(("header", vector.body.clone()));
    seeds.push(("object", [head(0), vector.body.clone()].concat()));
    let Some(json) = vector.field("json") else { return };
    let length = u16::try_from(json.len()).expect("vectors are short").to_be_bytes();
    let by_hand = [&head(1)[..], b"\0", &length, json.as_bytes()].concat();
    let changed = [&head(2)[..], &length, json.as_bytes(), &[0, 0, 0, 0, 60, 0, 1]].concat();
    match sealed_type {
        Sealed::Label => seeds.push(("label", json.into())),
        Sealed::Index => seeds.push(("index", json.into())),
        Sealed::LocalState => seeds.push(("state", [b"\0", json.as_bytes()].concat())),
        _ => {}
    }
    seeds.push(("object", by_hand));
    seeds.push(("object", changed));
}
