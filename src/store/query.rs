//! The user's SQL: one statement that reads, column names and values, one row at a time.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, Error, Statement, params_from_iter};

pub use rusqlite::types::Value;

use super::StoreError;
use super::open::open_to_read;

/// A connection for queries of any kind: read-only three times over (the file is opened so, `query_only` is
/// set, and a statement that answers nothing is refused).
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// A query, ready to run.
#[derive(Debug)]
pub struct Query<'a> {
    statement: Statement<'a>,
    columns: Vec<String>,
    path: &'a Path,
}

/// What a [`Query`] answers, read from the disk as it is asked for.
pub struct Rows<'a> {
    rows: rusqlite::Rows<'a>,
    width: usize,
    path: &'a Path,
}

impl Reader {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// As [`Store::open`](super::Store::open) to read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: open_to_read(path)?, path: path.to_owned() })
    }

    /// Over a database in memory.
    pub(super) fn over(connection: Connection) -> Self {
        Self { connection, path: PathBuf::from(":memory:") }
    }

    /// Prepares `sql`.
    ///
    /// # Errors
    /// [`StoreError::WouldWrite`] if it would change anything, [`StoreError::BadQuery`] if it is no SQL, or
    /// more than one statement.
    pub fn query(&self, sql: &str) -> Result<Query<'_>, StoreError> {
        let statement = self.connection.prepare(sql).map_err(|error| sorted(&self.path, error))?;
        if statement.expanded_sql().is_none_or(|sql| sql.trim().is_empty()) {
            return Err(StoreError::BadQuery { message: "it is empty".to_owned() });
        }
        // ATTACH, BEGIN, VACUUM INTO and the like pass for reads with SQLite, because they leave *this* file
        // as it is; they have no columns.
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(StoreError::WouldWrite);
        }
        let columns = statement.column_names().into_iter().map(str::to_owned).collect();
        Ok(Query { statement, columns, path: &self.path })
    }
}

impl Query<'_> {
    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Runs it with these values for `?1`, `?2` and so on.
    ///
    /// # Errors
    /// [`StoreError::BadQuery`] if it takes another number of values.
    pub fn run(&mut self, values: &[Value]) -> Result<Rows<'_>, StoreError> {
        let Self { statement, columns, path } = self;
        let rows = statement.query(params_from_iter(values)).map_err(|error| sorted(path, error))?;
        Ok(Rows { rows, width: columns.len(), path })
    }
}

impl Rows<'_> {
    /// The next row, one value a column; `None` after the last.
    ///
    /// # Errors
    /// If SQLite cannot compute it, or the database cannot be read.
    #[expect(clippy::should_implement_trait, reason = "an error ends it, as with every lending reader here")]
    pub fn next(&mut self) -> Result<Option<Vec<Value>>, StoreError> {
        let row = self.rows.next().map_err(|error| sorted(self.path, error))?;
        let values = row.map(|row| (0..self.width).map(|column| row.get(column)).collect());
        values.transpose().map_err(|error| sorted(self.path, error))
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("width", &self.width).finish_non_exhaustive()
    }
}

/// Whether it is the query's fault, and if so which.
fn sorted(path: &Path, error: Error) -> StoreError {
    let message = match &error {
        Error::MultipleStatement => "more than one statement; one at a time is allowed".to_owned(),
        Error::InvalidParameterCount(given, taken) => format!("it takes {taken} values, {given} were given"),
        Error::SqlInputError { msg, sql, offset, .. } => match usize::try_from(*offset) {
            Ok(offset) => format!("{msg}, {}", place(sql, offset)),
            Err(_) => msg.clone(),
        },
        Error::SqliteFailure(failure, message) if failure.code == ErrorCode::Unknown => {
            message.clone().unwrap_or_else(|| failure.to_string())
        }
        _ if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => return StoreError::WouldWrite,
        _ => return StoreError::sqlite(path, "run the query", error),
    };
    StoreError::BadQuery { message }
}

/// `line 2, column 8` of a byte offset.
fn place(sql: &str, offset: usize) -> String {
    let before = sql.get(..offset).unwrap_or(sql);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    format!("line {line}, column {column}")
}
