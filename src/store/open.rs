//! Opening a database: whose file it is, what its connection promises, and the step to the newest schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::Migrations;

use super::error::StoreError;
use super::schema;

/// How long a statement waits for another process's transaction. Ours end in milliseconds; a person's
/// `BEGIN` in a shell does not, and the error then names it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads alone; never creates, never migrates.
    Read,
    /// Creates the file and its folder where they are missing, and brings the schema up to date.
    Write,
}

/// A connection to the results database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the database at `path`. With [`Access::Write`], an older schema is brought up to date after a
    /// copy of the file was laid beside it (`<path>.v1-backup`).
    ///
    /// # Errors
    /// If the file is missing (to read), no database, another program's or a newer effsweep's; or cannot
    /// be opened, written or locked.
    pub fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        let connection = match access {
            Access::Read => open_to_read(path)?,
            Access::Write => open_to_write(path)?,
        };
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Writes the database, as it is now, whole and packed to a file that is not there yet.
    ///
    /// # Errors
    /// If the file is there, or cannot be written.
    pub fn write_copy(&self, target: &Path) -> Result<(), StoreError> {
        self.read("copy the database", |db| {
            db.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map(drop)
        })
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `change` in one `BEGIN IMMEDIATE` transaction: it waits for the write lock first, so that no
    /// statement within meets a lock, and is kept whole or not at all.
    pub(super) fn write<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Self { connection, path } = self;
        let changed = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|tx| {
            let value = change(&tx)?;
            tx.commit()?;
            Ok(value)
        });
        changed.map_err(|source| StoreError::sqlite(path, doing, source))
    }

    /// Runs `query`.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        query(&self.connection).map_err(|source| StoreError::sqlite(&self.path, doing, source))
    }
}

/// Passes if exactly one row changed; the error becomes [`StoreError::Stale`].
pub(super) fn one(changed: usize) -> rusqlite::Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

fn open_to_write(path: &Path) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|source| StoreError::Io {
            path: folder.to_owned(),
            doing: "create folder",
            source,
        })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags)?;
    migrate(&mut connection, path, &schema::migrations(), schema::LATEST)?;
    set_up_writing(&connection).map_err(|source| StoreError::sqlite(path, "set up writing", source))?;
    Ok(connection)
}

/// The pragmas of a writing connection. They hold for the connection, not the file (but for WAL), and have
/// no effect inside a transaction, which is why no migration has them.
fn set_up_writing(connection: &Connection) -> rusqlite::Result<()> {
    // Readers never wait for the writer, nor it for them: people look while a sweep runs.
    switch_to_wal(connection)?;
    // A finished trial is hours of work: every commit waits for the disk (NORMAL may lose the last ones
    // in a power cut). A commit is 0.3 ms, a trial at least seconds.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // SQLite checks REFERENCES only if asked, and each connection asks for itself. Not while migrating:
    // a rebuilt table would take its children with it.
    connection.pragma_update(None, "foreign_keys", true)?;
    // 256 MiB at most, used only if needed: the key indexes of a million trials stay in memory while a
    // sweep is registered.
    connection.pragma_update(None, "cache_size", -262_144)?;
    // The WAL of such a registration does not keep its size for ever.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Switches to a write-ahead log. SQLite does not wait for a lock here (it would deadlock if two processes
/// switched a new file at once), so the waiting is ours.
fn switch_to_wal(connection: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && began.elapsed() < BUSY_TIMEOUT =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            switched => return switched,
        }
    }
}

pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::NotFound { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    match read_only(path, flags) {
        // WAL readers share an index file. Where the folder does not let it be created nobody writes either,
        // and without a log the file alone is the whole database.
        Err(StoreError::ReadOnly { .. } | StoreError::CannotOpen { .. })
            if !beside(path, "-wal").exists() =>
        {
            read_only(&immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        opened => opened,
    }
}

fn read_only(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = connect(path, flags)?;
    let known = schema::LATEST;
    let found = schema_version(&connection, path, known)?;
    if found == 0 {
        // An empty file: what is left where the making of one failed.
        return Err(StoreError::NotFound { path: path.to_owned() });
    }
    if found < known as i64 {
        return Err(StoreError::OlderSchema { path: path.to_owned(), found, known });
    }
    // Not even a temporary table or an attached file is written.
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|source| StoreError::sqlite(path, "set up reading", source))?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    if path.is_dir() {
        return Err(StoreError::NotADatabase { path: path.to_owned() });
    }
    let connect = || {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    };
    connect().map_err(|source| StoreError::sqlite(path, "open", source))
}

/// The file's schema version, after making sure that it is ours; 0 if it is empty.
fn schema_version(connection: &Connection, path: &Path, known: usize) -> Result<i64, StoreError> {
    // One statement, so that another process's migration is seen whole or not at all.
    let read = connection.query_row(
        "SELECT user_version, application_id, NOT EXISTS (SELECT 1 FROM sqlite_schema)
         FROM pragma_user_version, pragma_application_id",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    );
    let (version, owner, empty): (i64, i32, bool) =
        read.map_err(|source| StoreError::sqlite(path, "open", source))?;
    match (owner, version) {
        (schema::APPLICATION_ID, found) if found > known as i64 => {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, known })
        }
        (schema::APPLICATION_ID, found) if found > 0 => Ok(found),
        (0, 0) if empty => Ok(0),
        _ => Err(StoreError::Foreign { path: path.to_owned() }),
    }
}

/// Brings the schema to version `latest`.
fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &Migrations<'_>,
    latest: usize,
) -> Result<(), StoreError> {
    let found = schema_version(connection, path, latest)?;
    if found == latest as i64 {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, path, found)?;
    }
    match migrations.to_latest(connection) {
        Ok(()) => Ok(()),
        // Another process created the same tables a moment earlier.
        Err(_) if matches!(schema_version(connection, path, latest), Ok(found) if found == latest as i64) => {
            Ok(())
        }
        Err(error) => {
            let source = match error {
                rusqlite_migration::Error::RusqliteError { err, .. } => err,
                other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
            };
            Err(StoreError::sqlite(path, "upgrade the schema", source))
        }
    }
}

/// Copies the database, log included, to `<path>.v<version>-backup`; one that is there already is older
/// than this file and is replaced.
fn back_up(connection: &Connection, path: &Path, version: i64) -> Result<(), StoreError> {
    let backup = beside(path, &format!(".v{version}-backup"));
    let partial = beside(path, ".backup-partial");
    let io =
        |path: &Path, source| StoreError::Io { path: path.to_owned(), doing: "write the backup", source };
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(&partial, error)),
        _ => {}
    }
    connection
        .execute("VACUUM INTO ?1", [partial.to_string_lossy()])
        .map_err(|source| StoreError::sqlite(path, "back up before the upgrade", source))?;
    fs::rename(&partial, &backup).map_err(|error| io(&backup, error))
}

/// `path` with `suffix` after its last component.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// SQLite's URI of a file that nobody writes.
fn immutable(path: &Path) -> PathBuf {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri.into()
}

#[cfg(test)]
mod tests {
    use rusqlite_migration::M;

    use super::*;
    use crate::store::fixture;

    #[test]
    fn an_upgrade_leaves_the_old_file_beside_the_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        drop(Store::open(&path, Access::Write).unwrap());
        let mut steps: Vec<M<'_>> = schema::FILES.iter().map(|(_, sql)| M::up(sql)).collect();
        steps.push(M::up("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;"));
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        migrate(&mut connection, &path, &Migrations::new(steps), schema::LATEST + 1).unwrap();

        let upgraded = Store::open(&path, Access::Read).unwrap_err();
        let one_newer = schema::LATEST as i64 + 1;
        assert!(
            matches!(upgraded, StoreError::NewerSchema { found, known: schema::LATEST, .. } if found == one_newer),
            "{upgraded}"
        );
        let backup = folder.path().join(format!("old.db.v{}-backup", schema::LATEST));
        assert!(Store::open(&backup, Access::Read).is_ok());
        assert!(!folder.path().join("old.db.backup-partial").exists());
    }

    #[test]
    fn a_database_of_the_first_schema_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        let mut connection =
            connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).unwrap();
        migrate(&mut connection, &path, &Migrations::new(vec![M::up(schema::FILES[0].1)]), 1).unwrap();
        let sweep = "INSERT INTO sweeps VALUES (1, 'kept', NULL, NULL, '', '[]', '2026', '2026')";
        connection.execute_batch(sweep).unwrap();
        drop(connection);
        let old = Store::open(&path, Access::Read).unwrap_err();
        assert!(matches!(old, StoreError::OlderSchema { found: 1, known: schema::LATEST, .. }), "{old}");

        drop(Store::open(&path, Access::Write).unwrap());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let upgraded = connect(&path, flags).unwrap();
        let found = upgraded.query_row(
            "SELECT (SELECT name FROM sweeps), (SELECT count(*) FROM signals), user_version FROM pragma_user_version",
            [],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        );
        assert_eq!(found.unwrap(), ("kept".to_owned(), 0, schema::LATEST as i64));
        let backup = connect(&folder.path().join("old.db.v1-backup"), flags).unwrap();
        assert_eq!(schema_version(&backup, &path, schema::LATEST).unwrap(), 1);
    }

    #[test]
    fn sixteen_processes_may_create_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.db");
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> =
                (0..16).map(|_| scope.spawn(|| Store::open(&path, Access::Write).map(drop))).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        for result in opened {
            result.unwrap();
        }
    }

    #[test]
    fn a_sealed_file_is_read_as_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b?c#d%.db");
        drop(fixture::swept(&path));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = read_only(&immutable(&path), flags).unwrap();
        let sweeps: i64 = connection.query_row("SELECT count(*) FROM sweeps", [], |row| row.get(0)).unwrap();
        assert_eq!(sweeps, 1);
        assert!(!beside(&path, "-shm").exists());
    }
}
