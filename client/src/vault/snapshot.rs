//! One look at the account: fetch the listing, open it, check it against what was seen.

use keybackup_protocol::api::Listing;
use keybackup_protocol::{PersonaId, UploadId};

use super::{Vault, VaultError};
use crate::marks::{self, Contradiction, Opened};
use crate::records::{Digest, Keyring};
use crate::remote::Fetched;

/// Most labels of one persona that a device which was away has to look at.
const MAX_CHAIN_LABELS: usize = 100_000;

/// What a device notes for itself beside its marks. Failing to note is no reason to stop.
pub trait Notes {
    /// The `ETag` and bytes of the last listing, so that an unchanged one need not travel again.
    /// They are what the server sent, and trusted no more than that.
    fn listing(&self) -> Option<(String, Vec<u8>)>;
    /// Replaces them.
    fn note_listing(&mut self, etag: &str, bytes: &[u8]);
    /// A label is about to be sent: should the process die before the answer, this tells the next
    /// one that what stands is its own.
    fn note_sent(&mut self, persona: PersonaId, label: Digest);
    /// The upload that was begun last, unless it was committed: it counts against the quota.
    fn upload(&self) -> Option<UploadId>;
    /// Replaces it.
    fn note_upload(&mut self, upload: Option<UploadId>);
}

/// The `ETag` and bytes of a new listing.
type ToKeep = (String, Vec<u8>);

impl Vault {
    /// The account as the server has it, authenticated and checked against this device's marks.
    ///
    /// On a contradiction it looks a second time, past every cache, and then stops: an honest
    /// server can have been read between two commits, a lying one has to lie twice alike.
    pub fn snapshot(&mut self, notes: &mut dyn Notes) -> Result<Opened, VaultError> {
        match self.look(notes, true) {
            Err(
                first @ (VaultError::Contradiction(_)
                | VaultError::Listing(_)
                | VaultError::Record(_)
                | VaultError::KeyringShrank),
            ) => match self.look(notes, false) {
                // No second look to be had: what the first one saw is what there is to tell.
                Err(VaultError::Remote(_)) => Err(first),
                second => second,
            },
            looked => looked,
        }
    }

    fn look(&mut self, notes: &mut dyn Notes, trust_etag: bool) -> Result<Opened, VaultError> {
        let (listing, fresh) = self.listing(notes, trust_etag)?;
        if listing.epoch != self.epoch {
            return Err(VaultError::OtherEpoch { held: self.epoch, served: listing.epoch });
        }
        if listing.keyring_version > self.keyring.version() {
            self.refresh_keyring()?;
        }
        let mut opened = Opened::open(&listing, &self.keyring, self.account)?;
        for need in marks::chains_needed(&self.state, &opened) {
            self.fetch_chain(&mut opened, &self.keyring, need.persona, need.from)?;
        }
        marks::check(&self.state, &opened).map_err(Box::new)?;
        if let Some((etag, bytes)) = fresh {
            notes.note_listing(&etag, &bytes);
        }
        Ok(opened)
    }

    /// The listing, and, when it is a new one, what to keep of it once it is known to be true.
    fn listing(
        &self,
        notes: &dyn Notes,
        trust_etag: bool,
    ) -> Result<(Listing, Option<ToKeep>), VaultError> {
        // A cache that does not parse is no cache.
        let cached = notes.listing().filter(|_| trust_etag).and_then(|(etag, bytes)| {
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

    /// Fetches the labels between what was seen and the newest, and opens them page by page: what
    /// does not open ends it, so a server can't have this device keep more than there truly is.
    pub(super) fn fetch_chain(
        &self,
        opened: &mut Opened,
        keyring: &Keyring,
        persona: PersonaId,
        from: u64,
    ) -> Result<(), VaultError> {
        let newest = opened.personas.get(&persona).map_or(0, |it| it.label.label.version);
        let (mut count, mut next) = (0, from);
        // Until the newest is there: a page may end early, by count or by size.
        while next <= newest {
            let page = self.remote.labels(&persona, next)?.labels;
            let Some(last) = page.last().map(|label| label.version) else { break };
            count += page.len();
            if last < next || count > MAX_CHAIN_LABELS {
                // A page that goes back, or a newest version out of reach: it would never end.
                return Err(Box::new(Contradiction::endless_chain(persona)).into());
            }
            opened.add_chain(persona, &page, keyring)?;
            next = last.saturating_add(1);
        }
        Ok(())
    }
}
