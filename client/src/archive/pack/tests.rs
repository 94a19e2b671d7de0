//! What is packed, and what is noticed of what changed.

use super::*;
use crate::archive::compress::Compressor;
use crate::archive::entry::Kind;
use crate::archive::exclude::Excludes;
use crate::archive::fingerprint::{Fingerprinted, fingerprint};
use crate::archive::packer::WHOLE_BYTES;
use crate::archive::testing::{Tree, fingerprinted};
use crate::archive::walk::{Walk, walk};
use crate::archive::zip::Method;

fn run(tree: &Tree, plan: Fingerprinted, changes: Changes) -> Result<Packed, PackError> {
    pack(&tree.root(), plan, changes, io::sink(), &mut |_| ())
}

#[test]
fn what_changed_since_the_fingerprint_stops_it_by_name() {
    type Change = fn(&Tree);
    let changes: [Change; 4] = [
        |tree| std::fs::write(tree.path("d/a"), "two").expect("written"),
        |tree| std::fs::remove_file(tree.path("d/a")).expect("removed"),
        |tree| {
            std::fs::remove_dir_all(tree.path("d")).expect("removed");
            std::os::unix::fs::symlink("e", tree.path("d")).expect("linked");
        },
        |tree| {
            let file = std::fs::File::open(tree.path("d/a")).expect("open");
            crate::archive::dir::set_mode(&file, 0o604).expect("set");
        },
    ];
    for change in changes {
        let tree = Tree::new().file("d/a", "one").file("e/a", "one");
        let plan = fingerprinted(&tree);
        change(&tree);
        let error = run(&tree, plan, Changes::Refuse).expect_err("it changed");
        assert!(matches!(error, PackError::Changed(paths) if paths.0 == ["d/a"]));
    }
}

#[test]
fn accepted_changes_are_packed_reported_and_in_the_summary() {
    let tree = Tree::new().file("a", "one").file("b", "two").file("c", "three");
    let plan = fingerprinted(&tree);
    std::fs::write(tree.path("a"), "other").expect("written");
    std::fs::remove_file(tree.path("b")).expect("removed");
    let packed = run(&tree, plan, Changes::Accept).expect("packed");
    assert_eq!(packed.changed, ["a", "b"]);
    assert_eq!(packed.summary, fingerprinted(&tree).summary);
}

fn walked(tree: &Tree) -> Walk {
    let mut walk = walk(&tree.root(), &Excludes::default(), false).expect("a plain tree");
    walk.started += std::time::Duration::from_secs(10);
    walk
}

#[test]
fn a_tree_that_was_only_walked_makes_the_same_bytes_summary_and_cache() {
    let mut tree = Tree::new().directory("d").file("large", "y".repeat(3 << 20));
    for n in 0..300 {
        tree = tree.file(&format!("many/{n}"), n.to_string().repeat(n * 8));
    }
    let known = fingerprint(&tree.root(), walked(&tree), &StatCache::default(), false);
    let known = known.expect("readable");
    let (summary, cache) = (known.summary, known.cache.clone());
    let mut zips = [Vec::new(), Vec::new()];
    let [one, other] = &mut zips;
    let root = tree.root();
    let first = pack(&root, known, Changes::Refuse, one, &mut |_| ()).expect("packed");
    let second = pack(&root, walked(&tree), Changes::Refuse, other, &mut |_| ());
    let second = second.expect("packed");
    assert!(zips[0] == zips[1]);
    assert_eq!((first.summary, second.summary), (summary, summary));
    assert!(first.cache == cache && second.cache == cache);
    assert_eq!(cache.len(), 301);
}

#[test]
fn what_changed_since_the_walk_stops_it_or_is_reported_and_not_remembered() {
    let tree = Tree::new().file("a", "one").file("b", "two").file("c", "three");
    let walks = [walked(&tree), walked(&tree)];
    std::fs::write(tree.path("a"), "eno").expect("written");
    std::fs::remove_file(tree.path("b")).expect("removed");
    let [first, second] = walks;
    let refused = pack(&tree.root(), first, Changes::Refuse, io::sink(), &mut |_| ());
    assert!(matches!(refused, Err(PackError::Changed(paths)) if paths.0 == ["a"]));
    let packed = pack(&tree.root(), second, Changes::Accept, io::sink(), &mut |_| ());
    let packed = packed.expect("packed");
    assert_eq!(packed.changed, ["a", "b"]);
    assert_eq!(packed.summary, fingerprinted(&tree).summary);
    assert_eq!(packed.cache.len(), 1);
}

#[test]
fn progress_counts_every_byte() {
    let tree = Tree::new().file("a", "one").file("b", "x".repeat(WHOLE_BYTES + 9));
    let mut total = 0;
    let plan = fingerprinted(&tree);
    let mut progress = |bytes| total += bytes;
    pack(&tree.root(), plan, Changes::Refuse, io::sink(), &mut progress).expect("packed");
    assert_eq!(total, WHOLE_BYTES as u64 + 12);
}

#[test]
fn a_failing_destination_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let tree = Tree::new().file("a", "one");
    let result = pack(&tree.root(), fingerprinted(&tree), Changes::Refuse, Full, &mut |_| ());
    assert!(matches!(result, Err(PackError::Write(_))));
}

/// One entry after the other, by one thread.
fn packed_in_order(tree: &Tree, items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = Writer::new(&mut bytes, Style::Sealed);
    let mut compressor = Compressor::new().expect("memory");
    let mut all_placed = Vec::new();
    for item in items {
        if item.kind == Kind::Directory {
            all_placed.push(zip.empty(meta(item, Placed::EMPTY)).expect("memory"));
            continue;
        }
        let content = std::fs::read(tree.path(&item.path)).expect("readable");
        let compressed = compressor.compress(&content).expect("memory").map(<[u8]>::to_vec);
        let method = if compressed.is_some() { Method::Zstd } else { Method::Stored };
        let crc = crc32fast::hash(&content);
        let kept = compressed.unwrap_or(content);
        let mut placed =
            Placed { method, crc, size: item.size, compressed: kept.len() as u64, header: 0 };
        placed.header = zip.begin(&meta(item, placed)).expect("memory");
        zip.content(&kept).expect("memory");
        zip.end(&meta(item, placed)).expect("memory");
        all_placed.push(placed);
    }
    for (item, placed) in items.iter().zip(all_placed) {
        zip.list(&meta(item, placed)).expect("memory");
    }
    zip.finish().expect("memory");
    bytes
}

#[test]
fn the_bytes_are_those_of_one_thread() {
    let mut tree = Tree::new().directory("d").file("empty", "");
    for n in 0..40_usize {
        let mut noise = vec![0; n * 9_001];
        blake3::Hasher::new().update(&[7]).finalize_xof().fill(&mut noise);
        tree = tree.file(&format!("noise/{n}"), noise);
        tree = tree.file(&format!("text/{n}"), format!("line {n}\n").repeat(n * 3_001));
    }
    let plan = fingerprinted(&tree);
    let expected = packed_in_order(&tree, plan.items());
    assert!(expected.len() > 6 << 20, "many runs: {}", expected.len());
    let mut zip = Vec::new();
    pack(&tree.root(), plan, Changes::Refuse, &mut zip, &mut |_| ()).expect("packed");
    assert!(zip == expected);
}
