//! Whatever a tree holds comes back: contents, modes, times to 100 ns. And other programs can
//! read what we write.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Read as _};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::audit::Policy;
use super::entry::{Kind, Summary};
use super::export::export;
use super::testing::{Tree, audited, fingerprinted, packed, python, unpacked};
use super::time::Ticks;
use super::unpack::{unpack, verify};

/// What a generated tree has at a path: no content for a directory.
type Node = (Option<Vec<u8>>, u32, Ticks);

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{1,2}",
        1 => "[ -.0-~]{1,12}",
        1 => "\\PC{1,8}",
        1 => Just("é".repeat(127)),
        1 => Just("\u{65}\u{301}🦀 \u{202e}".to_owned()),
    ]
    .prop_map(|name| name.replace(['/', '\0'], "_"))
    .prop_filter("a name", |name| {
        super::names::validate(name.as_bytes()).is_ok() && name != ".keybackupignore"
    })
}

fn contents() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Vec::new())),
        3 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Some),
        1 => (any::<u8>(), 0_usize..200_000).prop_map(|(byte, size)| Some(vec![byte; size])),
    ]
}

fn trees() -> impl Strategy<Value = BTreeMap<String, Node>> {
    let time = (-2_000_000_000_i64..4_000_000_000, 0_u32..1_000_000_000);
    let time = time.prop_map(|(seconds, nanoseconds)| Ticks::from_unix(seconds, nanoseconds));
    let path = prop::collection::vec(names(), 1..5).prop_map(|names| names.join("/"));
    prop::collection::btree_map(path, (contents(), 0_u32..0o1000, time), 0..12)
}

/// Makes the tree; paths below what is a file already are left out.
fn make(nodes: &BTreeMap<String, Node>) -> Tree {
    let mut tree = Tree::new();
    for (path, (content, _, _)) in nodes {
        let is_below_file = path.match_indices('/').any(|(at, _)| tree.path(&path[..at]).is_file());
        if is_below_file || tree.path(path).exists() {
            continue;
        }
        tree = match content {
            Some(content) => tree.file(path, content),
            None => tree.directory(path),
        };
    }
    // Children first, as who isn't root must; and readable, for the same reason.
    for (path, (_, mode, mtime)) in nodes.iter().rev() {
        if let Ok(found) = fs::metadata(tree.path(path)) {
            let readable = if found.is_dir() { 0o500 } else { 0o400 };
            tree = tree.mode_and_time(path, mode | readable, *mtime);
        }
    }
    tree
}

fn assert_comes_back(tree: &Tree) {
    let before = fingerprinted(tree);
    let zip = packed(tree);
    assert_eq!(zip, packed(tree), "equal trees make equal bytes");
    let audited = audited(&zip, Policy::Ours).expect("ours");
    let restored = Tree::new();
    let written = AtomicU64::new(0);
    let count = |bytes| {
        written.fetch_add(bytes, Ordering::Relaxed);
    };
    let mut readers = [Cursor::new(&zip), Cursor::new(&zip)];
    let summary = unpack(&mut readers, &audited, &restored.root(), &count).expect("unpacked");
    let written = written.into_inner();
    assert_eq!(summary, before.summary);
    assert_eq!((audited.files, audited.directories), (summary.files, summary.directories));
    assert_eq!((audited.bytes, written), (summary.bytes, summary.bytes));
    let verified = verify(&mut [Cursor::new(&zip)], &audited, &|_| ()).expect("verified");
    assert_eq!(verified, summary);
    let after = fingerprinted(&restored);
    assert_eq!(after.items(), before.items());
    assert_eq!(after.summary, before.summary);
    assert_eq!(packed(&restored), zip);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_tree_comes_back(nodes in trees()) {
        assert_comes_back(&make(&nodes));
    }
}

/// Bytes that don't compress, the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A tree with all that is special to some program.
fn rich() -> Tree {
    let time = Ticks::from_unix(1_700_000_001, 123_456_700);
    Tree::new()
        .file("closed/secret.json", "{}")
        .file("closed/empty", "")
        .directory("closed/none")
        .file("ä ö/🦀.txt", "text ".repeat(50_000))
        .file("big.txt", "0123456789 and so on\n".repeat(200_000))
        .file("big.bin", noise(3_000_000))
        .file("small.bin", noise(100_000))
        .mode_and_time("closed/secret.json", 0o400, time)
        .mode_and_time("closed/none", 0o711, time)
        .mode_and_time("closed", 0o500, time)
        .mode_and_time("big.bin", 0o755, Ticks::from_unix(-1, 999_999_900))
}

#[test]
fn large_files_and_closed_directories_come_back() {
    assert_comes_back(&rich());
    assert_comes_back(&Tree::new());
}

#[test]
fn noise_is_stored_and_text_is_compressed() {
    let noisy = packed(&Tree::new().file("a", noise(3_000_000)).file("b", noise(1000)));
    assert!((3_001_000..3_002_500).contains(&noisy.len()), "{}", noisy.len());
    let text = packed(&Tree::new().file("a", "text ".repeat(1_000_000)).file("b", "x".repeat(999)));
    assert!(text.len() < 3_000, "{}", text.len());
}

#[test]
fn a_tree_of_ten_thousand_files_comes_back() {
    let mut tree = Tree::new();
    for n in 0..10_000 {
        tree = tree.file(&format!("{}/{n}", n % 7), n.to_string());
    }
    let restored = unpacked(&packed(&tree), Policy::Ours);
    assert_eq!(fingerprinted(&restored).summary, fingerprinted(&tree).summary);
}

#[test]
fn the_zip_crate_reads_ours() {
    let tree = rich();
    let mut archive = zip::ZipArchive::new(Cursor::new(packed(&tree))).expect("a zip");
    let items = fingerprinted(&tree);
    assert_eq!(archive.len(), items.items().len());
    for item in items.items() {
        let slash = if item.kind == Kind::Directory { "/" } else { "" };
        let mut entry = archive.by_name(&format!("{}{slash}", item.path)).expect("listed");
        let kind = if item.kind == Kind::Directory { 0o040_000 } else { 0o100_000 };
        assert_eq!(entry.unix_mode(), Some(kind | item.mode));
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("readable");
        if item.kind == Kind::File {
            assert_eq!(*blake3::hash(&content).as_bytes(), item.content);
        }
    }
}

/// Exports to a file; returns what was exported.
fn exported(tree: &Tree, to: &std::path::Path) -> Summary {
    let mut zip = Cursor::new(packed(tree));
    let mut out = io::BufWriter::new(fs::File::create(to).expect("created"));
    export(&mut zip, &mut out, &mut |_| ()).expect("exported")
}

#[test]
fn python_reads_an_export() {
    let (tree, out) = (rich(), Tree::new());
    assert_eq!(exported(&tree, &out.path("x.zip")), fingerprinted(&tree).summary);
    let script = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    for i in z.infolist():
        assert i.compress_type in (0, 8)
        print(i.filename, oct(i.external_attr >> 16), i.file_size, i.date_time)
    sys.stdout.flush()
    z.extractall(sys.argv[2])
";
    let listing = python(script, &[&out.path("x.zip"), &out.path("y")]);
    let listing = String::from_utf8(listing).expect("text");
    assert!(listing.contains("closed/ 0o40500 0 (2023, 11, 14, 22, 13, 20)"), "{listing}");
    assert!(listing.contains("closed/secret.json 0o100400 2 "), "{listing}");
    for item in fingerprinted(&tree).items().iter().filter(|item| item.kind == Kind::File) {
        let content = fs::read(out.path("y").join(&item.path)).expect("extracted");
        assert_eq!(*blake3::hash(&content).as_bytes(), item.content, "{}", item.path);
    }
}

#[test]
fn an_export_comes_back_by_import() {
    let (tree, out) = (rich(), Tree::new());
    exported(&tree, &out.path("x.zip"));
    let zip = fs::read(out.path("x.zip")).expect("there");
    let restored = unpacked(&zip, Policy::Foreign);
    assert_eq!(fingerprinted(&restored).items(), fingerprinted(&tree).items());
}
