//! Taking back: trials to be tried again, and trials as if they had never been tried.

use rusqlite::{Connection, OptionalExtension};

use super::{Store, StoreError, SweepId, TrialId};

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Trials that sweeps ask for: planned again, without results.
    pub planned: usize,
    /// Trials that no sweep asks for: gone.
    pub removed: usize,
    /// Configurations that went with the last of their trials, with their measurements.
    pub configurations: usize,
}

impl Store {
    /// Plans the trials again that were given up or diverged; others are left as they are. What a given-up trial
    /// has of epochs stays for its checkpoint; a diverged one begins anew. Returns how many.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn replan(&mut self, trials: &[TrialId]) -> Result<usize, StoreError> {
        self.write("plan trials again", |tx| {
            let mut planned = 0;
            for trial in trials {
                let state: Option<String> = tx
                    .prepare_cached(
                        "SELECT state FROM trials WHERE id = ?1 AND state IN ('failed', 'diverged')",
                    )?
                    .query_row([trial], |row| row.get(0))
                    .optional()?;
                match state.as_deref() {
                    Some("diverged") => clear(tx, *trial, Clearing::Course)?,
                    Some(_) => plan(tx, *trial)?,
                    None => continue,
                }
                planned += 1;
            }
            Ok(planned)
        })
    }

    /// Forgets everything about the trials but that they are asked for. Running ones are left as they are.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn forget(&mut self, trials: &[TrialId]) -> Result<Forgotten, StoreError> {
        self.write("forget trials", |tx| {
            let mut forgotten = Forgotten::default();
            for trial in trials {
                let standing: Option<(i64, bool)> = tx
                    .prepare_cached(
                        "SELECT configuration_id, EXISTS (SELECT 1 FROM sweep_trials WHERE trial_id = ?1)
                         FROM trials WHERE id = ?1
                             AND NOT EXISTS (SELECT 1 FROM attempts WHERE trial_id = ?1 AND state = 'running')",
                    )?
                    .query_row([trial], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                match standing {
                    None => {}
                    Some((_, true)) => {
                        clear(tx, *trial, Clearing::Everything)?;
                        forgotten.planned += 1;
                    }
                    Some((configuration, false)) => {
                        tx.prepare_cached("DELETE FROM trials WHERE id = ?1")?.execute([trial])?;
                        forgotten.removed += 1;
                        forgotten.configurations += usize::from(remove_if_unused(tx, configuration)?);
                    }
                }
            }
            Ok(forgotten)
        })
    }

    /// Forgets a sweep's name and what it asks for; its trials and their results stay.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn forget_sweep(&mut self, sweep: SweepId) -> Result<(), StoreError> {
        self.write("forget a sweep", |tx| tx.execute("DELETE FROM sweeps WHERE id = ?1", [sweep]).map(drop))
    }
}

/// How much of a trial goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clearing {
    /// What it did; that it was tried stays on record.
    Course,
    /// That, too.
    Everything,
}

fn clear(db: &Connection, trial: TrialId, clearing: Clearing) -> rusqlite::Result<()> {
    let mut tables = vec!["epochs", "evaluations", "layer_signals"];
    if clearing == Clearing::Everything {
        tables.push("attempts");
    }
    for table in tables {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE trial_id = ?1"))?.execute([trial])?;
    }
    plan(db, trial)
}

fn plan(db: &Connection, trial: TrialId) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE trials SET state = 'planned', train_s = NULL, diverged_epoch = NULL, diverged_step = NULL,
             weights_path = NULL, weights_checksum = NULL, data_fingerprint = NULL, ended_at = NULL,
             program_version = NULL, git_commit = NULL, git_dirty = NULL, machine_id = NULL
         WHERE id = ?1",
    )?
    .execute([trial])
    .map(drop)
}

fn remove_if_unused(db: &Connection, configuration: i64) -> rusqlite::Result<bool> {
    let used: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM trials WHERE configuration_id = ?1)
                 OR EXISTS (SELECT 1 FROM sweep_tests WHERE configuration_id = ?1)",
        )?
        .query_row([configuration], |row| row.get(0))?;
    if used {
        return Ok(false);
    }
    for table in ["measurement_failures", "measurements"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE configuration_id = ?1"))?
            .execute([configuration])?;
    }
    db.prepare_cached("DELETE FROM configurations WHERE id = ?1")?.execute([configuration])?;
    Ok(true)
}
