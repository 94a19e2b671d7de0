//! The contract's methods that are about accounts as a whole.

use keybackup_protocol::AccountId;

use super::calls::counted;
use super::sql::{addresses, deletion, operator, sessions};
use super::{
    AccountDeletion, AccountEntry, AccountName, AccountStore, AddressChange, AddressUndo, Deleted,
    QueuedMail, SqlStore, StoreError,
};

#[async_trait::async_trait]
impl AccountStore for SqlStore {
    async fn delete_account(&self, deletion: AccountDeletion) -> Result<Deleted, StoreError> {
        self.0.writer.run(move |tx| deletion::delete(tx, &deletion)).await
    }

    async fn change_address(&self, change: AddressChange) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| addresses::change(tx, &change)).await
    }

    async fn undo_address(&self, undo: AddressUndo) -> Result<bool, StoreError> {
        let limits = self.0.limits;
        self.0.writer.run(move |tx| counted(addresses::undo(tx, &undo, &limits))).await?
    }

    async fn close_account(
        &self,
        account: AccountId,
        mail: QueuedMail,
        now: i64,
    ) -> Result<Deleted, StoreError> {
        self.0.writer.run(move |tx| deletion::close(tx, account, &mail, now)).await
    }

    async fn purge_account(
        &self,
        account: AccountId,
        mail: QueuedMail,
        now: i64,
    ) -> Result<(), StoreError> {
        self.0.writer.run(move |tx| deletion::close_for_good(tx, account, &mail, now)).await?;
        self.purge(Some(account), now).await
    }

    async fn account_entries(
        &self,
        after: Option<AccountId>,
    ) -> Result<Vec<AccountEntry>, StoreError> {
        self.0.readers.run(move |tx| operator::entries(tx, after)).await
    }

    async fn account_entry(&self, name: AccountName) -> Result<Option<AccountEntry>, StoreError> {
        self.0.readers.run(move |tx| operator::entry(tx, name)).await
    }

    async fn disable_account(&self, account: AccountId, now: i64) -> Result<bool, StoreError> {
        self.0.writer.run(move |tx| operator::disable(tx, account, now)).await
    }

    async fn enable_account(&self, account: AccountId, now: i64) -> Result<bool, StoreError> {
        self.0.writer.run(move |tx| operator::enable(tx, account, now)).await
    }

    async fn end_sessions(&self, account: AccountId) -> Result<u64, StoreError> {
        self.0.writer.run(move |tx| sessions::revoke_all(tx, account)).await
    }
}
