//! What can go wrong with a database, each with its path and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi::{self, ErrorCode};

use super::lock::Holder;

/// Whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user asked for something that is not there or not allowed.
    User,
    /// Disk, permissions, another process.
    Environment,
    /// Ours: the schema refused what we wrote.
    Bug,
}

/// Why the store could not do what it was asked: fragments that complete "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such file.
    #[error("open {}: there is no such database; `effsweep run` makes one, `--db` names another", path.display())]
    NotFound {
        /// The database.
        path: PathBuf,
    },
    /// The file is something else, or its first page is damaged.
    #[error("open {}: the file is not a SQLite database; name another with `--db`", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A SQLite database of another program.
    #[error("open {}: the database belongs to another program; name another with `--db`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later effsweep.
    #[error(
        "open {}: its schema is version {found}, this effsweep knows {known}; use the newer effsweep, or another `--db`",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version known here.
        known: usize,
    },
    /// Written by an earlier effsweep and opened for reading only.
    #[error(
        "read {}: its schema is version {found}, this effsweep reads {known}; any `effsweep run` upgrades it, with a backup",
        path.display()
    )]
    OlderSchema {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The version read here.
        known: usize,
    },
    /// Pages contradict each other.
    #[error("{doing} in {}: the database is damaged; `sqlite3 {} .recover` prints what can be saved", path.display(), path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// File or folder cannot be written.
    #[error("{doing} in {}: file or folder is read-only; change its permissions, or name another with `--db`", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// The file cannot be opened.
    #[error("open {}: the system does not let it be opened", path.display())]
    CannotOpen {
        /// The database.
        path: PathBuf,
        /// SQLite's words.
        #[source]
        source: rusqlite::Error,
    },
    /// Another process kept the database locked for longer than we wait.
    #[error("{doing} in {}: another process has kept it locked; end that transaction and try again", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// No space left.
    #[error("{doing} in {}: the disk is full; nothing of it was kept, free some space and run again", path.display())]
    Full {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// Another `run` holds this database.
    #[error("lock {}: another run holds it ({})", path.display(), told(holders))]
    Held {
        /// The database.
        path: PathBuf,
        /// Who.
        holders: Vec<Holder>,
    },
    /// No sweep of that name.
    #[error("find the sweep `{name}` in {}: it has {}", path.display(), listed(known))]
    UnknownSweep {
        /// The database.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// Names that are there.
        known: Vec<String>,
    },
    /// No trial's key begins so.
    #[error("find a trial `{prefix}` in {}: no key begins so", path.display())]
    UnknownTrial {
        /// The database.
        path: PathBuf,
        /// The beginning asked for.
        prefix: String,
    },
    /// More than one trial's key begins so.
    #[error("find one trial `{prefix}` in {}: several keys begin so, {} among them", path.display(), keys.join(", "))]
    AmbiguousTrial {
        /// The database.
        path: PathBuf,
        /// The beginning asked for.
        prefix: String,
        /// Some of the keys.
        keys: Vec<String>,
    },
    /// The user's SQL is none, or no query.
    #[error("run the query: {message}")]
    BadQuery {
        /// What is wrong with it.
        message: String,
    },
    /// The user's SQL would change something.
    #[error(
        "run the query: it would write, and this connection only reads; `SELECT` or `WITH … SELECT` is allowed"
    )]
    WouldWrite,
    /// A row was not in the state that the change starts from.
    #[error("{doing} in {}: its row is not in the state for that; another process may have changed it", path.display())]
    Stale {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// A file beside the database.
    #[error("{doing} {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Anything else that SQLite says.
    #[error("{doing} in {}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// SQLite's words.
        #[source]
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Sorts an error of SQLite's, met while `doing` something in the database at `path`.
    pub(super) fn sqlite(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        if let rusqlite::Error::StatementChangedRows(_) = source {
            return Self::Stale { path, doing };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, doing },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path, doing },
            Some(ErrorCode::CannotOpen) => Self::CannotOpen { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path, doing },
            Some(ErrorCode::DiskFull) => Self::Full { path, doing },
            _ => Self::Sqlite { path, doing, source },
        }
    }

    /// Whose move it is; the exit code follows from it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. }
            | Self::NotADatabase { .. }
            | Self::Foreign { .. }
            | Self::UnknownSweep { .. }
            | Self::UnknownTrial { .. }
            | Self::AmbiguousTrial { .. }
            | Self::BadQuery { .. }
            | Self::WouldWrite => Kind::User,
            Self::Sqlite { source, .. } => {
                match source.sqlite_error().map(|error| error.extended_code & 0xff) {
                    Some(ffi::SQLITE_IOERR | ffi::SQLITE_NOMEM) => Kind::Environment,
                    _ => Kind::Bug,
                }
            }
            _ => Kind::Environment,
        }
    }
}

fn told(holders: &[Holder]) -> String {
    holders.iter().map(Holder::to_string).collect::<Vec<_>>().join("; ")
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::lock::Stage;
    use super::*;

    #[test]
    fn a_message_says_where_and_what_to_do() {
        let path = || PathBuf::from("results/effsweep.db");
        let holder = Holder {
            pid: 4711,
            host: "bench".to_owned(),
            since: "2026-01-31T12:00:00.000Z".to_owned(),
            stage: Stage::Working,
        };
        let cases = [
            (
                StoreError::Held { path: path(), holders: vec![holder] },
                "lock results/effsweep.db: another run holds it \
                 (process 4711 on bench since 2026-01-31T12:00:00.000Z)",
            ),
            (
                StoreError::NewerSchema { path: path(), found: 3, known: 1 },
                "open results/effsweep.db: its schema is version 3, this effsweep knows 1; \
                 use the newer effsweep, or another `--db`",
            ),
            (
                StoreError::Full { path: path(), doing: "record epochs" },
                "record epochs in results/effsweep.db: the disk is full; \
                 nothing of it was kept, free some space and run again",
            ),
            (
                StoreError::UnknownSweep { path: path(), name: "a".to_owned(), known: vec![] },
                "find the sweep `a` in results/effsweep.db: it has none",
            ),
        ];
        for (error, message) in cases {
            assert_eq!(error.to_string(), message);
        }
    }
}
