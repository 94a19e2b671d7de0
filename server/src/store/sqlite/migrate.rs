//! The schema's versions: made when the database is new, brought up to date after a copy of the
//! file, refused when they come from the future.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use subtle::ConstantTimeEq as _;

use crate::store::OpenError;
use crate::store::directory::sync_directory;

/// Each takes the schema one version further; the first makes version 1.
pub(crate) const MIGRATIONS: &[&str] = &[include_str!("../schema.sql")];

/// Brings the schema up to date, and checks that the database belongs to the key.
///
/// `fingerprint` is noted with a new database; another one is refused with an older one. A
/// database without a schema is refused unless it `may_begin`.
pub(crate) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
    fingerprint: &[u8; 32],
    may_begin: bool,
) -> Result<(), OpenError> {
    let found = version(connection)?;
    if found == 0 && !may_begin {
        return Err(OpenError::Lost(path.to_owned()));
    }
    if (1..migrations.len()).contains(&found) {
        copy(connection, path, found)?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at again: another process may have been faster.
    let found = version(&transaction)?;
    if found > migrations.len() {
        return Err(OpenError::FromTheFuture { found, known: migrations.len() });
    }
    if found > 0 {
        check_key(&transaction, fingerprint)?;
    }
    for migration in &migrations[found..] {
        transaction.execute_batch(migration)?;
    }
    if found == 0 {
        transaction
            .execute("INSERT INTO meta (name, bytes) VALUES ('server_key', $1)", [fingerprint])?;
    }
    if found < migrations.len() {
        transaction.execute(
            "INSERT INTO meta (name, number) VALUES ('schema', $1) \
             ON CONFLICT (name) DO UPDATE SET number = excluded.number",
            [i64::try_from(migrations.len()).unwrap_or(i64::MAX)],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

/// Checks, and changes nothing: the schema is the newest, and the database belongs to the key.
pub(crate) fn check(
    connection: &Connection,
    path: &Path,
    fingerprint: &[u8; 32],
) -> Result<(), OpenError> {
    let known = MIGRATIONS.len();
    match version(connection)? {
        0 => Err(OpenError::NoDatabase(path.to_owned())),
        found if found > known => Err(OpenError::FromTheFuture { found, known }),
        found if found < known => Err(OpenError::MigrationDue { found, known }),
        _ => check_key(connection, fingerprint),
    }
}

/// The schema's version; 0 for an empty database.
fn version(connection: &Connection) -> Result<usize, OpenError> {
    let is_new = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'meta'", [], |_| Ok(()))
        .optional()?
        .is_none();
    if is_new {
        return Ok(0);
    }
    let version: i64 =
        connection
            .query_row("SELECT number FROM meta WHERE name = 'schema'", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn check_key(connection: &Connection, fingerprint: &[u8; 32]) -> Result<(), OpenError> {
    let noted: Vec<u8> =
        connection
            .query_row("SELECT bytes FROM meta WHERE name = 'server_key'", [], |row| row.get(0))?;
    if bool::from(noted.as_slice().ct_eq(fingerprint)) { Ok(()) } else { Err(OpenError::WrongKey) }
}

/// Copies the database beside itself, durably, before it is changed.
fn copy(connection: &Connection, path: &Path, version: usize) -> Result<(), OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".schema-{version}"));
    let target = Path::new(&name);
    let mut staging = name.clone();
    staging.push(".new");
    let staging = Path::new(&staging);
    let io = |source| OpenError::Io { path: target.to_owned(), source };
    if staging.exists() {
        std::fs::remove_file(staging).map_err(io)?;
    }
    let text = staging.to_str().ok_or_else(|| io(std::io::ErrorKind::InvalidFilename.into()))?;
    connection.execute("VACUUM INTO $1", [text])?;
    File::open(staging).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(staging, target).map_err(io)?;
    target.parent().map_or(Ok(()), sync_directory).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::open::{Purpose, open};

    const KEY: [u8; 32] = [7; 32];

    fn database() -> (tempfile::NamedTempFile, Connection) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let connection = open(file.path(), Purpose::Write).expect("opens");
        (file, connection)
    }

    #[test]
    fn a_new_database_gets_the_newest_schema_and_keeps_its_key() {
        let (file, mut connection) = database();
        migrate(&mut connection, file.path(), MIGRATIONS, &KEY, true).expect("makes it");
        migrate(&mut connection, file.path(), MIGRATIONS, &KEY, true).expect("finds it");
        assert_eq!(version(&connection).expect("a version"), MIGRATIONS.len());
        assert!(matches!(
            migrate(&mut connection, file.path(), MIGRATIONS, &[8; 32], true),
            Err(OpenError::WrongKey)
        ));
    }

    #[test]
    fn no_schema_is_made_where_one_was_lost() {
        let (file, mut connection) = database();
        let refused = migrate(&mut connection, file.path(), MIGRATIONS, &KEY, false);
        assert!(matches!(refused, Err(OpenError::Lost(_))));
        assert_eq!(version(&connection).expect("a version"), 0);
        migrate(&mut connection, file.path(), MIGRATIONS, &KEY, true).expect("makes it");
        migrate(&mut connection, file.path(), MIGRATIONS, &KEY, false).expect("finds it");
    }

    #[test]
    fn checking_changes_nothing() {
        let (file, mut connection) = database();
        let look = |connection: &Connection| check(connection, file.path(), &KEY);
        assert!(matches!(look(&connection), Err(OpenError::NoDatabase(_))));
        migrate(&mut connection, file.path(), MIGRATIONS, &KEY, true).expect("makes it");
        look(&connection).expect("is as it should be");
        assert!(matches!(check(&connection, file.path(), &[8; 32]), Err(OpenError::WrongKey)));
        let set = |number| {
            let sql = format!("UPDATE meta SET number = {number} WHERE name = 'schema'");
            connection.execute_batch(&sql).expect("sets");
        };
        set(99);
        assert!(matches!(look(&connection), Err(OpenError::FromTheFuture { .. })));
    }

    #[test]
    fn an_older_schema_is_copied_and_brought_up_to_date() {
        let (file, mut connection) = database();
        migrate(&mut connection, file.path(), MIGRATIONS, &KEY, true).expect("makes it");
        let newer = [MIGRATIONS, &["CREATE TABLE more (n BIGINT)"]].concat();
        migrate(&mut connection, file.path(), &newer, &KEY, true).expect("migrates");
        connection.execute_batch("INSERT INTO more VALUES (1)").expect("the table is there");

        let mut copy = file.path().as_os_str().to_owned();
        copy.push(format!(".schema-{}", MIGRATIONS.len()));
        let copy = Path::new(&copy);
        let before = open(copy, Purpose::Write).expect("opens");
        assert_eq!(version(&before).expect("a version"), MIGRATIONS.len());
        std::fs::remove_file(copy).expect("removes");
    }

    #[test]
    fn a_failing_migration_changes_nothing() {
        let (file, mut connection) = database();
        let broken = [MIGRATIONS, &["CREATE TABLE more (n BIGINT); SELECT nonsense"]].concat();
        assert!(migrate(&mut connection, file.path(), &broken, &KEY, true).is_err());
        assert_eq!(version(&connection).expect("a version"), 0);
    }

    #[test]
    fn a_schema_from_the_future_is_refused() {
        let (file, mut connection) = database();
        migrate(&mut connection, file.path(), MIGRATIONS, &KEY, true).expect("makes it");
        connection
            .execute_batch("UPDATE meta SET number = 99 WHERE name = 'schema'")
            .expect("sets");
        assert!(matches!(
            migrate(&mut connection, file.path(), MIGRATIONS, &KEY, true),
            Err(OpenError::FromTheFuture { found: 99, .. })
        ));
    }
}
