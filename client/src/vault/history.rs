//! All versions of a persona, from its labels. What each says is proven by the newest, which was
//! checked: every label names the one before by its hash. What that way does not lead to is not
//! the account's, whoever had the server keep it.

use std::collections::{HashMap, HashSet};

use keybackup_protocol::PersonaId;
use keybackup_protocol::api::ListedLabel;

use super::{Vault, VaultError};
use crate::marks::{Contradiction, Opened};
use crate::records::{Digest, Label, OpenedLabel};

/// Most labels of one persona that are looked at.
const MAX_LABELS: usize = 100_000;

/// One version of a persona.
#[derive(Debug, Clone)]
pub struct PastVersion {
    /// Its label.
    pub label: OpenedLabel,
    /// When it came, by the server's clock and word, in unix seconds.
    pub stored_at: i64,
    /// Whether the bytes that it names are there, by the server's word.
    pub bytes_held: bool,
}

/// Labels as they lie at the server.
pub(super) struct Labels {
    /// Those that open, with when they came.
    pub(super) opened: Vec<(OpenedLabel, i64)>,
    /// Versions whose bytes are held.
    held: HashSet<u64>,
}

impl Vault {
    /// Every version up to the newest of `opened`, the newest first. A label that is missing on the
    /// way, or says what it can't, is an error.
    pub fn history(
        &self,
        opened: &Opened,
        persona: PersonaId,
    ) -> Result<Vec<PastVersion>, VaultError> {
        let Some(listed) = opened.personas.get(&persona) else { return Ok(Vec::new()) };
        let newest = &listed.label;
        let Labels { opened: labels, held } = self.labels(persona, newest.label.version)?;
        let mut by_hash: HashMap<Digest, _> =
            labels.into_iter().map(|(label, stored_at)| (label.hash, (label, stored_at))).collect();
        let mut versions: Vec<PastVersion> = Vec::new();
        let mut next = Some(newest.hash);
        while let Some(hash) = next {
            let above = versions.last().map(|past| past.label.label.version);
            let found = by_hash.remove(&hash).filter(|(label, _)| {
                label.label.kind == newest.label.kind
                    && above.is_none_or(|above| label.label.version < above)
            });
            let Some((label, stored_at)) = found else {
                let (name, after) = (newest.label.name.clone(), 0);
                let version = above.unwrap_or(newest.label.version);
                let broken = Contradiction::ChainBroken { persona, name, version, after };
                return Err(Box::new(broken).into());
            };
            next = label.label.previous;
            let bytes_held = label.label.content_version.is_some_and(|it| held.contains(&it));
            versions.push(PastVersion { label, stored_at, bytes_held });
        }
        Ok(versions)
    }

    /// Fetches the labels of a persona up to a version, and opens what opens.
    pub(super) fn labels(&self, persona: PersonaId, last: u64) -> Result<Labels, VaultError> {
        let mut labels = Labels { opened: Vec::new(), held: HashSet::new() };
        let (mut next, mut count) = (1, 0);
        while next <= last {
            let page = self.remote.labels(&persona, next)?.labels;
            let Some(end) = page.last().map(|label| label.version) else { break };
            count += page.len();
            let rises = page.windows(2).all(|pair| pair[0].version < pair[1].version);
            if !rises || end < next || count > MAX_LABELS {
                return Err(Box::new(Contradiction::endless_chain(persona)).into());
            }
            // Above it is what came since the listing.
            for ListedLabel { version, label, stored_at, bytes_held } in
                page.into_iter().filter(|listed| listed.version <= last)
            {
                if bytes_held {
                    labels.held.insert(version);
                }
                let opened = Label::open(&self.keyring, self.account, persona, version, &label.0);
                labels.opened.extend(opened.ok().map(|label| (label, stored_at)));
            }
            next = end.saturating_add(1);
        }
        Ok(labels)
    }
}
