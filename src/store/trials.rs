//! The table `trials`: one training run each, its state and what it left.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::column::{Count, words};
use super::open::one;
use super::sweeps::PointTrial;
use super::{
    AttemptRow, ConfigurationId, ConfigurationRow, EpochRow, EvaluationRow, Key, MachineId, Store,
    StoreError, SweepId, TrialId,
};

words! {
    /// Where a trial is on its way.
    pub enum TrialState {
        /// To be run, for the first time or again.
        Planned = "planned",
        /// A worker is at it.
        Running = "running",
        /// Trained; its accuracies are in `evaluations`.
        Finished = "finished",
        /// Its loss became NaN or infinite: a result.
        Diverged = "diverged",
        /// Given up after its last attempt.
        Failed = "failed",
    }
}

/// A trial.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRow {
    /// Its row.
    pub id: TrialId,
    /// Its key.
    pub key: Key,
    /// Its configuration.
    pub configuration_id: ConfigurationId,
    /// Its seed.
    pub seed: u64,
    /// Where it is on its way.
    pub state: TrialState,
    /// Time of all its training, seconds; of a finished trial.
    pub train_s: Option<f64>,
    /// Epoch, from 0, in which it diverged.
    pub diverged_epoch: Option<u32>,
    /// Step of that epoch.
    pub diverged_step: Option<u32>,
    /// Final weights (safetensors), if they were kept.
    pub weights_path: Option<String>,
    /// BLAKE3 of the final weights.
    pub weights_checksum: Option<String>,
    /// Fingerprint of the images it saw.
    pub data_fingerprint: Option<String>,
    /// When it finished, diverged or was given up.
    pub ended_at: Option<String>,
    /// Version of the program that ended it.
    pub program_version: Option<String>,
    /// Commit that program was built from.
    pub git_commit: Option<String>,
    /// Whether there were changes on top of that commit.
    pub git_dirty: Option<bool>,
    /// Machine that ended it.
    pub machine_id: Option<MachineId>,
}

/// A trial that a sweep still asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTrial {
    /// Its row.
    pub id: TrialId,
    /// Its key.
    pub key: Key,
    /// Its configuration; [`Store::configuration`] has the settings.
    pub configuration_id: ConfigurationId,
    /// Its seed.
    pub seed: u64,
}

/// A trial with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRecord {
    /// The trial.
    pub trial: TrialRow,
    /// Its configuration.
    pub configuration: ConfigurationRow,
    /// Names of the sweeps that ask for it; none if it is orphaned.
    pub sweeps: Vec<String>,
    /// Its attempts, the first first.
    pub attempts: Vec<AttemptRow>,
    /// Its epochs.
    pub epochs: Vec<EpochRow>,
    /// Its accuracies, by test resolution.
    pub evaluations: Vec<EvaluationRow>,
}

impl Store {
    /// The state of every trial, whichever sweep asks for it.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn trial_states(&self) -> Result<HashMap<Key, TrialState>, StoreError> {
        let mut states = HashMap::new();
        self.each_trial(|key, state| {
            states.insert(key, state);
        })?;
        Ok(states)
    }

    /// Number of trials, whichever sweep asks for them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn trial_count(&self) -> Result<u64, StoreError> {
        let count = |row: &Row<'_>| row.get::<_, Count>(0);
        let count =
            self.read("count the trials", |db| db.query_row("SELECT count(*) FROM trials", [], count))?;
        Ok(count.into())
    }

    /// Tells every trial with its state, whichever sweep asks for it.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn each_trial(&self, mut each: impl FnMut(Key, TrialState)) -> Result<(), StoreError> {
        self.read("read the trials' states", |db| {
            let mut trials = db.prepare_cached("SELECT key, state FROM trials")?;
            let mut rows = trials.query([])?;
            while let Some(row) = rows.next()? {
                each(row.get(0)?, row.get(1)?);
            }
            Ok(())
        })
    }

    /// The sweep's planned trials, in its order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn planned_trials(&self, sweep: SweepId) -> Result<Vec<PlannedTrial>, StoreError> {
        self.read("list the planned trials", |db| {
            db.prepare_cached(
                "SELECT t.id, t.key, t.configuration_id, t.seed
                 FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id
                 WHERE m.sweep_id = ?1 AND t.state = 'planned'
                 ORDER BY m.position",
            )?
            .query_map([sweep], |row| {
                Ok(PlannedTrial {
                    id: row.get("id")?,
                    key: row.get("key")?,
                    configuration_id: row.get("configuration_id")?,
                    seed: row.get::<_, Count>("seed")?.into(),
                })
            })?
            .collect()
        })
    }

    /// All that is known of the trial whose key begins with `prefix`.
    ///
    /// # Errors
    /// [`StoreError::UnknownTrial`], [`StoreError::AmbiguousTrial`], or if the database cannot be read.
    pub fn trial(&self, prefix: &str) -> Result<TrialRecord, StoreError> {
        let mut trials = self.read("find a trial", |db| with_prefix(db, prefix))?;
        let unknown = || StoreError::UnknownTrial { path: self.path().to_owned(), prefix: prefix.to_owned() };
        if trials.len() > 1 {
            return Err(StoreError::AmbiguousTrial {
                path: self.path().to_owned(),
                prefix: prefix.to_owned(),
                keys: trials.iter().map(|trial| trial.key.to_string()).collect(),
            });
        }
        let trial = trials.pop().ok_or_else(unknown)?;
        Ok(TrialRecord {
            configuration: self.configuration(trial.configuration_id)?,
            sweeps: self.sweeps_of(trial.id)?,
            attempts: self.attempts(trial.id)?,
            epochs: self.epochs(trial.id)?,
            evaluations: self.evaluations(trial.id)?,
            trial,
        })
    }

    /// Notes that the trial's weights were deleted.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn forget_weights(&mut self, trial: TrialId) -> Result<(), StoreError> {
        self.write("note deleted weights", |tx| {
            one(tx.prepare_cached("UPDATE trials SET weights_path = NULL WHERE id = ?1")?.execute([trial])?)
        })
    }

    fn sweeps_of(&self, trial: TrialId) -> Result<Vec<String>, StoreError> {
        self.read("find the trial's sweeps", |db| {
            db.prepare_cached(
                "SELECT w.name FROM sweep_trials AS m JOIN sweeps AS w ON w.id = m.sweep_id
                 WHERE m.trial_id = ?1 ORDER BY w.name",
            )?
            .query_map([trial], |row| row.get(0))?
            .collect()
        })
    }
}

/// Up to four trials whose keys begin with `prefix`, by the index on keys.
fn with_prefix(db: &Connection, prefix: &str) -> rusqlite::Result<Vec<TrialRow>> {
    db.prepare_cached(
        // `g` follows the last hexadecimal digit.
        "SELECT id, key, configuration_id, seed, state, train_s, diverged_epoch, diverged_step, weights_path,
                weights_checksum, data_fingerprint, ended_at, program_version, git_commit, git_dirty, machine_id
         FROM trials WHERE key >= ?1 AND key < ?1 || 'g' ORDER BY key LIMIT 4",
    )?
    .query_map([prefix.to_ascii_lowercase()], from_row)?
    .collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<TrialRow> {
    Ok(TrialRow {
        id: row.get("id")?,
        key: row.get("key")?,
        configuration_id: row.get("configuration_id")?,
        seed: row.get::<_, Count>("seed")?.into(),
        state: row.get("state")?,
        train_s: row.get("train_s")?,
        diverged_epoch: row.get("diverged_epoch")?,
        diverged_step: row.get("diverged_step")?,
        weights_path: row.get("weights_path")?,
        weights_checksum: row.get("weights_checksum")?,
        data_fingerprint: row.get("data_fingerprint")?,
        ended_at: row.get("ended_at")?,
        program_version: row.get("program_version")?,
        git_commit: row.get("git_commit")?,
        git_dirty: row.get("git_dirty")?,
        machine_id: row.get("machine_id")?,
    })
}

/// The row with that trial's key, and whether it was written only now.
pub(super) fn find_or_insert(
    db: &Connection,
    configuration: ConfigurationId,
    trial: &PointTrial,
) -> rusqlite::Result<(TrialId, bool)> {
    let found = db
        .prepare_cached("SELECT id FROM trials WHERE key = ?1")?
        .query_row([trial.key], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok((id, false));
    }
    let id = db
        .prepare_cached("INSERT INTO trials (key, configuration_id, seed) VALUES (?1, ?2, ?3)")?
        .insert((trial.key, configuration, Count(trial.seed)))?;
    Ok((TrialId(id), true))
}
