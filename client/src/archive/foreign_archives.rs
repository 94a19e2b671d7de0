//! Zips as other programs write them can be imported: the old service's persona zips above all.

use std::io::Cursor;

use super::audit::{AuditError, EntryProblem, Policy};
use super::entry::Kind;
use super::testing::{Tree, audited, fingerprinted, forged, python, stored, unpacked};
use super::time::Ticks;
use super::unpack::unpack;
use super::zip::Meta;
use super::zip::headers::Style;

fn contents(tree: &Tree) -> Vec<(String, u32, u64)> {
    let items = fingerprinted(tree);
    items.items().iter().map(|item| (item.path.clone(), item.mode, item.size)).collect()
}

#[test]
fn pythons_zips_with_implied_directories() {
    // Deflated and stored, through a pipe (with data descriptors) and not, with zip64 and not.
    let script = "
import io, sys, zipfile
class Pipe(io.RawIOBase):
    def writable(self): return True
    def write(self, b): return sys.stdout.buffer.write(b)
pipe, zip64 = sys.argv[1] == 'pipe', sys.argv[2] == 'zip64'
memory = io.BytesIO()
with zipfile.ZipFile(Pipe() if pipe else memory, 'w') as z:
    for name, how in [('p/persona.json', 8), ('p/keyring/sub(é).json', 0), ('p/empty', 8)]:
        info = zipfile.ZipInfo(name, (2020, 2, 29, 1, 2, 4))
        info.compress_type = how
        info.external_attr = 0o640 << 16 if name.endswith('json') else 0
        with z.open(info, 'w', force_zip64=zip64) as f:
            f.write(b'' if 'empty' in name else b'{}' * 100)
sys.stdout.buffer.write(memory.getvalue())
";
    for pipe in ["pipe", "file"] {
        for zip64 in ["zip64", "short"] {
            let zip = python(script, &[pipe.as_ref(), zip64.as_ref()]);
            let table = audited(&zip, Policy::Foreign).expect("python's");
            assert_eq!((table.files, table.directories, table.bytes), (3, 2, 400));
            let tree = unpacked(&zip, Policy::Foreign);
            let expected = [
                ("p", 0o700, 0),
                ("p/empty", 0o600, 0),
                ("p/keyring", 0o700, 0),
                ("p/keyring/sub(é).json", 0o640, 200),
                ("p/persona.json", 0o640, 200),
            ];
            let found = contents(&tree);
            let found: Vec<_> =
                found.iter().map(|(p, mode, size)| (p.as_str(), *mode, *size)).collect();
            assert_eq!(found, expected);
            let time = fingerprinted(&tree).items()[4].mtime;
            assert_eq!(time, Ticks::from_unix(1_582_938_124, 0));
        }
    }
}

#[test]
fn a_single_directory_on_top_can_be_taken_off() {
    let files = ["p/a", "p/b/c"].map(|path| (stored(path, b"x"), &b"x"[..]));
    let zip = forged(Style::Plain, &files);
    let table = audited(&zip, Policy::Foreign).expect("good");
    assert_eq!(table.single_top(), Some("p"));
    let table = table.without_top();
    assert!(table.contains("b/c"));
    assert_eq!((table.files, table.directories, table.single_top()), (2, 1, None));
    let tree = Tree::new();
    unpack(&mut [Cursor::new(&zip)], &table, &tree.root(), &|_| ()).expect("unpacked");
    let found: Vec<_> = contents(&tree).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(found, ["a", "b", "b/c"]);

    let beside = forged(Style::Plain, &[files[0], (stored("q", b""), b"")]);
    let table = audited(&beside, Policy::Foreign).expect("good");
    assert_eq!(table.single_top(), None);
    assert_eq!(table.clone().without_top(), table);
    // A name that merely begins alike isn't below it.
    let alike = forged(Style::Plain, &[files[0], (stored("p2", b""), b"")]);
    assert_eq!(audited(&alike, Policy::Foreign).expect("good").single_top(), None);
}

#[test]
fn any_order_and_a_comment_are_fine() {
    let files = ["b", "a"].map(|path| (stored(path, path.as_bytes()), path.as_bytes()));
    let mut zip = forged(Style::Plain, &files);
    let length = zip.len();
    zip[length - 2] = 3;
    zip.extend_from_slice(b"hey");
    let tree = unpacked(&zip, Policy::Foreign);
    assert_eq!(std::fs::read(tree.path("a")).expect("there"), b"a");
    assert_eq!(std::fs::read(tree.path("b")).expect("there"), b"b");
}

/// Holds rule 18.
#[test]
fn a_comment_that_could_be_another_end_is_refused() {
    let inner = forged(Style::Plain, &[]);
    let mut zip = forged(Style::Plain, &[(stored("a", b"x"), b"x")]);
    let length = zip.len();
    zip[length - 2] = u8::try_from(inner.len()).expect("an end is 22 bytes");
    zip.extend_from_slice(&inner);
    assert!(matches!(audited(&zip, Policy::Foreign), Err(AuditError::Ambiguous)));
}

/// Holds rule 18.
#[test]
fn backslashes_of_other_systems_are_refused() {
    let script = "
import io, sys, zipfile
memory = io.BytesIO()
with zipfile.ZipFile(memory, 'w') as z:
    info = zipfile.ZipInfo('a')
    info.create_system = 0
    info.filename = 'a\\\\b'
    z.writestr(info, b'x')
sys.stdout.buffer.write(memory.getvalue())
";
    let error = audited(&python(script, &[]), Policy::Foreign).expect_err("ambiguous");
    let AuditError::Entry { path, problem: EntryProblem::Kind(_) } = error else {
        panic!("{error}")
    };
    assert_eq!(path, "a\\b");
    let ours = forged(Style::Plain, &[(stored("a\\b", b""), b"")]);
    assert!(audited(&ours, Policy::Foreign).is_ok());
}

#[test]
fn info_zips_pipes_tell_the_size_before_the_descriptor() {
    let good = forged(Style::Plain, &[(stored("a", b"xyz"), b"xyz")]);
    for (size, is_good) in [(0, true), (3, true), (4, false)] {
        let mut zip = good.clone();
        zip[22] = size;
        assert_eq!(audited(&zip, Policy::Foreign).is_ok(), is_good, "{size}");
    }
}

#[test]
fn ours_passes_as_foreign_but_not_the_other_way() {
    let entries = [(stored("a", b"x"), &b"x"[..])];
    assert!(audited(&forged(Style::Sealed, &entries), Policy::Foreign).is_ok());
    assert!(audited(&forged(Style::Plain, &entries), Policy::Ours).is_err());
    let directory = Meta { kind: Kind::Directory, ..stored("d", b"") };
    assert!(audited(&forged(Style::Plain, &[(directory, b"")]), Policy::Foreign).is_ok());
}
