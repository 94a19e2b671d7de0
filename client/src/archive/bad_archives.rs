//! Every kind of bad archive is refused, by a typed error that names the entry, before anything
//! is written.

use std::io::Cursor;

use super::audit::{AuditError, EntryProblem, Limits, Policy, audit};
use super::content::{ContentError, Damage};
use super::entry::Kind;
use super::names::NameProblem;
use super::testing::{Tree, audited, directory, forged, packed, stored};
use super::unpack::{UnpackError, unpack, verify};
use super::zip::headers::Style;
use super::zip::{Meta, Method, Placed};

const BOTH: [(Style, Policy); 2] = [(Style::Sealed, Policy::Ours), (Style::Plain, Policy::Foreign)];

/// The problem and path that the audit of these entries ends with, under both policies.
fn problems(entries: &[(Meta<'_>, &[u8])]) -> Vec<(String, EntryProblem)> {
    let refuse = |(style, policy)| match audited(&forged(style, entries), policy) {
        Err(AuditError::Entry { path, problem }) => (path, problem),
        other => panic!("{policy:?}: {other:?}"),
    };
    BOTH.into_iter().map(refuse).collect()
}

fn assert_refused(entries: &[(Meta<'_>, &[u8])], path: &str, problem: EntryProblem) {
    for found in problems(entries) {
        assert_eq!(found, (path.to_owned(), problem));
    }
}

/// Holds rule 18.
#[test]
fn names() {
    let deep = "d/".repeat(64) + "x";
    let cases = [
        ("/etc/passwd", NameProblem::Absolute),
        ("C:/x", NameProblem::Absolute),
        ("../x", NameProblem::Component),
        ("a/../../x", NameProblem::Component),
        ("a/./x", NameProblem::Component),
        ("a//x", NameProblem::Component),
        ("a\0b", NameProblem::Control),
        ("a\u{1b}[2J", NameProblem::Control),
        ("", NameProblem::Empty),
        (&deep, NameProblem::TooDeep),
    ];
    for (path, expected) in cases {
        for (style, policy) in BOTH {
            let zip = forged(style, &[(stored(path, b"x"), b"x")]);
            let Err(AuditError::Name(error)) = audited(&zip, policy) else { panic!("{path}") };
            assert_eq!((error.name.as_str(), error.problem), (path, expected.clone()));
        }
    }
}

/// Holds rule 18.
#[test]
fn neither_files_nor_directories() {
    // The bits of a regular file and these make those of a symbolic link, a socket, a block
    // device.
    for bits in [0o020_000, 0o040_000] {
        let odd = Meta { mode: bits | 0o777, ..stored("odd", b"/etc") };
        assert_refused(&[(odd, b"/etc")], "odd", EntryProblem::Kind(0o100_777 | bits));
    }
    let file_with_slash = Meta { mode: 0o100_600, ..directory("x") };
    assert_refused(&[(file_with_slash, b"")], "x", EntryProblem::Kind(0o140_600));
    for bits in [0o4755, 0o2755, 0o1777] {
        let special = Meta { mode: bits, ..stored("su", b"") };
        assert_refused(&[(special, b"")], "su", EntryProblem::SpecialBits(bits));
    }
}

/// Holds rule 18.
#[test]
fn trees_that_are_none() {
    let (file, inner) = (stored("a", b""), stored("a/b", b""));
    assert_refused(&[(file, b""), (file, b"")], "a", EntryProblem::Duplicate);
    assert_refused(&[(directory("a"), b""), (file, b"")], "a", EntryProblem::Duplicate);
    assert_refused(&[(file, b""), (inner, b"")], "a", EntryProblem::FileAsDirectory);
    let ours =
        |entries: &[(Meta<'_>, &[u8])]| audited(&forged(Style::Sealed, entries), Policy::Ours);
    let missing = ours(&[(inner, b"")]).expect_err("not listed");
    assert_eq!(
        missing.to_string(),
        r#"the archive's entry "a/b" lies in a directory that is not listed"#
    );
    let unsorted = ours(&[(stored("b", b""), b""), (file, b"")]);
    assert!(matches!(unsorted, Err(AuditError::Entry { problem: EntryProblem::Unsorted, .. })));
}

/// Holds rules 2 and 19.
#[test]
fn sizes_that_cannot_be() {
    let mut larger = stored("a", b"xyz");
    larger.placed.size = 4;
    assert_refused(&[(larger, b"xyz")], "a", EntryProblem::Sizes);
    let full = Meta { kind: Kind::Directory, ..stored("d", b"xyz") };
    assert_refused(&[(full, b"xyz")], "d", EntryProblem::Sizes);
    let limits = Limits { entries: 2, file_bytes: 3, total_bytes: 5 };
    for (style, policy) in BOTH {
        let zip = |entries: &[(Meta<'_>, &[u8])]| {
            audit(&mut Cursor::new(forged(style, entries)), policy, &limits)
        };
        let file = |path| (stored(path, b"xyz"), &b"xyz"[..]);
        assert!(zip(&[file("a")]).is_ok());
        assert!(matches!(zip(&[file("a"), file("b")]), Err(AuditError::TooLarge { bytes: 6, .. })));
        let three = zip(&[file("a"), file("b"), file("c")]);
        assert!(matches!(three, Err(AuditError::TooManyEntries { count: 3, .. })));
        let large = zip(&[(stored("big", b"wxyz"), b"wxyz")]);
        let large = large.expect_err("too large").to_string();
        assert_eq!(large, r#"the archive's entry "big" unpacks to 4 bytes, more than 3"#);
    }
}

/// Position of the central directory of one of our zips, and of the records after it.
fn directory_of(zip: &[u8]) -> (usize, usize) {
    let end = zip.len() - 98;
    let bytes = zip[end + 48..end + 56].try_into().expect("eight bytes");
    (usize::try_from(u64::from_le_bytes(bytes)).expect("small"), end)
}

/// A small zip of ours, with bytes changed at some positions.
fn patched(patch: impl Fn(&mut [u8], usize, usize)) -> Result<super::Audited, AuditError> {
    let mut zip =
        forged(Style::Sealed, &[(stored("abc", b"xyz"), b"xyz"), (stored("b", b""), b"")]);
    assert!(audited(&zip, Policy::Ours).is_ok());
    let (directory, end) = directory_of(&zip);
    patch(&mut zip, directory, end);
    audited(&zip, Policy::Ours)
}

fn patched_problem(patch: impl Fn(&mut [u8], usize, usize)) -> EntryProblem {
    match patched(patch) {
        Err(AuditError::Entry { path, problem }) if path == "abc" => problem,
        other => panic!("{other:?}"),
    }
}

/// Holds rule 18.
#[test]
fn headers_that_contradict() {
    use EntryProblem as P;
    // In the central header flags are at 8, the method at 10; in the local one at 6, 8, the name
    // at 30.
    assert_eq!(patched_problem(|zip, directory, _| zip[directory + 8] |= 1), P::Encrypted);
    assert_eq!(patched_problem(|zip, directory, _| zip[directory + 9] |= 0x20), P::Encrypted);
    assert_eq!(patched_problem(|zip, directory, _| zip[directory + 8] |= 0x10), P::Flags(0x818));
    assert_eq!(patched_problem(|zip, directory, _| zip[directory + 10] = 14), P::Method(14));
    assert_eq!(patched_problem(|zip, directory, _| zip[directory + 10] = 8), P::Method(8));
    assert_eq!(patched_problem(|zip, directory, _| zip[directory + 36] = 1), P::NotOurs);
    for at in [6, 8, 14, 18, 22, 30, 33, 40] {
        assert_eq!(patched_problem(|zip, _, _| zip[at] ^= 1), P::LocalHeader, "byte {at}");
    }
}

/// Holds rule 18.
#[test]
fn counts_that_differ() {
    for count in [0, 1, 3] {
        let result = patched(|zip, _, end| {
            zip[end + 24] = count;
            zip[end + 32] = count;
        });
        assert!(
            matches!(result, Err(AuditError::Count { declared, .. }) if declared == u64::from(count))
        );
    }
    let result = patched(|zip, _, end| zip[end + 24] = 1);
    assert!(matches!(result, Err(AuditError::NoEnd)));
}

/// Holds rule 18.
#[test]
fn overlaps_and_gaps() {
    for (style, policy) in BOTH {
        let mut zip = Vec::new();
        let mut writer = super::zip::writer::Writer::new(&mut zip, style);
        let first = stored("a", b"xyz");
        writer.begin(&first).expect("memory");
        writer.content(b"xyz").expect("memory");
        writer.end(&first).expect("memory");
        writer.list(&first).expect("memory");
        writer.list(&Meta { path: "b", ..first }).expect("memory");
        writer.finish().expect("memory");
        let error = audited(&zip, policy).expect_err("two entries, one content");
        let found = matches!(&error, AuditError::Entry { problem: EntryProblem::Overlap, .. });
        assert!(found, "{policy:?}: {error}");

        // Bytes that nobody lists, after the content.
        let hidden = forged(style, &[(stored("a", b"xyz"), b"xyz and more")]);
        assert!(audited(&hidden, policy).is_err());
    }
}

/// Holds rule 18.
#[test]
fn garbage_around() {
    let zip = packed(&Tree::new().file("a", "x"));
    let garbage = |zip: Vec<u8>| {
        for policy in [Policy::Ours, Policy::Foreign] {
            assert!(audited(&zip, policy).is_err());
        }
    };
    garbage([b"x", &zip[..]].concat());
    garbage([&zip[..], b"x"].concat());
    garbage([&zip[..], &zip[..]].concat());
    garbage(b"not a zip, but long enough that it might be one, if one did not look".repeat(3));
    for length in 0..zip.len() {
        garbage(zip[..length].to_vec());
    }
}

/// Holds rule 18.
#[test]
fn every_flipped_bit_is_refused_or_seen_in_the_summary() {
    // Short enough to be stored: zstd has bits that mean nothing.
    let zip = packed(&Tree::new().file("a/b", "x".repeat(12)).file("c", "xyz").directory("d"));
    let summary = |zip: &[u8]| {
        let audited = audited(zip, Policy::Ours).ok()?;
        verify(&mut [Cursor::new(zip)], &audited, &|_| ()).ok()
    };
    let good = summary(&zip);
    assert!(good.is_some());
    for bit in 0..zip.len() * 8 {
        let mut flipped = zip.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(summary(&flipped), good, "bit {bit}");
    }
}

/// What unpacking an entry with this content and these claims ends with, and what was written.
fn damage(placed: Placed, content: &[u8]) -> (Damage, u64) {
    let zip = forged(Style::Plain, &[(Meta { placed, ..stored("bomb", b"") }, content)]);
    let audited = audited(&zip, Policy::Foreign).expect("the structure is good");
    let into = Tree::new();
    let result = unpack(&mut [Cursor::new(&zip)], &audited, &into.root(), &|_| ());
    let Err(UnpackError::Content(ContentError::Damaged { path, damage })) = result else {
        panic!("{result:?}")
    };
    assert_eq!(path, "bomb");
    (damage, std::fs::metadata(into.path("bomb")).expect("begun").len())
}

/// Holds rule 19.
#[test]
fn contents_are_held_to_what_was_declared() {
    let zeros = vec![0; 10_000_000];
    let bomb = zstd::bulk::compress(&zeros, 3).expect("memory");
    let good = Placed {
        method: Method::Zstd,
        crc: crc32fast::hash(&zeros),
        size: 10_000_000,
        compressed: bomb.len() as u64,
        header: 0,
    };
    let (what, written) = damage(Placed { size: 10, ..good }, &bomb);
    assert_eq!((what, written), (Damage::TooLong, 0));
    let (what, written) = damage(Placed { size: 1_000_000, ..good }, &bomb);
    assert_eq!(what, Damage::TooLong);
    assert!(written <= 1_000_000);
    assert_eq!(damage(Placed { size: 10_000_001, ..good }, &bomb).0, Damage::TooShort);
    assert_eq!(damage(Placed { crc: 1, ..good }, &bomb).0, Damage::Checksum);
    let cut = &bomb[..bomb.len() - 1];
    assert_eq!(damage(Placed { compressed: cut.len() as u64, ..good }, cut).0, Damage::TooShort);
    let twice = [&bomb[..], &bomb[..]].concat();
    assert_eq!(
        damage(Placed { compressed: twice.len() as u64, ..good }, &twice).0,
        Damage::Trailing
    );
    let noise = Placed { compressed: 4, ..good };
    assert_eq!(damage(noise, b"zzzz").0, Damage::Stream);
    assert_eq!(
        damage(Placed { method: Method::Deflate, ..noise }, b"\xff\xff\xff\xff").0,
        Damage::Stream
    );
    assert_eq!(damage(Placed { compressed: 0, ..good }, b"").0, Damage::TooShort);
}

/// Holds rules 2 and 19.
#[test]
fn a_window_that_takes_much_memory_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("memory");
    encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(27)).expect("allowed");
    std::io::Write::write_all(&mut encoder, &[0; 100]).expect("memory");
    let content = encoder.finish().expect("memory");
    let placed = Placed {
        method: Method::Zstd,
        crc: crc32fast::hash(&[0; 100]),
        size: 100,
        compressed: content.len() as u64,
        header: 0,
    };
    assert_eq!(damage(placed, &content).0, Damage::Stream);
}

/// Holds rule 18.
#[test]
fn a_link_in_the_way_is_not_followed() {
    let (into, outside) = (Tree::new(), Tree::new());
    std::os::unix::fs::symlink(outside.path(""), into.path("a")).expect("linked");
    let zip = forged(Style::Sealed, &[(directory("a"), b""), (stored("a/b", b"x"), b"x")]);
    let audited = audited(&zip, Policy::Ours).expect("good");
    assert!(unpack(&mut [Cursor::new(&zip)], &audited, &into.root(), &|_| ()).is_err());
    assert!(!outside.path("b").exists());
}
