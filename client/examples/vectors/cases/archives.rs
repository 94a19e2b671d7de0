//! Zips, sound and unsound, as FORMAT.md section 5.1 has them.

use keybackup_protocol::put_lp;

use crate::case::Case;
use crate::raw_zip::{End, Entry, TICKS, dos_date, dos_time, zip};

/// A frame of Zstandard that holds 100 times `x`: one run, so no compressor's version shows.
const HUNDRED_X: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0x20, 100, 0x23, 0x03, 0x00, b'x'];

pub(crate) fn cases() -> Vec<Case> {
    [sound(), names(), trees(), modes(), headers(), layouts(), contents()]
        .into_iter()
        .flatten()
        .collect()
}

fn refused(name: &str, expect: &str, entries: &[Entry]) -> Case {
    Case::new("zip", name, expect).body(zip(entries, End::default()))
}

fn file(path: &str) -> Entry {
    Entry::file(path, 0o600, b"xyz")
}

/// One item of a sound tree: path, mode, ticks, and the content of a file.
type Item<'a> = (&'a str, u32, u64, Option<&'a [u8]>);

/// A zip that opens; the case says what comes out.
fn opens(name: &str, entries: &[Entry], items: &[Item<'_>]) -> Case {
    let mut hashed = Vec::new();
    for (path, mode, ticks, content) in items {
        put_lp(&mut hashed, path.as_bytes());
        hashed.push(if content.is_some() { b'f' } else { b'd' });
        hashed.extend_from_slice(&mode.to_be_bytes());
        if let Some(content) = content {
            hashed.extend_from_slice(&ticks.to_be_bytes());
            hashed.extend_from_slice(blake3::hash(content).as_bytes());
        }
    }
    let contents: Vec<_> = items.iter().filter_map(|(.., content)| *content).collect();
    refused(name, "success", entries)
        .bytes("fingerprint", blake3::hash(&hashed).as_bytes())
        .text("files", contents.len())
        .text("directories", items.len() - contents.len())
        .text("bytes", contents.iter().map(|content| content.len()).sum::<usize>())
}

fn sound() -> Vec<Case> {
    let hundred = [b'x'; 100];
    let tree = [
        Entry::directory("images", 0o755),
        Entry::directory("keyring", 0o700),
        Entry::zstd("keyring/secrets.json", &hundred, HUNDRED_X),
        Entry::file("keyring/subkey(1).json", 0o600, b"{}"),
        Entry::file("persona.json", 0o644, b""),
    ];
    let items: [Item<'_>; 5] = [
        ("images", 0o755, TICKS, None),
        ("keyring", 0o700, TICKS, None),
        ("keyring/secrets.json", 0o600, TICKS, Some(&hundred)),
        ("keyring/subkey(1).json", 0o600, TICKS, Some(b"{}")),
        ("persona.json", 0o644, TICKS, Some(b"")),
    ];
    // NTFS times hold what MS-DOS can't, before 1980 and after 2107: there it has its first and
    // last.
    let [before, after] = [1, 10_u64.pow(18)];
    vec![
        opens("empty", &[], &[]),
        opens("tree", &tree, &items),
        opens(
            "odd-names",
            &[file(" "), file("a\\b"), file("con.txt"), file("é"), file("🔑\u{200d}")],
            &[" ", "a\\b", "con.txt", "é", "🔑\u{200d}"]
                .map(|path| (path, 0o600, TICKS, Some(&b"xyz"[..]))),
        ),
        opens(
            "names-that-differ-by-case",
            &[file("KEY"), file("Key"), file("key")],
            &["KEY", "Key", "key"].map(|path| (path, 0o600, TICKS, Some(&b"xyz"[..]))),
        ),
        opens(
            "no-permissions",
            &[Entry::directory("d", 0), Entry::file("f", 0, b"xyz")],
            &[("d", 0, TICKS, None), ("f", 0, TICKS, Some(b"xyz"))],
        ),
        opens(
            "all-permissions",
            &[Entry::directory("d", 0o777), Entry::file("f", 0o777, b"xyz")],
            &[("d", 0o777, TICKS, None), ("f", 0o777, TICKS, Some(b"xyz"))],
        ),
        opens(
            "times-that-ms-dos-has-not",
            &[
                file("after").at(after, dos_date(2107, 12, 31), dos_time(23, 59, 58)),
                file("before").at(before, dos_date(1980, 1, 1), 0),
            ],
            &[("after", 0o600, after, Some(b"xyz")), ("before", 0o600, before, Some(b"xyz"))],
        ),
    ]
}

fn names() -> Vec<Case> {
    let long = "x".repeat(256);
    let deep = "d/".repeat(64) + "x";
    let cases: [(&str, &[u8]); 15] = [
        ("absolute", b"/etc/passwd"),
        ("drive", b"C:/x"),
        ("drive-alone", b"c:"),
        ("drive-with-backslash", b"C:\\x"),
        ("parent", b"../x"),
        ("parent-within", b"a/../x"),
        ("parent-at-the-end", b"a/.."),
        ("dot", b"./x"),
        ("no-component", b"a//x"),
        ("empty", b""),
        ("nul", b"a\0b"),
        ("escape", b"a\x1b[2J"),
        ("not-utf-8", b"\xff\xfe"),
        ("long-component", long.as_bytes()),
        ("deep", deep.as_bytes()),
    ];
    cases
        .map(|(name, path)| refused(&format!("name-{name}"), "name", &[file("x").named(path)]))
        .into()
}

fn trees() -> Vec<Case> {
    let directory = Entry::directory("a", 0o700);
    vec![
        refused("file-twice", "entry", &[file("a"), file("a")]),
        refused("directory-twice", "entry", &[directory.clone(), directory.clone()]),
        refused("file-and-directory", "entry", &[file("a"), directory.clone()]),
        refused("file-below-a-file", "entry", &[file("a"), file("a/b")]),
        refused("parent-not-listed", "entry", &[file("a/b")]),
        refused("parent-after-its-child", "entry", &[file("a/b"), directory]),
        refused("not-sorted", "entry", &[file("b"), file("a")]),
    ]
}

fn modes() -> Vec<Case> {
    let typed = |name: &str, mode: u32| {
        let mut entry = file("x");
        entry.central.external = mode << 16;
        refused(&format!("mode-{name}"), "entry", &[entry])
    };
    let mut slash = Entry::directory("x", 0o700);
    slash.central.external = 0o100_700 << 16;
    let mut low_bits = file("x");
    low_bits.central.external |= 1;
    vec![
        typed("symlink", 0o120_777),
        typed("fifo", 0o010_600),
        typed("device", 0o060_600),
        typed("socket", 0o140_600),
        typed("none", 0o600),
        typed("setuid", 0o104_755),
        typed("setgid", 0o102_755),
        typed("sticky", 0o101_777),
        typed("directory-without-slash", 0o040_700),
        refused("mode-file-with-slash", "entry", &[slash]),
        refused("mode-ms-dos-bits", "entry", &[low_bits]),
    ]
}

fn headers() -> Vec<Case> {
    /// What is changed in an entry of which all else is sound.
    type Change = fn(&mut Entry);
    let changes: [(&str, Change); 27] = [
        ("local-name", |it| it.local.name = b"y".into()),
        ("local-longer-name", |it| it.local.name = b"xx".into()),
        ("local-method", |it| it.local.method = 93),
        ("local-flags", |it| it.local.flags ^= 1 << 3),
        ("local-needed", |it| it.local.needed = 20),
        ("local-time", |it| it.local.time ^= 1),
        ("local-date", |it| it.local.date ^= 1),
        ("local-crc", |it| it.local.crc = it.central.crc),
        ("local-size", |it| it.local.size = 3),
        ("local-zip64", |it| it.local.zip64[0] = 3),
        ("local-ntfs", |it| it.local.ntfs[8] ^= 1),
        ("local-extra", |it| it.local.more_extra = vec![0x55, 0x54, 0, 0]),
        ("encrypted", |it| it.central.flags |= 1),
        ("unknown-flag", |it| it.central.flags |= 1 << 4),
        ("no-utf-8-flag", |it| {
            it.central.flags &= !(1 << 11);
            it.local.flags &= !(1 << 11);
        }),
        ("deflate", |it| (it.local.method, it.central.method) = (8, 8)),
        ("unknown-method", |it| (it.local.method, it.central.method) = (14, 14)),
        ("made-by", |it| it.central.made_by = 63),
        ("comment", |it| it.central.comment = b"hidden".into()),
        ("internal", |it| it.central.internal = 1),
        ("disk", |it| it.central.disk = 1),
        ("size-outside-zip64", |it| it.central.size = 3),
        ("position-outside-zip64", |it| it.central.position = 0),
        ("central-extra", |it| it.central.more_extra = vec![0x55, 0x54, 0, 0]),
        ("three-times", |it| {
            it.local.ntfs[16] ^= 1;
            it.central.ntfs[16] ^= 1;
        }),
        ("time-beside-ntfs", |it| {
            it.local.time ^= 1;
            it.central.time ^= 1;
        }),
        ("descriptor-crc", |it| it.descriptor[4] ^= 1),
    ];
    let case = |(name, change): &(&str, Change)| {
        let mut entry = file("x");
        change(&mut entry);
        // What shifts the bytes behind it shows as a table of contents that does not fit.
        let expect = match *name {
            "local-longer-name" | "local-extra" | "disk" => "archive",
            _ => "entry",
        };
        refused(&format!("header-{name}"), expect, &[entry])
    };
    changes.iter().map(case).collect()
}

fn layouts() -> Vec<Case> {
    let (a, b) = (file("a"), file("b"));
    let both = zip(&[a.clone(), b.clone()], End::default());
    let case = |name: &str, expect: &str, body: Vec<u8>| {
        Case::new("zip", format!("layout-{name}"), expect).body(body)
    };
    let end = |end: End| zip(&[a.clone(), b.clone()], end);
    let hidden = Entry { descriptor: [&a.descriptor[..], b"hidden"].concat(), ..a.clone() };
    let unlisted_content = Entry { is_written: false, claimed_position: Some(0), ..b.clone() };
    vec![
        case("bytes-before", "archive", [b"x", &both[..]].concat()),
        case("bytes-after", "archive", [&both[..], b"x"].concat()),
        case("cut", "archive", both[..both.len() - 1].to_vec()),
        case("twice", "archive", both.repeat(2)),
        case("no-bytes", "archive", Vec::new()),
        case("bytes-between", "archive", zip(&[hidden, b.clone()], End::default())),
        case("one-content-twice", "entry", zip(&[a.clone(), unlisted_content], End::default())),
        case("fewer-entries", "archive", end(End { entries: Some(3), ..End::default() })),
        case("more-entries", "archive", end(End { entries: Some(1), ..End::default() })),
        case("no-zip64-end", "archive", end(End { is_old: true, ..End::default() })),
        case("comment", "archive", end(End { comment: 1, ..End::default() })),
    ]
}

fn contents() -> Vec<Case> {
    let hundred = [b'x'; 100];
    let good = Entry::zstd("x", &hundred, HUNDRED_X);
    let mut crc = good.clone();
    crc.central.crc ^= 1;
    crc.descriptor[4] ^= 1;
    let frame = |name: &str, content: &[u8], frame: &[u8]| {
        refused(&format!("content-{name}"), "content", &[Entry::zstd("x", content, frame)])
    };
    let mut stored = file("x");
    stored.central.zip64[0] = 4;
    stored.descriptor[16] = 4;
    let mut directory = Entry::directory("d", 0o700);
    directory.content = b"xyz".into();
    directory.central.zip64[8] = 3;
    vec![
        refused("content-crc", "content", &[crc]),
        frame("larger", &hundred[1..], HUNDRED_X),
        frame("smaller", &[b'x'; 101], HUNDRED_X),
        frame("cut", &hundred, &HUNDRED_X[..9]),
        frame("two-frames", &hundred, &HUNDRED_X.repeat(2)),
        frame("bytes-after-the-frame", &hundred, &[HUNDRED_X, b"x"].concat()),
        frame("no-frame", &hundred, b"no frame"),
        frame("nothing", &hundred, b""),
        refused("content-stored-sizes", "entry", &[stored]),
        refused("content-of-a-directory", "entry", &[directory]),
    ]
}
