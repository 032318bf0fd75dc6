//! Whether a database holds together: what `effsweep doctor` asks of it.

use super::{Key, RunLock, Store, StoreError, TrialId};

/// A trial that says where its weights are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighted {
    /// Its row.
    pub id: TrialId,
    /// Its key.
    pub key: Key,
    /// BLAKE3 of the file, hexadecimal.
    pub checksum: Option<String>,
}

impl Store {
    /// What SQLite finds wrong with pages, indexes and references, in its words; nothing is well.
    ///
    /// # Errors
    /// If the database cannot be read at all.
    pub fn faults(&self) -> Result<Vec<String>, StoreError> {
        self.read("check the database", |db| {
            let mut faults: Vec<String> = db
                .prepare("PRAGMA integrity_check(20)")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            faults.retain(|fault| fault != "ok");
            let dangling = db
                .prepare("SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2")?
                .query_map([], |row| {
                    let (table, parent, rows): (String, String, i64) =
                        (row.get(0)?, row.get(1)?, row.get(2)?);
                    Ok(format!("{rows} rows of {table} refer to rows of {parent} that are not there"))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            faults.extend(dangling);
            Ok(faults)
        })
    }

    /// Attempts that runs hold which died.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn held_by_dead(&self) -> Result<usize, StoreError> {
        let path = self.path().to_owned();
        self.read("look for dead runs", |db| {
            let leases: Vec<Option<String>> = db
                .prepare(
                    "SELECT r.lease FROM attempts AS a LEFT JOIN runs AS r ON r.id = a.run_id
                     WHERE a.state = 'running'",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let dead =
                |lease: &Option<String>| lease.as_ref().is_none_or(|lease| !RunLock::is_alive(&path, lease));
            Ok(leases.iter().filter(|lease| dead(lease)).count())
        })
    }

    /// Every trial that says where its weights are.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn weighted(&self) -> Result<Vec<Weighted>, StoreError> {
        self.read("list the weights", |db| {
            db.prepare("SELECT id, key, weights_checksum FROM trials WHERE weights_path IS NOT NULL")?
                .query_map([], |row| {
                    Ok(Weighted { id: row.get(0)?, key: row.get(1)?, checksum: row.get(2)? })
                })?
                .collect()
        })
    }
}
