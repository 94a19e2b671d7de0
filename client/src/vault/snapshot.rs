//! One look at the account: fetch the listing, open it, check it against what was seen.

use keybackup_protocol::api::{ListedLabel, Listing};
use keybackup_protocol::limits;

use super::{Vault, VaultError};
use crate::marks::{self, Contradiction, Opened};
use crate::remote::Fetched;

/// The last listing, kept on the device so that an unchanged one need not travel again.
/// It holds nothing but what the server sent, and is trusted no more than that.
pub trait ListingCache {
    /// The `ETag` and bytes of the last listing.
    fn load(&self) -> Option<(String, Vec<u8>)>;
    /// Replaces it. Failing to is no reason to stop.
    fn store(&mut self, etag: &str, bytes: &[u8]);
}

/// The `ETag` and bytes of a new listing.
type ToKeep = (String, Vec<u8>);

impl Vault {
    /// The account as the server has it, authenticated and checked against this device's marks.
    ///
    /// On a contradiction it looks a second time, past every cache, and then stops: an honest
    /// server can have been read between two commits, a lying one has to lie twice alike.
    pub fn snapshot(&mut self, cache: &mut dyn ListingCache) -> Result<Opened, VaultError> {
        match self.look(cache, true) {
            Err(
                first @ (VaultError::Contradiction(_)
                | VaultError::Listing(_)
                | VaultError::Record(_)
                | VaultError::KeyringShrank),
            ) => match self.look(cache, false) {
                // No second look to be had: what the first one saw is what there is to tell.
                Err(VaultError::Remote(_)) => Err(first),
                second => second,
            },
            looked => looked,
        }
    }

    fn look(
        &mut self,
        cache: &mut dyn ListingCache,
        trust_etag: bool,
    ) -> Result<Opened, VaultError> {
        let (listing, fresh) = self.listing(cache, trust_etag)?;
        if listing.epoch != self.epoch {
            return Err(VaultError::OtherEpoch { held: self.epoch, served: listing.epoch });
        }
        if listing.keyring_version > self.keyring.version() {
            self.refresh_keyring()?;
        }
        let mut opened = Opened::open(&listing, &self.keyring, self.account)?;
        for need in marks::chains_needed(&self.state, &opened) {
            self.fetch_chain(&mut opened, need.persona, need.from)?;
        }
        marks::check(&self.state, &opened).map_err(Box::new)?;
        if let Some((etag, bytes)) = fresh {
            cache.store(&etag, &bytes);
        }
        Ok(opened)
    }

    /// The listing, and, when it is a new one, what to keep of it once it is known to be true.
    fn listing(
        &self,
        cache: &dyn ListingCache,
        trust_etag: bool,
    ) -> Result<(Listing, Option<ToKeep>), VaultError> {
        // A cache that does not parse is no cache.
        let cached = cache.load().filter(|_| trust_etag).and_then(|(etag, bytes)| {
            Some((etag, serde_json::from_slice::<Listing>(&bytes).ok()?))
        });
        let etag = cached.as_ref().map(|(etag, _)| etag.as_str());
        match (self.remote.listing(etag)?, cached) {
            (Fetched::Unchanged, Some((_, listing))) => Ok((listing, None)),
            (Fetched::Unchanged, None) => {
                unreachable!("`listing` refuses a 304 it did not ask for")
            }
            (Fetched::Fresh { listing, bytes, etag }, _) => {
                Ok((*listing, etag.map(|etag| (etag, bytes))))
            }
        }
    }

    /// Fetches the labels between what was seen and the newest, page by page.
    fn fetch_chain(
        &self,
        opened: &mut Opened,
        persona: keybackup_protocol::PersonaId,
        from: u64,
    ) -> Result<(), VaultError> {
        let newest = opened.personas.get(&persona).map_or(0, |it| it.label.label.version);
        let mut labels = Vec::new();
        let mut next = from;
        // Until the newest is there: a page may end early, by count or by size.
        while labels.last().is_none_or(|last: &ListedLabel| last.version < newest) {
            let page = self.remote.labels(&persona, next)?.labels;
            let Some(last) = page.last().map(|label| label.version) else { break };
            if last < next || labels.len() > limits::MAX_PERSONAS {
                // A page that goes back, or a newest version out of reach: it would never end.
                return Err(Box::new(Contradiction::endless_chain(persona)).into());
            }
            labels.extend(page);
            next = last.saturating_add(1);
        }
        opened.add_chain(persona, &labels, &self.keyring)?;
        Ok(())
    }
}
