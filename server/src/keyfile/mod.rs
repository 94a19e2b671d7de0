//! `server.key`: the secrets that a database is worth nothing without, in one 0600 file.
//!
//! JSON, version 1: the OPRF seed and, for ever with it, what finds and opens addresses and
//! codes; AKE key pairs by `setup_id`, newest last; and the key of tickets. Rotation may add a
//! pair and replace the ticket key, and nothing else: a new OPRF seed would break every record
//! and tell registered addresses from unknown ones.

mod file;
mod secret;

use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use keybackup_protocol::suite::{NoKsf, Suite1};
use keybackup_protocol::{AccountId, Address, put_lp};
use opaque_ke::ServerSetup;
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::store::{
    AddressTag, CodePurpose, CodeTag, DATABASE, InviteTag, NetworkTag, mark_beginning,
};
use secret::{AddressAeadKey, AddressHmacKey, CodeKey, OprfSeed, TicketKey};

/// The key file's name in the data directory, unless it lies elsewhere.
pub const KEY_FILE: &str = "server.key";

/// Length of a nonce of XChaCha20-Poly1305.
const NONCE_LEN: usize = 24;

/// The OPAQUE server of suite 1.
pub type OpaqueSetup = ServerSetup<Suite1<NoKsf>>;

/// Why the key file can't be used, or what it sealed can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// A database is there, and its key is not: a new key would make it worthless.
    #[error("{} is missing, and the database beside it needs it", .0.display())]
    Missing(PathBuf),
    /// Others could read it.
    #[error("{} must be a file of mode 0600, and has {mode:o}", path.display())]
    Permissions {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is no key file.
    #[error("{} is damaged", .0.display())]
    Malformed(PathBuf),
    /// A newer version of this program made it.
    #[error("{} has version {version}, which this version does not know", path.display())]
    Version {
        /// The key file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The system refused.
    #[error("{} can't be used", path.display())]
    Io {
        /// The key file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// What was to be opened was not sealed here, or for another purpose.
    #[error("not sealed by this server for this purpose")]
    Refused,
}

/// An AKE key pair with the OPRF seed.
pub struct Setup {
    id: u32,
    opaque: OpaqueSetup,
}

impl Setup {
    /// The number that records name it by.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The OPAQUE server that uses it.
    pub const fn opaque(&self) -> &OpaqueSetup {
        &self.opaque
    }
}

/// The server's secrets.
pub struct ServerKey {
    oprf_seed: OprfSeed,
    /// In the order of their ids; never empty.
    setups: Vec<Setup>,
    address_hmac: AddressHmacKey,
    address_aead: AddressAeadKey,
    ticket: TicketKey,
    code: CodeKey,
}

impl ServerKey {
    /// Opens the key file of a data directory (at `path`, if it lies elsewhere), or makes it when
    /// there is no database yet. Only for who serves the directory alone: what looks left over
    /// from a crash is removed.
    ///
    /// # Errors
    /// [`KeyFileError::Missing`] when there is a database without a key, and the rest as said
    /// there.
    pub fn open_or_create(data_dir: &Path, path: Option<&Path>) -> Result<Self, KeyFileError> {
        let path = path.map_or_else(|| data_dir.join(KEY_FILE), Path::to_owned);
        let io = |path: &Path, source| KeyFileError::Io { path: path.to_owned(), source };
        file::remove_staged(&path).map_err(|source| io(&path, source))?;
        if let Some(key) = file::read(&path)? {
            return Ok(key);
        }
        if data_dir.join(DATABASE).exists() {
            return Err(KeyFileError::Missing(path));
        }
        // Only with this mark does a store make its database: a key that was there before
        // belongs to one that is lost.
        mark_beginning(data_dir).map_err(|source| io(data_dir, source))?;
        file::create(&path)?;
        // Read back, also because another process may have been faster.
        file::read(&path)?.ok_or(KeyFileError::Missing(path))
    }

    /// Opens the key file of a data directory (at `path`, if it lies elsewhere), and makes
    /// nothing.
    ///
    /// # Errors
    /// [`KeyFileError::Missing`] when it is not there, and the rest as said there.
    pub fn open_existing(data_dir: &Path, path: Option<&Path>) -> Result<Self, KeyFileError> {
        let path = path.map_or_else(|| data_dir.join(KEY_FILE), Path::to_owned);
        file::read(&path)?.ok_or(KeyFileError::Missing(path))
    }

    /// What a database remembers its key by: a keyed hash over all that rotation leaves alone.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut secrets = Zeroizing::new(Vec::new());
        put_lp(&mut secrets, self.oprf_seed.bytes());
        put_lp(&mut secrets, self.address_hmac.bytes());
        put_lp(&mut secrets, self.address_aead.bytes());
        hmac(self.code.bytes(), &[b"fingerprint", &secrets])
    }

    /// The keyed hash by which an address is found.
    pub fn address_tag(&self, address: &Address) -> AddressTag {
        let mut mac = keyed(self.address_hmac.bytes());
        mac.update(address.as_bytes());
        AddressTag(mac.finalize().into_bytes().into())
    }

    /// The keyed hash by which an invitation code is found.
    pub fn invite_tag(&self, code: &[u8]) -> InviteTag {
        InviteTag(hmac(self.code.bytes(), &[b"invite", code]))
    }

    /// The keyed hash of a mailed code, with what it is good for.
    pub fn code_tag(&self, purpose: CodePurpose, address: AddressTag, code: &[u8]) -> CodeTag {
        let fields = [&b"mailed code"[..], purpose.name().as_bytes(), &address.0, code];
        CodeTag(hmac(self.code.bytes(), &fields))
    }

    /// Seals a letter of the outbox.
    ///
    /// # Errors
    /// [`KeyFileError::Random`].
    pub(crate) fn seal_letter(
        &self,
        id: &[u8; 16],
        letter: &[u8],
    ) -> Result<Vec<u8>, KeyFileError> {
        seal(self.address_aead.bytes(), &letter_binding(id), letter)
    }

    /// Opens a letter of the outbox.
    ///
    /// # Errors
    /// [`KeyFileError::Refused`] when it is another one's, or damaged.
    pub(crate) fn open_letter(
        &self,
        id: &[u8; 16],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        open(self.address_aead.bytes(), &letter_binding(id), sealed)
    }

    /// The keyed hash by which starts from a network are counted.
    pub(crate) fn network_tag(&self, network: &[u8]) -> NetworkTag {
        NetworkTag(hmac(self.code.bytes(), &[b"network", network]))
    }

    /// The keyed hash by which codes that a network asks for are counted.
    pub(crate) fn code_network_tag(&self, network: &[u8]) -> NetworkTag {
        NetworkTag(hmac(self.code.bytes(), &[b"network of codes", network]))
    }

    /// Seals the address of an account, for mailing.
    ///
    /// # Errors
    /// [`KeyFileError::Random`].
    pub fn seal_address(
        &self,
        account: AccountId,
        address: &Address,
    ) -> Result<Vec<u8>, KeyFileError> {
        seal(self.address_aead.bytes(), account.as_bytes(), address.as_bytes())
    }

    /// Opens the address of an account.
    ///
    /// # Errors
    /// [`KeyFileError::Refused`] when it is another account's, or damaged.
    pub fn open_address(&self, account: AccountId, sealed: &[u8]) -> Result<Address, KeyFileError> {
        let address = open(self.address_aead.bytes(), account.as_bytes(), sealed)?;
        let address = std::str::from_utf8(&address).map_err(|_| KeyFileError::Refused)?;
        address.parse().map_err(|_| KeyFileError::Refused)
    }

    /// Seals a ticket: state of the server that a client carries, good for one purpose.
    ///
    /// # Errors
    /// [`KeyFileError::Random`].
    pub fn seal_ticket(&self, purpose: &str, state: &[u8]) -> Result<Vec<u8>, KeyFileError> {
        seal(self.ticket.bytes(), purpose.as_bytes(), state)
    }

    /// Opens a ticket.
    ///
    /// # Errors
    /// [`KeyFileError::Refused`] when it was sealed elsewhere, for another purpose, or before
    /// the ticket key was replaced.
    pub fn open_ticket(
        &self,
        purpose: &str,
        ticket: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        open(self.ticket.bytes(), purpose.as_bytes(), ticket)
    }

    /// The key pair that new records are made with.
    ///
    /// # Panics
    /// Never: a key file without key pairs is refused when it is read.
    pub fn current_setup(&self) -> &Setup {
        self.setups.last().expect("reading refuses a key file without setups")
    }

    /// The key pair that a record was made with.
    pub fn setup(&self, id: u32) -> Option<&Setup> {
        self.setups.iter().find(|setup| setup.id == id)
    }
}

/// Longer than an account id, which sealed addresses are bound to.
fn letter_binding(id: &[u8; 16]) -> Vec<u8> {
    [&b"letter"[..], id].concat()
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// HMAC-SHA-256 over the length-prefixed fields.
fn hmac(key: &[u8; 32], fields: &[&[u8]]) -> [u8; 32] {
    let mut message = Zeroizing::new(Vec::new());
    for field in fields {
        put_lp(&mut message, field);
    }
    let mut mac = keyed(key);
    mac.update(&message);
    mac.finalize().into_bytes().into()
}

/// `nonce ‖ ciphertext` of XChaCha20-Poly1305.
fn seal(key: &[u8; 32], aad: &[u8], message: &[u8]) -> Result<Vec<u8>, KeyFileError> {
    let mut nonce = [0; NONCE_LEN];
    OsRng.try_fill_bytes(&mut nonce).map_err(|_| KeyFileError::Random)?;
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), Payload { msg: message, aad })
        .expect("messages are far shorter than the cipher's limit");
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyFileError::Refused)?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad })
        .map(Zeroizing::new)
        .map_err(|_| KeyFileError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (tempfile::TempDir, ServerKey) {
        let dir = tempfile::tempdir().expect("a directory");
        let key = ServerKey::open_or_create(dir.path(), None).expect("makes a key");
        (dir, key)
    }

    /// Holds rule 26.
    #[test]
    fn an_address_opens_for_its_account_only() {
        let (_dir, key) = key();
        let address: Address = "alice@example.org".parse().expect("an address");
        let account = AccountId::from_bytes([1; 16]);
        let sealed = key.seal_address(account, &address).expect("seals");
        assert!(key.open_address(account, &sealed).is_ok_and(|opened| opened == address));
        let other = AccountId::from_bytes([2; 16]);
        assert!(matches!(key.open_address(other, &sealed), Err(KeyFileError::Refused)));
    }

    #[test]
    fn a_ticket_opens_for_its_purpose_only_and_undamaged() {
        let (_dir, key) = key();
        let mut ticket = key.seal_ticket("login", b"state").expect("seals");
        assert_eq!(key.open_ticket("login", &ticket).expect("opens").as_slice(), b"state");
        assert!(key.open_ticket("registration", &ticket).is_err());
        for i in 0..ticket.len() {
            ticket[i] ^= 1;
            assert!(key.open_ticket("login", &ticket).is_err(), "byte {i}");
            ticket[i] ^= 1;
        }
        assert!(key.open_ticket("login", &ticket[..NONCE_LEN - 1]).is_err());
    }

    /// Holds rules 10 and 26.
    #[test]
    fn tags_are_keyed_and_kept_apart() {
        let ((_a, one), (_b, two)) = (key(), key());
        let address: Address = "alice@example.org".parse().expect("an address");
        assert!(one.address_tag(&address) == one.address_tag(&address));
        assert!(one.address_tag(&address) != two.address_tag(&address));
        assert!(one.invite_tag(b"code") != two.invite_tag(b"code"));
        assert!(one.invite_tag(b"code").0 != one.network_tag(b"code").0);
        assert!(one.invite_tag(b"fingerprint").0 != one.fingerprint());
        assert_ne!(one.fingerprint(), two.fingerprint());
    }

    /// Holds rule 34.
    #[test]
    fn it_is_no_thing_to_print_or_copy() {
        static_assertions::assert_not_impl_any!(ServerKey: Clone, std::fmt::Debug);
        static_assertions::assert_not_impl_any!(Setup: Clone, std::fmt::Debug);
        static_assertions::assert_not_impl_any!(OprfSeed: Clone, Copy, std::fmt::Debug);
        static_assertions::assert_not_impl_any!(TicketKey: Clone, Copy, std::fmt::Debug);
    }
}
