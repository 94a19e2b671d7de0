//! `lp`, Padmé, lengths of blobs, fingerprints.

use keybackup::archive::entry::{Item, Kind, Summary};
use keybackup::archive::time::Ticks;
use keybackup::seal::padding;
use keybackup_protocol::put_lp;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = lp();
    cases.extend([0, 1, 2, 9, 1000, 65_537, 1_000_000, (1 << 30) + 1].map(|bytes| {
        Case::new("padme", bytes.to_string(), "success")
            .text("bytes", bytes)
            .text("padded", padding::padme(bytes))
    }));
    cases.extend([0, 1, 16_376, 16_377, 65_528, 65_529, 1 << 30].map(|zip_bytes: u64| {
        Case::new("blob-length", zip_bytes.to_string(), "success")
            .text("zip-bytes", zip_bytes)
            .text("blob-bytes", padding::blob_bytes(zip_bytes))
    }));
    cases.extend(fingerprints());
    cases
}

fn lp() -> Vec<Case> {
    let encoded = |value: &[u8]| {
        let mut out = Vec::new();
        put_lp(&mut out, value);
        out
    };
    let good = [("empty", &b""[..]), ("abc", b"abc"), ("zeros", &[0; 300])].map(|(name, value)| {
        Case::new("lp", name, "success").bytes("value", value).body(encoded(value))
    });
    let bad = [
        ("short-length", "truncated", &b"\0\0\0"[..]),
        ("short-value", "truncated", b"\0\0\0\x04abc"),
        ("huge-length", "truncated", b"\xff\xff\xff\xffabc"),
        ("trailing", "trailing", b"\0\0\0\x03abcd"),
    ]
    .map(|(name, expect, bytes)| Case::new("lp", name, expect).body(bytes));
    good.into_iter().chain(bad).collect()
}

fn fingerprints() -> Vec<Case> {
    let content = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
    let item = |path: &str, kind, mode, mtime, text: &str| Item {
        path: path.to_owned(),
        kind,
        mode,
        mtime: Ticks::from_unix(mtime, 123_456_700),
        size: text.len() as u64,
        content: if kind == Kind::File { content(text) } else { [0; 32] },
    };
    let tree = [
        item("keyring", Kind::Directory, 0o700, 1_700_000_000, ""),
        item("keyring/secrets.json", Kind::File, 0o600, 1_700_000_001, "{}"),
        item("persona.json", Kind::File, 0o644, 1_700_000_002, "{\"nickname\":\"Zoë\"}"),
        item("ünï", Kind::File, 0o644, -1, ""),
    ];
    [("empty-tree", &tree[..0]), ("tree", &tree[..])]
        .map(|(name, items)| {
            let mut body = Vec::new();
            for item in items {
                put_lp(&mut body, item.path.as_bytes());
                body.push(if item.kind == Kind::File { b'f' } else { b'd' });
                body.extend_from_slice(&item.mode.to_be_bytes());
                if item.kind == Kind::File {
                    body.extend_from_slice(&item.mtime.0.to_be_bytes());
                    body.extend_from_slice(&item.content);
                }
            }
            Case::new("fingerprint", name, "success")
                .comment("the body is what is hashed")
                .bytes("fingerprint", &Summary::of(items).fingerprint)
                .body(body)
        })
        .into()
}
