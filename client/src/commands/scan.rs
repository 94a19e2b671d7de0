//! A directory as it is now: walked, hashed, and remembered by a sealed stat cache, so that files
//! whose size, times and inode stand need not be read again.

use std::path::Path;

use keybackup_protocol::PersonaId;
use rand08::rngs::OsRng;

use super::context::Session;
use crate::archive::{self, Dir, Excludes, Fingerprinted, StatCache};
use crate::error::{Code, Failure};
use crate::keys;
use crate::records::Digest;
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

impl Session {
    /// Scans `directory`, with the stat cache of `persona` if there is one.
    pub(super) fn scan(
        &self,
        persona: Option<PersonaId>,
        directory: &Path,
        how: &How,
    ) -> Result<Scan, Failure> {
        let cache = persona.and_then(|persona| self.load_cache(persona)).unwrap_or_default();
        scan(directory, how, &cache)
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

/// Walks and hashes `directory`; once more, if files changed under it.
pub(super) fn scan(directory: &Path, how: &How, cache: &StatCache) -> Result<Scan, Failure> {
    let root = Dir::open(directory)
        .map_err(|error| Failure::io(&error, format!("opening {}", directory.display())))?;
    let mut tree = once(&root, how, cache)?;
    if !tree.changed.is_empty() {
        tree = once(&root, how, cache)?;
    }
    Ok(Scan { root, tree })
}

fn once(root: &Dir, how: &How, cache: &StatCache) -> Result<Fingerprinted, Failure> {
    let walk = archive::walk(root, &how.excludes, how.skip_special)
        .map_err(|error| walk_failure(&error))?;
    archive::fingerprint(root, walk, cache, how.rehash)
        .map_err(|error| Failure::of(Code::Io, &error))
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
