//! Opening connections: the settings that durability rests on are set on each, and read back.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::store::OpenError;

/// How long a connection waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS: usize = 128;
/// Pages of log after which a commit writes them back to the database: 16 MiB.
const CHECKPOINT_PAGES: i64 = 4096;

/// Most memory for pages: a group of pushes fits, so none of it is written twice.
const CACHE_KIB: i64 = 8 * 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything.
    Write,
    /// Only `SELECT`.
    Read,
}

/// Opens the database, which must be there as a file.
pub(crate) fn open(path: &Path, purpose: Purpose) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // RELIABILITY 2: of all modes measured only these two lost nothing.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if purpose == Purpose::Read {
        connection.pragma_update(None, "query_only", true)?;
    }
    assert_settings(&connection)?;
    Ok(connection)
}

/// Reads the settings back: `SQLite` ignores what it can't do (a file system without shared
/// memory) and what it can't parse.
fn assert_settings(connection: &Connection) -> Result<(), OpenError> {
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if !journal.eq_ignore_ascii_case("wal") {
        return Err(OpenError::Setting("journal_mode"));
    }
    for (name, expected) in [("synchronous", 2), ("foreign_keys", 1)] {
        let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        if value != expected {
            return Err(OpenError::Setting(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value::{self, Integer, Text};

    use super::*;

    #[test]
    fn every_connection_is_durable_and_readers_only_read() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let writer = open(file.path(), Purpose::Write).expect("opens");
        let reader = open(file.path(), Purpose::Read).expect("opens");
        for connection in [&writer, &reader] {
            let setting = |name| -> Value {
                connection.pragma_query_value(None, name, |row| row.get(0)).expect("a value")
            };
            assert_eq!(setting("journal_mode"), Text("wal".into()));
            assert_eq!(setting("synchronous"), Integer(2));
            assert_eq!(setting("foreign_keys"), Integer(1));
        }
        writer.execute_batch("CREATE TABLE t (n BIGINT)").expect("writes");
        assert!(reader.execute_batch("INSERT INTO t VALUES (1)").is_err());
    }

    #[test]
    fn a_weaker_setting_is_noticed() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let connection = open(file.path(), Purpose::Write).expect("opens");
        connection.pragma_update(None, "synchronous", "NORMAL").expect("sets");
        assert!(matches!(assert_settings(&connection), Err(OpenError::Setting("synchronous"))));
        connection.pragma_update(None, "synchronous", "FULL").expect("sets");
        connection.pragma_update(None, "journal_mode", "DELETE").expect("sets");
        assert!(matches!(assert_settings(&connection), Err(OpenError::Setting("journal_mode"))));
    }
}
