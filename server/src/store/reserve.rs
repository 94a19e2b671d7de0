//! Bytes that are on their way into parts, by account: they count to the quota before any row
//! does. Kept in memory, since a part that a stopped process was writing is nothing but an orphan.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keybackup_protocol::AccountId;

/// What a part counts for: its file takes a block and an inode, however few its bytes are.
pub(crate) fn file_bytes(bytes: u64) -> u64 {
    bytes.max(4096).saturating_add(256)
}

/// What is on its way. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Reserved(Arc<Mutex<HashMap<String, Reservation>>>);

struct Reservation {
    account: AccountId,
    bytes: u64,
    writing: bool,
}

impl Reserved {
    /// Reserves bytes for a part, if the account then holds at most `room_bytes` that are on
    /// their way; false, and nothing reserved, if not.
    pub(crate) fn add(&self, part: &str, account: AccountId, bytes: u64, room_bytes: u64) -> bool {
        let mut parts = self.parts();
        if taken_bytes(&parts, account).saturating_add(bytes) > room_bytes {
            return false;
        }
        parts.insert(part.to_owned(), Reservation { account, bytes, writing: true });
        true
    }

    /// What is reserved for an account.
    pub(crate) fn of(&self, account: AccountId) -> u64 {
        taken_bytes(&self.parts(), account)
    }

    /// Notes that a part is whole, and waits for a row to name it.
    pub(crate) fn finished(&self, part: &str) {
        if let Some(reservation) = self.parts().get_mut(part) {
            reservation.writing = false;
        }
    }

    /// Whether a part is whole, and no row names it yet.
    pub(crate) fn is_finished(&self, part: &str) -> bool {
        self.parts().get(part).is_some_and(|reservation| !reservation.writing)
    }

    /// Gives the bytes back: a row counts them now, or they are gone.
    pub(crate) fn remove(&self, part: &str) {
        self.parts().remove(part);
    }

    /// Whether a part is still being written.
    pub(crate) fn is_writing(&self, part: &str) -> bool {
        self.parts().get(part).is_some_and(|reservation| reservation.writing)
    }

    // A map is whole after every one of these calls, so a panic elsewhere leaves it usable.
    fn parts(&self) -> MutexGuard<'_, HashMap<String, Reservation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn taken_bytes(parts: &HashMap<String, Reservation>, account: AccountId) -> u64 {
    let own = parts.values().filter(|reservation| reservation.account == account);
    own.fold(0, |sum, reservation| sum.saturating_add(reservation.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 35.
    #[test]
    fn counts_by_account_and_gives_back() {
        let (a, b) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let reserved = Reserved::default();
        assert!(reserved.add("1", a, 60, 100));
        assert!(!reserved.add("2", a, 41, 100));
        assert!(reserved.add("2", a, 40, 100));
        assert!(reserved.add("3", b, 100, 100));
        reserved.finished("1");
        assert!(!reserved.is_writing("1") && reserved.is_writing("2"));
        assert!(reserved.is_finished("1") && !reserved.is_finished("2"));
        assert!(!reserved.add("4", a, 1, 100), "a finished part still counts");
        reserved.remove("1");
        assert!(!reserved.is_finished("1"));
        assert!(reserved.add("4", a, 60, 100));
    }
}
