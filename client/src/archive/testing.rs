//! Trees and zips for tests.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::audit::{AuditError, Audited, Policy, audit, audit_ours};
use super::dir::{self, Dir};
use super::entry::Kind;
use super::exclude::Excludes;
use super::fingerprint::{Fingerprinted, fingerprint};
use super::pack::{Changes, pack};
use super::stat_cache::StatCache;
use super::time::Ticks;
use super::unpack::unpack;
use super::walk::walk;
use super::zip::headers::Style;
use super::zip::writer::Writer;
use super::zip::{Meta, Method, Placed};

/// A directory that lasts as long as this.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn root(&self) -> Dir {
        Dir::open(self.0.path()).expect("the directory is there")
    }

    /// Writes a file, and makes its parents.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it lies in the tree")).expect("made");
        fs::write(path, content).expect("written");
        self
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        fs::create_dir_all(self.path(path)).expect("made");
        self
    }

    pub(crate) fn mode_and_time(self, path: &str, mode: u32, mtime: Ticks) -> Self {
        set(&self.path(path), mode, mtime);
        self
    }
}

impl Drop for Tree {
    /// Opens closed directories, so that they can be removed also by who isn't root.
    fn drop(&mut self) {
        let Some(name) = self.0.path().file_name() else { return };
        let Some(parent) = self.0.path().parent() else { return };
        if let Ok(parent) = Dir::open(parent) {
            let _ = parent.remove_tree(name);
        }
    }
}

fn set(path: &Path, mode: u32, mtime: Ticks) {
    let file = fs::File::open(path).expect("it opens");
    dir::set_mtime(&file, mtime).expect("set");
    dir::set_mode(&file, mode).expect("set");
}

pub(crate) fn fingerprinted(tree: &Tree) -> Fingerprinted {
    let walk = walk(&tree.root(), &Excludes::default(), false).expect("a plain tree");
    fingerprint(&tree.root(), walk, &StatCache::default(), false).expect("readable")
}

pub(crate) fn packed(tree: &Tree) -> Vec<u8> {
    let mut zip = Vec::new();
    let plan = fingerprinted(tree);
    let summary = plan.summary;
    let packed = pack(&tree.root(), plan, Changes::Refuse, &mut zip, &mut |_| ()).expect("packed");
    assert_eq!((packed.zip_bytes, packed.summary), (zip.len() as u64, summary));
    zip
}

pub(crate) fn audited(zip: &[u8], policy: Policy) -> Result<Audited, AuditError> {
    let result = audit(&mut Cursor::new(zip), policy, &policy.limits());
    if policy == Policy::Ours {
        let several = audit_ours(&mut [Cursor::new(zip), Cursor::new(zip)], &policy.limits());
        assert_eq!(format!("{several:?}"), format!("{result:?}"));
    }
    result
}

pub(crate) fn unpacked(zip: &[u8], policy: Policy) -> Tree {
    let audited = audited(zip, policy).expect("a good zip");
    let tree = Tree::new();
    unpack(&mut [Cursor::new(zip)], &audited, &tree.root(), &|_| ()).expect("unpacked");
    tree
}

/// A stored file as our zips have it, to be spoiled.
pub(crate) fn stored<'a>(path: &'a str, content: &[u8]) -> Meta<'a> {
    let size = content.len() as u64;
    let crc = crc32fast::hash(content);
    let placed = Placed { method: Method::Stored, crc, size, compressed: size, header: 0 };
    Meta { path, kind: Kind::File, mode: 0o600, mtime: Ticks::from_unix(1, 0), placed }
}

pub(crate) fn directory(path: &str) -> Meta<'_> {
    Meta { kind: Kind::Directory, mode: 0o700, ..stored(path, b"") }
}

/// A zip of these entries, stored one after the other, whatever they claim.
pub(crate) fn forged(style: Style, entries: &[(Meta<'_>, &[u8])]) -> Vec<u8> {
    let mut zip = Vec::new();
    let mut writer = Writer::new(&mut zip, style);
    let mut listed = Vec::new();
    for (meta, content) in entries {
        let header = writer.begin(meta).expect("memory");
        let meta = Meta { placed: Placed { header, ..meta.placed }, ..*meta };
        writer.content(content).expect("memory");
        writer.end(&meta).expect("memory");
        listed.push(meta);
    }
    for meta in &listed {
        writer.list(meta).expect("memory");
    }
    writer.finish().expect("memory");
    zip
}

/// What a Python script writes to its standard output.
pub(crate) fn python(script: &str, arguments: &[&Path]) -> Vec<u8> {
    let output = std::process::Command::new("python3")
        .arg("-c")
        .arg(script)
        .args(arguments)
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
