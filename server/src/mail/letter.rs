//! What the server writes to people: the facts of each letter, and no words yet. A letter is sealed
//! before it is stored, since there may be a code in it.

use rand08::RngCore as _;
use rand08::rngs::OsRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keyfile::{KeyFileError, ServerKey};
use crate::store::{CODE_TTL_S, MAIL_TTL_S, QueuedMail};

/// Room for a letter's facts.
const ROOM_BYTES: usize = 256;

/// One letter. No `Debug`: there are codes in some.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Letter {
    /// A code for a reset was asked for.
    ResetCode {
        /// As it is kept, without separators.
        code: String,
    },
    /// A code that confirms an address was asked for.
    ConfirmCode {
        /// As it is kept, without separators.
        code: String,
    },
    /// Somebody wants to register an address that has an account.
    AlreadyRegistered,
    /// The password was changed.
    PasswordChanged,
    /// The password was reset.
    ResetDone {
        /// Whether the recovery phrase was shown. Else all that was there is locked.
        with_phrase: bool,
        /// Personas that it locked.
        locked_personas: u64,
    },
    /// A reset was undone.
    ResetUndone,
    /// There is a new recovery phrase.
    RecoveryRotated,
    /// The account has another address.
    AddressChanged {
        /// Undoes it, for 7 days; for the old address alone.
        undo_code: Option<String>,
    },
    /// A change of the address was undone.
    AddressUndone,
    /// A device logged in that the account did not know.
    NewDevice,
    /// The account was deleted.
    AccountDeleted,
}

impl Letter {
    /// Its name in rows and logs.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::ResetCode { .. } => "reset_code",
            Self::ConfirmCode { .. } => "confirm_code",
            Self::AlreadyRegistered => "already_registered",
            Self::PasswordChanged => "password_changed",
            Self::ResetDone { .. } => "reset_done",
            Self::ResetUndone => "reset_undone",
            Self::RecoveryRotated => "recovery_rotated",
            Self::AddressChanged { .. } => "address_changed",
            Self::AddressUndone => "address_undone",
            Self::NewDevice => "new_device",
            Self::AccountDeleted => "account_deleted",
        }
    }

    /// For how long there is a point in sending it, in seconds.
    pub(crate) const fn ttl_s(&self) -> i64 {
        match self {
            Self::ResetCode { .. } | Self::ConfirmCode { .. } => CODE_TTL_S,
            _ => MAIL_TTL_S,
        }
    }

    /// Seals it for the outbox.
    pub(crate) fn seal(&self, key: &ServerKey) -> Result<QueuedMail, KeyFileError> {
        let mut id = [0; 16];
        OsRng.try_fill_bytes(&mut id).map_err(|_| KeyFileError::Random)?;
        // Room for the longest, so that a code is not left behind in a smaller buffer.
        let mut plain = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
        serde_json::to_writer(&mut *plain, self)
            .expect("strings and numbers are all that it holds");
        let sealed_body = key.seal_letter(&id, &plain)?;
        Ok(QueuedMail { id, kind: self.kind(), sealed_body })
    }

    /// Opens one of the outbox.
    pub(crate) fn open(
        key: &ServerKey,
        id: &[u8; 16],
        sealed: &[u8],
    ) -> Result<Self, KeyFileError> {
        serde_json::from_slice(&key.open_letter(id, sealed)?).map_err(|_| KeyFileError::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 26.
    #[test]
    fn a_letter_opens_as_what_it_was_sealed_as_and_only_under_its_id() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = ServerKey::open_or_create(dir.path(), None).expect("makes a key");
        let letter = Letter::ResetCode { code: "0123456789".to_owned() };
        let queued = letter.seal(&key).expect("seals");
        assert_eq!(queued.kind, "reset_code");
        assert!(!queued.sealed_body.windows(10).any(|bytes| bytes == b"0123456789"));
        let opened = Letter::open(&key, &queued.id, &queued.sealed_body);
        assert!(matches!(opened, Ok(Letter::ResetCode { code }) if code == "0123456789"));
        assert!(Letter::open(&key, &[0; 16], &queued.sealed_body).is_err());
    }
}
