//! Tickets: what the server must remember between two messages, sealed and carried by the
//! client, so that any replica can finish what another began.
//!
//! A ticket is sealed under the key file's ticket key with its purpose in the associated data.
//! It proves only that this server made it: single use is the attempt row's matter.

use keybackup_protocol::api::LoginPurpose;
use keybackup_protocol::{AccountId, Address, B64, DecodeError, EpochId, Reader};
use zeroize::Zeroizing;

use crate::keyfile::{KeyFileError, ServerKey};

/// Purpose of tickets that end in another password or epoch.
const RESET: &str = "reset";
/// Purpose of tickets that end in an account.
const REGISTRATION: &str = "registration";
/// Purpose of tickets that end in another address.
const ADDRESS: &str = "address";

/// What a login's ticket is sealed for.
const fn purpose_text(purpose: LoginPurpose) -> &'static str {
    match purpose {
        LoginPurpose::ChangePassword => "login change password",
        LoginPurpose::RotateRecovery => "login rotate recovery",
        LoginPurpose::UndoReset => "login undo reset",
        LoginPurpose::DeleteAccount => "login delete account",
        LoginPurpose::ChangeAddress => "login change address",
        LoginPurpose::Purge => "login purge",
        // Handlers refuse purposes that they don't know before there is a ticket.
        _ => "login session",
    }
}

/// Between `POST /login/start` and what the login is for: `/login/finish`, or a request that wants
/// a fresh login.
pub(crate) struct LoginTicket {
    /// What it is for. A ticket opens for nothing else.
    pub(crate) purpose: LoginPurpose,
    /// The attempt's row.
    pub(crate) attempt: [u8; 16],
    /// Whom a right KE3 logs in; none for the dummy record. Same length either way.
    pub(crate) subject: Option<Subject>,
    /// Unix seconds.
    pub(crate) expires_at: i64,
    /// AKE key pair whose public key a registration response beside KE2 held.
    pub(crate) registers_with: u32,
    /// OPAQUE's state.
    pub(crate) state: Zeroizing<Vec<u8>>,
}

/// The credential that a login began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) account: AccountId,
    pub(crate) epoch: EpochId,
    pub(crate) setup_id: u32,
    pub(crate) generation: u64,
}

impl LoginTicket {
    /// Seals it; unpadded base64url.
    pub(crate) fn seal(&self, key: &ServerKey) -> Result<String, KeyFileError> {
        let nobody = Subject {
            account: AccountId::from_bytes([0; 16]),
            epoch: EpochId::from_bytes([0; 16]),
            setup_id: 0,
            generation: 0,
        };
        let subject = self.subject.unwrap_or(nobody);
        let mut plain = Zeroizing::new(Vec::with_capacity(256));
        plain.extend_from_slice(&self.attempt);
        plain.push(u8::from(self.subject.is_some()));
        plain.extend_from_slice(subject.account.as_bytes());
        plain.extend_from_slice(subject.epoch.as_bytes());
        plain.extend_from_slice(&subject.setup_id.to_be_bytes());
        plain.extend_from_slice(&subject.generation.to_be_bytes());
        plain.extend_from_slice(&self.expires_at.to_be_bytes());
        plain.extend_from_slice(&self.registers_with.to_be_bytes());
        plain.extend_from_slice(&self.state);
        Ok(B64(key.seal_ticket(purpose_text(self.purpose), &plain)?).to_text())
    }

    /// Opens one for this purpose that holds at `now`; `None` for everything else.
    pub(crate) fn open(
        key: &ServerKey,
        purpose: LoginPurpose,
        text: &str,
        now: i64,
    ) -> Option<Self> {
        let plain = key.open_ticket(purpose_text(purpose), &B64::from_text(text)?.0).ok()?;
        Self::decode(purpose, &plain).ok().filter(|ticket| now < ticket.expires_at)
    }

    fn decode(purpose: LoginPurpose, plain: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(plain);
        let attempt = reader.array()?;
        let [known] = reader.array()?;
        let subject = Subject {
            account: AccountId::from_bytes(reader.array()?),
            epoch: EpochId::from_bytes(reader.array()?),
            setup_id: reader.u32()?,
            generation: reader.u64()?,
        };
        let expires_at = i64::from_be_bytes(reader.array()?);
        let registers_with = reader.u32()?;
        let state = Zeroizing::new(reader.rest().to_vec());
        let subject = (known == 1).then_some(subject);
        Ok(Self { purpose, attempt, subject, expires_at, registers_with, state })
    }
}

/// Between `POST /accounts/start` and `/accounts`.
pub(crate) struct RegistrationTicket {
    /// The attempt's row.
    pub(crate) attempt: [u8; 16],
    /// AKE key pair whose public key the response held.
    pub(crate) setup_id: u32,
    /// Unix seconds.
    pub(crate) expires_at: i64,
    /// Whether an invitation was shown, which the finish spends.
    pub(crate) invited: bool,
    /// Keyed hash of the mailed code that was shown, which the finish uses up.
    pub(crate) confirmation: Option<[u8; 32]>,
    /// Address that the OPRF was evaluated for.
    pub(crate) address: Address,
}

impl RegistrationTicket {
    /// Seals it; unpadded base64url.
    pub(crate) fn seal(&self, key: &ServerKey) -> Result<String, KeyFileError> {
        Ok(B64(key.seal_ticket(REGISTRATION, &self.encode())?).to_text())
    }

    fn encode(&self) -> Vec<u8> {
        let mut plain = Vec::with_capacity(64);
        plain.extend_from_slice(&self.attempt);
        plain.extend_from_slice(&self.setup_id.to_be_bytes());
        plain.extend_from_slice(&self.expires_at.to_be_bytes());
        plain.push(u8::from(self.invited));
        plain.push(u8::from(self.confirmation.is_some()));
        plain.extend_from_slice(&self.confirmation.unwrap_or_default());
        plain.extend_from_slice(self.address.as_bytes());
        plain
    }

    /// Opens one that this server made; `None` for everything else. Expiry is the attempt row's
    /// matter here: a repeated finish must still be told that it succeeded.
    pub(crate) fn open(key: &ServerKey, text: &str) -> Option<Self> {
        Self::decode(&key.open_ticket(REGISTRATION, &B64::from_text(text)?.0).ok()?)
    }

    fn decode(plain: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(plain);
        let (attempt, setup_id) = (reader.array().ok()?, reader.u32().ok()?);
        let expires_at = i64::from_be_bytes(reader.array().ok()?);
        let [invited, confirmed] = reader.array().ok()?;
        let tag = reader.array().ok()?;
        let address = std::str::from_utf8(reader.rest()).ok()?.parse().ok()?;
        let (invited, confirmation) = (invited == 1, (confirmed == 1).then_some(tag));
        Some(Self { attempt, setup_id, expires_at, invited, confirmation, address })
    }
}

/// Between `POST /account/email/start` and `PUT /account/email`.
pub(crate) struct AddressTicket {
    /// Whose address it is to be.
    pub(crate) account: AccountId,
    /// As for an account with that address.
    pub(crate) registration: RegistrationTicket,
}

impl AddressTicket {
    /// Seals it; unpadded base64url.
    pub(crate) fn seal(&self, key: &ServerKey) -> Result<String, KeyFileError> {
        let mut plain = self.account.as_bytes().to_vec();
        plain.extend_from_slice(&self.registration.encode());
        Ok(B64(key.seal_ticket(ADDRESS, &plain)?).to_text())
    }

    /// Opens one that this server made for this account; `None` for everything else. Expiry is the
    /// attempt row's matter.
    pub(crate) fn open(key: &ServerKey, account: AccountId, text: &str) -> Option<Self> {
        let plain = key.open_ticket(ADDRESS, &B64::from_text(text)?.0).ok()?;
        let mut reader = Reader::new(&plain);
        let of = AccountId::from_bytes(reader.array().ok()?);
        let registration = RegistrationTicket::decode(reader.rest())?;
        (of == account).then_some(Self { account, registration })
    }
}

/// Between `POST /password/reset/start` and `/password/reset`.
pub(crate) struct ResetTicket {
    /// The attempt's row.
    pub(crate) attempt: [u8; 16],
    /// AKE key pair whose public key the response held.
    pub(crate) setup_id: u32,
    /// The account.
    pub(crate) account: AccountId,
    /// Keyed hash of its address.
    pub(crate) address: [u8; 32],
    /// Keyed hash of the code.
    pub(crate) code: [u8; 32],
    /// Personas that a reset without phrase locks.
    pub(crate) would_lock: u64,
    /// The epoch whose phrase was proven.
    pub(crate) proven: Option<Proof>,
}

/// A phrase that was proven when a reset began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) epoch: EpochId,
    pub(crate) verifier: [u8; 32],
    /// Of the password.
    pub(crate) generation: u64,
}

impl ResetTicket {
    /// Seals it; unpadded base64url.
    pub(crate) fn seal(&self, key: &ServerKey) -> Result<String, KeyFileError> {
        let mut plain = Vec::with_capacity(192);
        plain.extend_from_slice(&self.attempt);
        plain.extend_from_slice(&self.setup_id.to_be_bytes());
        plain.extend_from_slice(self.account.as_bytes());
        plain.extend_from_slice(&self.address);
        plain.extend_from_slice(&self.code);
        plain.extend_from_slice(&self.would_lock.to_be_bytes());
        if let Some(proof) = &self.proven {
            plain.extend_from_slice(proof.epoch.as_bytes());
            plain.extend_from_slice(&proof.verifier);
            plain.extend_from_slice(&proof.generation.to_be_bytes());
        }
        Ok(B64(key.seal_ticket(RESET, &plain)?).to_text())
    }

    /// Opens one that this server made; `None` for everything else. Expiry is the attempt row's
    /// matter.
    pub(crate) fn open(key: &ServerKey, text: &str) -> Option<Self> {
        let plain = key.open_ticket(RESET, &B64::from_text(text)?.0).ok()?;
        Self::decode(&plain).ok()
    }

    fn decode(plain: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(plain);
        let mut ticket = Self {
            attempt: reader.array()?,
            setup_id: reader.u32()?,
            account: AccountId::from_bytes(reader.array()?),
            address: reader.array()?,
            code: reader.array()?,
            would_lock: reader.u64()?,
            proven: None,
        };
        let rest = reader.rest();
        if !rest.is_empty() {
            let mut reader = Reader::new(rest);
            let epoch = EpochId::from_bytes(reader.array()?);
            let (verifier, generation) = (reader.array()?, reader.u64()?);
            ticket.proven = Some(Proof { epoch, verifier, generation });
        }
        Ok(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject {
        account: AccountId::from_bytes([1; 16]),
        epoch: EpochId::from_bytes([2; 16]),
        setup_id: 3,
        generation: 4,
    };

    fn key() -> ServerKey {
        let dir = tempfile::tempdir().expect("a directory");
        ServerKey::open_or_create(dir.path(), None).expect("makes a key")
    }

    fn login(subject: Option<Subject>) -> LoginTicket {
        let state = Zeroizing::new(b"state".to_vec());
        let (purpose, registers_with) = (LoginPurpose::ChangePassword, 6);
        LoginTicket { purpose, attempt: [5; 16], subject, expires_at: 1000, registers_with, state }
    }

    #[test]
    fn a_login_ticket_says_what_was_sealed_until_it_expires() {
        let (key, purpose) = (key(), LoginPurpose::ChangePassword);
        let texts = [Some(SUBJECT), None].map(|subject| {
            let text = login(subject).seal(&key).expect("seals");
            let opened = LoginTicket::open(&key, purpose, &text, 999).expect("it holds");
            assert_eq!((opened.attempt, opened.subject), ([5; 16], subject));
            assert_eq!((opened.expires_at, opened.state.as_slice()), (1000, &b"state"[..]));
            assert_eq!((opened.purpose, opened.registers_with), (purpose, 6));
            assert!(LoginTicket::open(&key, purpose, &text, 1000).is_none(), "it is over");
            let other = LoginTicket::open(&key, LoginPurpose::Session, &text, 999);
            assert!(other.is_none(), "it is for something else");
            text
        });
        assert_eq!(texts[0].len(), texts[1].len(), "known or not");
        assert!(LoginTicket::open(&key, purpose, "no ticket", 999).is_none());
    }

    #[test]
    fn a_registration_ticket_says_what_was_sealed_and_is_no_login_ticket() {
        let key = key();
        let address: Address = "alice@example.org".parse().expect("an address");
        for (invited, confirmation) in [(false, None), (true, Some([9; 32]))] {
            let ticket = RegistrationTicket {
                attempt: [5; 16],
                setup_id: 3,
                expires_at: 1000,
                invited,
                confirmation,
                address: address.clone(),
            };
            let text = ticket.seal(&key).expect("seals");
            let opened = RegistrationTicket::open(&key, &text).expect("it opens");
            assert_eq!((opened.attempt, opened.setup_id), ([5; 16], 3));
            assert_eq!((opened.expires_at, opened.invited), (1000, invited));
            assert_eq!(opened.confirmation, confirmation);
            assert!(opened.address == address);
            assert!(LoginTicket::open(&key, LoginPurpose::Session, &text, 0).is_none());
        }
        let text = login(Some(SUBJECT)).seal(&key).expect("seals");
        assert!(RegistrationTicket::open(&key, &text).is_none());
    }
}
