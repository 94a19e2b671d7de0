//! One transaction, as the SQL functions see it: statements, values, rows. The only file of the
//! SQL logic that names the driver.

use bytes::Bytes;
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId, PersonaId, UploadId};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, params_from_iter};

use super::StoreError;

/// What can be wrong with rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The driver failed.
    #[error("the database refused a statement")]
    Driver(#[from] rusqlite::Error),
    /// A row holds what no code wrote.
    #[error("column {0} holds a value of the wrong kind")]
    Column(usize),
    /// The operating system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// The thread that serves the database has stopped, or a job in it has panicked.
    #[error("the database thread gave no answer")]
    NoAnswer,
}

impl From<RowsError> for StoreError {
    fn from(error: RowsError) -> Self {
        if is_full(&error) { Self::Full } else { Self::Rows(Box::new(error)) }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        RowsError::from(error).into()
    }
}

/// Whether an error says that the disk is full: nothing is broken, and space may return.
pub(crate) fn is_full(error: &RowsError) -> bool {
    match error {
        RowsError::Driver(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
        _ => false,
    }
}

/// A transaction.
pub(crate) struct Tx<'c>(&'c Connection);

impl<'c> Tx<'c> {
    /// The transaction that is open on this connection.
    pub(crate) const fn on(connection: &'c Connection) -> Self {
        Self(connection)
    }

    /// Runs a statement; returns how many rows it changed.
    pub(crate) fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<usize, StoreError> {
        Ok(self.prepare(sql)?.execute(params_from_iter(values))?)
    }

    /// The first row that a statement gives, if it gives one.
    pub(crate) fn row<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        rows.next()?.map(|row| read(&Row(row))).transpose()
    }

    /// All rows that a statement gives.
    pub(crate) fn rows<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(&Row(row))?);
        }
        Ok(all)
    }

    /// Rows as long as `read` gives something for them.
    pub(crate) fn rows_while<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(item) = read(&Row(row))? else { break };
            all.push(item);
        }
        Ok(all)
    }

    /// `SQLite` numbers `$1`, `$2` … by their first appearance, `PostgreSQL` by their digits: the
    /// statements are written so that both are the same.
    fn prepare(&mut self, sql: &'static str) -> Result<CachedStatement<'c>, StoreError> {
        let statement = self.0.prepare_cached(sql)?;
        debug_assert!(
            (1..=statement.parameter_count())
                .all(|i| statement.parameter_name(i) == Some(&format!("${i}"))),
            "parameters appear out of order in: {sql}"
        );
        Ok(statement)
    }
}

/// A value bound to a statement: the three types of the schema, and nothing.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The values of a statement, in the order of `$1`, `$2` and so on.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::tx::Value::from($value)),*] };
}
pub(crate) use values;

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Int(i64::from(truth))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a B64> for Value<'a> {
    fn from(bytes: &'a B64) -> Self {
        Self::Bytes(&bytes.0)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A version, counter or length as rows hold it.
pub(crate) fn count(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Invalid("a number is beyond what is stored"))
}

/// The length of sealed bytes as rows hold it.
pub(crate) fn length(sealed: &B64) -> Result<i64, StoreError> {
    count(sealed.0.len() as u64)
}

/// A row of an answer.
pub(crate) struct Row<'r>(&'r rusqlite::Row<'r>);

impl Row<'_> {
    /// The value of a column, counted from 0.
    pub(crate) fn at<T: FromColumn>(&self, column: usize) -> Result<T, StoreError> {
        let value = self.0.get_ref(column)?;
        T::from_column(value).ok_or_else(|| RowsError::Column(column).into())
    }
}

/// What a column can be read as.
pub(crate) trait FromColumn: Sized {
    fn from_column(value: ValueRef<'_>) -> Option<Self>;
}

impl FromColumn for i64 {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()
    }
}

impl FromColumn for u64 {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()?.try_into().ok()
    }
}

impl FromColumn for u32 {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()?.try_into().ok()
    }
}

impl FromColumn for bool {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok().map(|number| number != 0)
    }
}

impl FromColumn for String {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_str().ok().map(str::to_owned)
    }
}

impl FromColumn for Vec<u8> {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_blob().ok().map(<[u8]>::to_vec)
    }
}

impl FromColumn for Bytes {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_blob().ok().map(Self::copy_from_slice)
    }
}

impl FromColumn for B64 {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        Vec::from_column(value).map(Self)
    }
}

impl<const N: usize> FromColumn for [u8; N] {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        value.as_blob().ok()?.try_into().ok()
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::from_column(value).map(Some),
        }
    }
}

macro_rules! id_columns {
    ($($id:ty),*) => {$(
        impl<'a> From<&'a $id> for Value<'a> {
            fn from(id: &'a $id) -> Self {
                Self::Bytes(id.as_bytes())
            }
        }

        impl FromColumn for $id {
            fn from_column(value: ValueRef<'_>) -> Option<Self> {
                <$id>::from_slice(value.as_blob().ok()?)
            }
        }
    )*};
}

id_columns!(AccountId, EpochId, PersonaId, DeviceId, UploadId);
