//! Takes bytes as a zip: of ours, of somebody else, or its parts put into the headers of one. What
//! the audit takes unpacks to exactly what it said, or leaves nothing; no file lies outside of the
//! place for it; and the same tree comes out of every way that reads or rewrites the zip.

use std::error::Error;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use keybackup::archive::{
    Item, Kind, Limits, Placement, Policy, Summary, Ticks, audit, copy_entry, entries, export,
    items, repack, unpack, verify,
};

use super::foreign;
use super::input::Input;
use super::scratch::Scratch;
use super::terminal::assert_inert;

/// Small, so that a short input can't come to gigabytes.
const LIMITS: Limits = Limits { entries: 300, file_bytes: 1 << 20, total_bytes: 1 << 22 };

/// Runs one input. Its first byte says what the others are.
pub fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    match input.byte() % 3 {
        0 => zip(input.rest(), Policy::Ours),
        1 => zip(input.rest(), Policy::Foreign),
        _ => zip(&foreign::zip(input), Policy::Foreign),
    }
}

fn zip(bytes: &[u8], policy: Policy) -> bool {
    let zip = &mut Cursor::new(bytes);
    let audited = match audit(zip, policy, &LIMITS) {
        Ok(audited) => audited,
        Err(error) => {
            assert_told(&error);
            return false;
        }
    };
    assert!(audited.files + audited.directories <= LIMITS.entries);
    assert!(audited.bytes <= LIMITS.total_bytes);

    let verified = verify(std::slice::from_mut(zip), &audited, &|_| ());
    let scratch = Scratch::new();
    let place = scratch.path().join("one/two/three");
    let placement = Placement::prepare(&place).expect("there is room");
    let come = AtomicU64::new(0);
    let count = |bytes| {
        come.fetch_add(bytes, Ordering::Relaxed);
    };
    let mut readers = [zip.clone(), zip.clone()];
    let unpacked = unpack(&mut readers, &audited, placement.directory(), &count);
    assert!(come.into_inner() <= audited.bytes, "more than was declared");
    let above = place.parent().expect("it has one");
    let (summary, verified) = match (unpacked, verified) {
        (Ok(summary), Ok(verified)) => (summary, verified),
        (Err(error), Err(other)) => {
            assert_told(&error);
            assert_eq!(error.to_string(), other.to_string());
            drop(placement);
            assert_eq!(names(above), [""; 0], "something is left");
            return false;
        }
        (unpacked, verified) => panic!("{unpacked:?}, and without writing {verified:?}"),
    };
    assert_eq!(summary, verified);
    assert_eq!(
        (summary.files, summary.directories, summary.bytes),
        (audited.files, audited.directories, audited.bytes)
    );
    placement.commit().expect("nothing is in its place");
    assert_eq!(names(above), ["three"]);
    assert_eq!(names(scratch.path()), ["one"]);
    let tree = tree(&place);
    assert_eq!(Summary::of(&tree), summary, "on the disk");

    let mut ours = Vec::new();
    let repacked = repack(zip, &audited, &mut ours, &mut |_| ()).expect("it was read before");
    assert_eq!(repacked.summary, summary);
    assert_eq!(repacked.zip_bytes, ours.len() as u64);
    one_of_ours(&ours, &tree, summary);
    if policy == Policy::Ours {
        one_of_ours(bytes, &tree, summary);
    }
    true
}

/// Every way to read one of our zips gives the tree.
fn one_of_ours(bytes: &[u8], tree: &[Item], summary: Summary) {
    let zip = &mut Cursor::new(bytes);
    let audited = audit(zip, Policy::Ours, &LIMITS).expect("it is one");
    assert_eq!(verify(std::slice::from_mut(zip), &audited, &|_| ()).expect("it is one"), summary);
    assert_eq!(Summary::of(&items(zip).expect("it is one")), summary);
    let list = entries(zip).expect("it is one");
    assert_eq!(list.len(), tree.len());
    for (listed, item) in list.iter().zip(tree) {
        assert_eq!((&listed.path, listed.kind, listed.size), (&item.path, item.kind, item.size));
        let mut content = Vec::new();
        if copy_entry(zip, &listed.path, &mut content).is_ok() {
            assert_eq!(*blake3::hash(&content).as_bytes(), item.content);
        } else {
            assert_eq!(item.kind, Kind::Directory);
        }
    }
    let mut plain = Vec::new();
    assert_eq!(export(zip, &mut plain, &mut |_| ()).expect("it is one"), summary);
    let zip = &mut Cursor::new(plain);
    let audited = audit(zip, Policy::Foreign, &LIMITS).expect("anybody can read it");
    let read = verify(std::slice::from_mut(zip), &audited, &|_| ()).expect("anybody can read it");
    assert_eq!((read.files, read.bytes), (summary.files, summary.bytes));
}

/// Errors name what a stranger has named.
fn assert_told(error: &dyn Error) {
    assert_inert(&error.to_string());
    if let Some(source) = error.source() {
        assert_told(source);
    }
}

/// What lies in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it is there");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("readable").file_name();
    entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect()
}

/// Lets the owner read what a zip has closed.
fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// All below a directory, read by other means than the client's, sorted by path.
fn tree(root: &Path) -> Vec<Item> {
    let mut items = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        open(&directory, 0o700);
        for name in names(&directory) {
            let path = directory.join(name);
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            let below = path.strip_prefix(root).expect("it is below").to_str().expect("UTF-8");
            let below = below.to_owned();
            let nanoseconds = u32::try_from(metadata.mtime_nsec()).expect("below a second");
            let mtime = Ticks::from_unix(metadata.mtime(), nanoseconds);
            let mode = metadata.mode() & 0o7777;
            assert_eq!(mode & !0o777, 0, "{below}");
            if metadata.is_dir() {
                let (size, content) = (0, [0; 32]);
                items.push(Item { path: below, kind: Kind::Directory, mode, mtime, size, content });
                left.push(path);
            } else {
                assert!(metadata.is_file() && metadata.nlink() == 1, "{below}");
                open(&path, 0o600);
                let bytes = fs::read(&path).expect("readable");
                let (size, content) = (bytes.len() as u64, *blake3::hash(&bytes).as_bytes());
                items.push(Item { path: below, kind: Kind::File, mode, mtime, size, content });
            }
        }
    }
    items.sort_by(|one, other| one.path.cmp(&other.path));
    items
}
