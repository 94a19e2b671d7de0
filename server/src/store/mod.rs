//! What the server keeps: rows in SQL, bytes in rows or in an object store.
//!
//! [`contract`] says what every backend promises; [`SqlStore`] keeps it with `SQLite` and a local
//! directory. Underneath, each layer knows only the ones after it: `calls` (the contract's
//! methods) → `sql` (what they mean) → `tx` (statements and values); `sqlite` runs transactions
//! on its threads; `bytes` holds what is too large for rows.

pub mod contract;

mod account_calls;
mod beginning;
mod bytes;
mod calls;
mod directory;
mod lost;
mod part_reader;
mod part_writer;
mod probe;
mod reserve;
mod sql;
mod sqlite;
mod sweep;
mod tx;
mod upload_calls;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(crate) use beginning::mark as mark_beginning;
pub use contract::*;
pub use directory::{DATABASE, DataDir, ServeLock};
pub use part_writer::PART_MEMORY_BYTES;
pub(crate) use sql::personas::LABELS_BYTES;
pub use tx::RowsError;

use self::bytes::Parts;
use probe::Probe;
use rusqlite::Connection;
use sqlite::migrate::{MIGRATIONS, check, migrate};
use sqlite::open::{Purpose, open};
use sqlite::reader::Readers;
use sqlite::writer::Writer;

/// Most bytes that a row holds; what is larger goes to the object store.
pub const ROW_BYTES: usize = 64 * 1024;

/// Threads that read rows.
const READERS: usize = 2;

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The system refused something about a file or directory.
    #[error("{} can't be used", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The directory is open to others and holds things that are not ours.
    #[error("{} holds other things, so it is not made the data directory", .0.display())]
    NotOurs(PathBuf),
    /// Another server serves this directory.
    #[error("another server is running on {}", .0.display())]
    Served(PathBuf),
    /// There is no database, and there was one: the key is older, or there are blobs.
    #[error(
        "{} is missing or empty, though this server was used before: restore the database (is \
         its volume mounted?), or, to begin anew without what it held, move {} and the key file \
         out of the way",
        .0.display(),
        .0.with_file_name("blobs").display()
    )]
    Lost(PathBuf),
    /// There is no database to administer.
    #[error("{} is missing or empty; a server makes it when it first serves", .0.display())]
    NoDatabase(PathBuf),
    /// An older version of this program made the schema; `serve` brings it up to date.
    #[error(
        "the database has schema {found}, and this version needs {known}: run serve with it first"
    )]
    MigrationDue {
        /// The schema's version.
        found: usize,
        /// The newest that is known.
        known: usize,
    },
    /// The database can't be opened or brought up to date.
    #[error("the database can't be opened")]
    Database(#[from] rusqlite::Error),
    /// A setting that durability rests on did not take.
    #[error("the database does not take the setting {0}; is this a network file system?")]
    Setting(&'static str),
    /// A newer version of this program made the schema.
    #[error("the database has schema {found}, and this version knows {known}")]
    FromTheFuture {
        /// The schema's version.
        found: usize,
        /// The newest that is known.
        known: usize,
    },
    /// The database belongs to another `server.key`.
    #[error("the database belongs to another server.key")]
    WrongKey,
    /// The object store can't be opened.
    #[error("the object store can't be opened")]
    Objects(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// `SQLite` and a local directory. Clones share it; with the last one its threads end.
#[derive(Clone)]
pub struct SqlStore(Arc<Inner>);

struct Inner {
    // In this order they end: the last connection to close writes the log back.
    readers: Readers,
    writer: Writer,
    parts: Parts,
    limits: StoreLimits,
    probe: Probe,
    /// Whether a sweep has begun since the store was opened.
    swept: AtomicBool,
}

impl SqlStore {
    /// Opens the store of a data directory, and makes it first where there is none. Blocks
    /// for some fsyncs, and for a migration when one is due.
    ///
    /// `key` is the fingerprint of `server.key`: a database that was made with another one is
    /// refused, since its addresses and records would mean nothing. A database is made only
    /// for a key that was made for it, and where there are no blobs yet.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &DataDir, key: &[u8; 32], limits: StoreLimits) -> Result<Self, OpenError> {
        let may_begin = beginning::is_allowed(dir)?;
        if !may_begin && let Err(OpenError::NoDatabase(path)) = dir.existing_database() {
            return Err(OpenError::Lost(path));
        }
        let path = dir.database()?;
        let mut connection = open(&path, Purpose::Write)?;
        migrate(&mut connection, &path, MIGRATIONS, key, may_begin)?;
        beginning::end(dir)?;
        Self::start(dir, path, connection, Parts::open(&dir.blobs())?, limits)
    }

    /// Opens the store of a data directory as it is, for administration: makes nothing, and
    /// refuses when a migration is due.
    ///
    /// # Errors
    /// [`OpenError::NoDatabase`], [`OpenError::MigrationDue`], [`OpenError::WrongKey`], and the
    /// rest as said there.
    pub fn open_existing(
        dir: &DataDir,
        key: &[u8; 32],
        limits: StoreLimits,
    ) -> Result<Self, OpenError> {
        let path = dir.existing_database()?;
        let connection = open(&path, Purpose::Write)?;
        check(&connection, &path, key)?;
        Self::start(dir, path, connection, Parts::open_existing(&dir.blobs())?, limits)
    }

    fn start(
        dir: &DataDir,
        path: PathBuf,
        connection: Connection,
        parts: Parts,
        limits: StoreLimits,
    ) -> Result<Self, OpenError> {
        let connections =
            (0..READERS).map(|_| open(&path, Purpose::Read)).collect::<Result<_, _>>()?;
        let io = |source| OpenError::Io { path: dir.path().to_owned(), source };
        let readers = Readers::start(connections).map_err(io)?;
        let reopen = Box::new(move || open(&path, Purpose::Write));
        let writer = Writer::start(connection, reopen).map_err(io)?;
        let (probe, swept) = (Probe::default(), AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { readers, writer, parts, limits, probe, swept })))
    }
}
