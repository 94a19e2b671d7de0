//! All versions of a persona, from its labels. What each says is proven by the newest, which was
//! checked: every label names the one before by its hash.

use keybackup_protocol::PersonaId;

use super::{Vault, VaultError};
use crate::marks::{Contradiction, Opened};
use crate::records::{Label, OpenedLabel, RecordError};

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

impl Vault {
    /// Every version up to the newest of `opened`, the newest first. A label that is missing, of
    /// another chain, or does not open, is an error.
    pub fn history(
        &self,
        opened: &Opened,
        persona: PersonaId,
    ) -> Result<Vec<PastVersion>, VaultError> {
        let Some(listed) = opened.personas.get(&persona) else { return Ok(Vec::new()) };
        let newest = &listed.label;
        let name = newest.label.name.clone();
        let broken = |version, after| {
            let name = name.clone();
            Box::new(Contradiction::ChainBroken { persona, name, version, after })
        };
        let mut versions: Vec<PastVersion> = Vec::new();
        let (mut next, mut held) = (1, Vec::new());
        while next <= newest.label.version {
            let page = self.remote.labels(&persona, next)?.labels;
            let Some(last) = page.last().map(|label| label.version) else { break };
            if last < next || versions.len() + page.len() > MAX_LABELS {
                return Err(Box::new(Contradiction::endless_chain(persona)).into());
            }
            // Above the newest is what came since the listing.
            for listed in page.iter().filter(|listed| listed.version <= newest.label.version) {
                let (version, sealed) = (listed.version, &listed.label.0);
                let label = Label::open(&self.keyring, self.account, persona, version, sealed)
                    .map_err(|error: RecordError| VaultError::Record(error))?;
                let before = versions.last().map(|version| &version.label);
                let after = before.map_or(0, |before| before.label.version);
                let follows = label.label.previous == before.map(|before| before.hash);
                if !follows || version <= after || label.label.kind != newest.label.kind {
                    return Err(broken(version, after).into());
                }
                if listed.bytes_held {
                    held.push(version);
                }
                versions.push(PastVersion {
                    label,
                    stored_at: listed.stored_at,
                    bytes_held: false,
                });
            }
            next = last.saturating_add(1);
        }
        let last = versions.last().map(|version| &version.label);
        if last.is_none_or(|last| last.hash != newest.hash) {
            let after = last.map_or(0, |last| last.label.version);
            return Err(broken(newest.label.version, after).into());
        }
        for version in &mut versions {
            let content = version.label.label.content_version;
            version.bytes_held = content.is_some_and(|it| held.binary_search(&it).is_ok());
        }
        versions.reverse();
        Ok(versions)
    }
}
