//! Accounts as a whole: their end, and what the operator's commands ask for.

use keybackup_protocol::AccountId;

use super::{AddressChange, AddressTag, AddressUndo, ProvenLogin, QueuedMail, StoreError};

/// How an operator names an account.
#[derive(Clone, Copy)]
pub enum AccountName {
    /// By its address.
    Address(AddressTag),
    /// By its id.
    Id(AccountId),
}

/// What an operator sees of an account.
pub struct AccountEntry {
    /// Its id.
    pub account: AccountId,
    /// Its address, sealed.
    pub sealed_address: Vec<u8>,
    /// When it was made.
    pub created_at: i64,
    /// When a device last logged in.
    pub last_login_at: Option<i64>,
    /// Since when it is disabled.
    pub disabled_at: Option<i64>,
    /// When its current epoch was closed.
    pub closed_at: Option<i64>,
    /// When the last of what was deleted goes.
    pub purge_at: Option<i64>,
    /// What its current epoch holds.
    pub held: Held,
    /// What its other epochs hold.
    pub locked: Held,
}

impl AccountEntry {
    /// Whether it was deleted with nothing locked in it, so that its address is free.
    pub const fn is_nameless(&self) -> bool {
        self.sealed_address.is_empty()
    }
}

/// The end of an account, by who has proven the password.
pub struct AccountDeletion {
    /// Proof of the password, of the session's account and epoch.
    pub login: ProvenLogin,
    /// The session that asks; none where the same is asked again, since it has ended.
    pub session: Option<i64>,
    /// Tells the owner, at the address that the account has until then.
    pub mail: QueuedMail,
    /// Now.
    pub now: i64,
}

/// What became of a deleted account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// When what it held is purged.
    pub held_until: i64,
    /// Personas that stay, locked in other epochs.
    pub locked_personas: u64,
}

/// What epochs hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Personas, removed ones included.
    pub personas: u64,
    /// Bytes, as the quota counts them.
    pub bytes: u64,
}

/// The part of the contract that is about accounts as a whole.
#[async_trait::async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Closes the current epoch of an account and ends its sessions; it opens no more, and is purged
    /// after 30 days. While other epochs hold personas, account and address stay; else the address
    /// is free at once, and every epoch is closed. The same attempt with the same digest again
    /// is answered alike.
    async fn delete_account(&self, deletion: AccountDeletion) -> Result<Deleted, StoreError>;

    /// Gives an account another address, with the record and slot that belong to it, and ends its
    /// other sessions. For 7 days what was replaced is kept for [`Self::undo_address`], and the
    /// former address is nobody else's. Refused while other epochs hold personas: their records have
    /// the former address in them. The same attempt with the same digest again changes nothing.
    async fn change_address(&self, change: AddressChange) -> Result<(), StoreError>;

    /// Gives an account a former address back, with the record and slot of then, and ends its
    /// sessions. Where a reset came in between its epoch is locked, as if that had been undone.
    /// False when the address is the account's already.
    async fn undo_address(&self, undo: AddressUndo) -> Result<bool, StoreError>;

    /// The same as [`Self::delete_account`] for the operator, who needs no login. Of a deleted one it changes nothing.
    async fn close_account(
        &self,
        account: AccountId,
        mail: QueuedMail,
        now: i64,
    ) -> Result<Deleted, StoreError>;

    /// Purges an account at once, with what is locked in it; its owner is told.
    async fn purge_account(
        &self,
        account: AccountId,
        mail: QueuedMail,
        now: i64,
    ) -> Result<(), StoreError>;

    /// Some accounts, by id, those after a given one; none when there are no more.
    async fn account_entries(
        &self,
        after: Option<AccountId>,
    ) -> Result<Vec<AccountEntry>, StoreError>;

    /// One account, if there is one.
    async fn account_entry(&self, name: AccountName) -> Result<Option<AccountEntry>, StoreError>;

    /// Disables an account and ends its sessions; false when it was disabled, or is none. Until it
    /// is enabled nobody logs in, also not by a login that had begun: it is as an unknown one.
    /// Nothing is deleted.
    async fn disable_account(&self, account: AccountId, now: i64) -> Result<bool, StoreError>;

    /// Enables it again; false when it was not disabled. Its sessions stay ended; the days in which
    /// a change of its address can be undone begin anew.
    async fn enable_account(&self, account: AccountId, now: i64) -> Result<bool, StoreError>;

    /// Ends all sessions of an account; returns how many.
    async fn end_sessions(&self, account: AccountId) -> Result<u64, StoreError>;
}
