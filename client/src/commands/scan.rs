//! A directory as it is now: walked, hashed, and remembered by a sealed stat cache, so that files
//! whose size, times and inode stand need not be read again.

use std::path::Path;

use keybackup_protocol::PersonaId;
use rand08::rngs::OsRng;

use super::context::Session;
use crate::archive::{
    self, Dir, Excludes, Fingerprinted, Kind, Plan, Skipped, StatCache, Summary, Walk,
};
use crate::error::{Code, Failure};
use crate::keys;
use crate::records::{Content, Digest};
use crate::seal::object::{self, Binding};

/// How to scan.
#[derive(Debug, Clone, Default)]
pub(super) struct How {
    /// Globs that leave entries out.
    pub(super) excludes: Excludes,
    /// Leave special files out and name them, instead of stopping.
    pub(super) skip_special: bool,
    /// Read every file, whatever the cache says.
    pub(super) rehash: bool,
}

/// A directory, scanned.
pub(super) struct Scan {
    /// The directory, held open: what is packed is what was scanned.
    pub(super) root: Dir,
    /// Its entries and their hashes.
    pub(super) tree: Fingerprinted,
}

impl Scan {
    /// Of contents, names, modes and times.
    pub(super) fn fingerprint(&self) -> Digest {
        Digest::from(self.tree.summary.fingerprint)
    }
}

/// A directory, walked: what is in it, and nothing of the contents.
pub(super) struct Found {
    root: Dir,
    walk: Walk,
}

/// A directory that is to be packed.
pub(super) struct Source {
    /// The directory, held open: what is packed is what was seen.
    pub(super) root: Dir,
    /// What to pack.
    pub(super) plan: Plan,
    /// Number of files.
    pub(super) files: u64,
    /// Number of directories.
    pub(super) directories: u64,
    /// Sum of their sizes.
    pub(super) bytes: u64,
    /// What is left out.
    pub(super) special: Vec<Skipped>,
    /// Files that keep changing.
    pub(super) changing: Vec<String>,
    /// Its fingerprint and the hashes behind it, where it was read.
    pub(super) known: Option<(Digest, StatCache)>,
}

impl Found {
    fn counts(&self) -> (u64, u64, u64) {
        let entries = &self.walk.entries;
        let files = entries.iter().filter(|entry| entry.kind == Kind::File).count() as u64;
        let bytes = entries.iter().map(|entry| entry.size).sum();
        (files, entries.len() as u64 - files, bytes)
    }

    /// Whether it holds something else than `content` for certain, without a look into files.
    /// What is equal has the same number of files, directories and bytes.
    pub(super) fn differs(&self, content: &Content) -> bool {
        self.counts() != (content.files, content.directories, content.bytes)
    }
}

impl From<Found> for Source {
    fn from(found: Found) -> Self {
        let (files, directories, bytes) = found.counts();
        let Found { root, mut walk } = found;
        let special = std::mem::take(&mut walk.skipped);
        Self {
            root,
            plan: walk.into(),
            files,
            directories,
            bytes,
            special,
            changing: Vec::new(),
            known: None,
        }
    }
}

impl From<Scan> for Source {
    fn from(Scan { root, mut tree }: Scan) -> Self {
        let Summary { fingerprint, files, directories, bytes } = tree.summary;
        let known = Some((Digest::from(fingerprint), tree.cache.clone()));
        let special = std::mem::take(&mut tree.skipped);
        let changing = std::mem::take(&mut tree.changed);
        Self { root, plan: tree.into(), files, directories, bytes, special, changing, known }
    }
}

impl Session {
    /// Scans `directory`, with the stat cache of `persona` if there is one.
    pub(super) fn scan(
        &self,
        persona: Option<PersonaId>,
        directory: &Path,
        how: &How,
    ) -> Result<Scan, Failure> {
        self.read(find(directory, how)?, persona, directory, how)
    }

    /// Reads what was found in `directory` and the stat cache of `persona` does not know; once
    /// more from the walk on, if files changed under it.
    pub(super) fn read(
        &self,
        found: Found,
        persona: Option<PersonaId>,
        directory: &Path,
        how: &How,
    ) -> Result<Scan, Failure> {
        let cache = persona.and_then(|persona| self.load_cache(persona)).unwrap_or_default();
        let scan = read(found, how, &cache)?;
        if scan.tree.changed.is_empty() {
            Ok(scan)
        } else {
            read(find(directory, how)?, how, &cache)
        }
    }

    /// The stat cache of a persona; one that does not open is none, and costs only time.
    fn load_cache(&self, persona: PersonaId) -> Option<StatCache> {
        let sealed = self.profile.stat_cache(&persona)?;
        let (_, id) = object::head(&sealed).ok()?;
        let (vault_key, _) = self.vault.keyring.find(id)?;
        let binding = Binding::stat_cache(self.vault.account, persona);
        let bytes = object::open(&keys::stat_cache_key(vault_key), &binding, &sealed).ok()?;
        StatCache::from_bytes(&bytes).ok()
    }

    /// Seals and keeps the stat cache of a persona. Failing to costs only time.
    pub(super) fn save_cache(&self, persona: PersonaId, cache: &StatCache) {
        let key = keys::stat_cache_key(self.vault.keyring.active());
        let binding = Binding::stat_cache(self.vault.account, persona);
        if let Ok(sealed) = object::seal(&mut OsRng, &key, &binding, &cache.to_bytes()) {
            let _ = self.profile.save_stat_cache(&persona, &sealed);
        }
    }
}

/// Walks `directory`.
pub(super) fn find(directory: &Path, how: &How) -> Result<Found, Failure> {
    let root = Dir::open(directory)
        .map_err(|error| Failure::io(&error, format!("opening {}", directory.display())))?;
    let walk = archive::walk(&root, &how.excludes, how.skip_special)
        .map_err(|error| walk_failure(&error))?;
    Ok(Found { root, walk })
}

fn read(found: Found, how: &How, cache: &StatCache) -> Result<Scan, Failure> {
    let Found { root, walk } = found;
    let tree = archive::fingerprint(&root, walk, cache, how.rehash)
        .map_err(|error| Failure::of(Code::Io, &error))?;
    Ok(Scan { root, tree })
}

fn walk_failure(error: &archive::WalkError) -> Failure {
    use archive::WalkError;
    match error {
        WalkError::Special(_) => Failure::of(Code::SpecialFile, error)
            .hint("leave them out: --skip-special, --exclude GLOB, or a file .keybackupignore"),
        WalkError::Names(_) => {
            Failure::of(Code::NameRefused, error).hint("rename it, or leave it out: --exclude GLOB")
        }
        WalkError::Exclude(_) => Failure::of(Code::Usage, error),
        _ => Failure::of(Code::Io, error),
    }
}
