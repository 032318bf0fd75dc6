//! What a plan asks of the whole database at once: by key, before a sweep is registered.

use std::collections::{HashMap, HashSet};

use super::column::Count;
use super::{Key, MeasureKind, Store, StoreError, SweepId, TrialId};

/// One kind of measurement of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// The configuration's key.
    pub configuration: Key,
    /// What was timed.
    pub kind: MeasureKind,
    /// Side of the images, pixels.
    pub resolution: u32,
    /// Images a step.
    pub batch_size: u32,
}

/// How fast a configuration trained, other trials beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingSpeed {
    /// The configuration's key.
    pub configuration: Key,
    /// Multiply-accumulates of one image's forward pass.
    pub macs: u64,
    /// Images of one epoch.
    pub images: u32,
    /// Images per second over all of its epochs.
    pub images_per_s: f64,
}

impl Store {
    /// Every accuracy that is there: trial, test resolution and fine-tuning.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn evaluated(&self) -> Result<HashMap<String, HashSet<(Key, u32)>>, StoreError> {
        self.read("list the evaluations", |db| {
            let mut evaluations = db.prepare_cached(
                "SELECT e.fine_tuning, t.key, e.test_resolution
                 FROM evaluations AS e JOIN trials AS t ON t.id = e.trial_id",
            )?;
            let mut rows = evaluations.query([])?;
            let mut evaluated: HashMap<String, HashSet<(Key, u32)>> = HashMap::new();
            while let Some(row) = rows.next()? {
                let name = row.get_ref(0)?.as_str()?;
                let accuracy = (row.get(1)?, row.get(2)?);
                match evaluated.get_mut(name) {
                    Some(known) => drop(known.insert(accuracy)),
                    None => drop(evaluated.insert(name.to_owned(), HashSet::from([accuracy]))),
                }
            }
            Ok(evaluated)
        })
    }

    /// Exclusive rounds of every kind of measurement taken on the machine of that fingerprint with that number of
    /// threads.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn measured(&self, fingerprint: &str, threads: u32) -> Result<HashMap<Step, u32>, StoreError> {
        self.read("list the measurements", |db| {
            db.prepare_cached(
                "SELECT c.key, x.kind, x.resolution, x.batch_size, count(*) AS rounds
                 FROM measurements AS x
                 JOIN machines AS m ON m.id = x.machine_id
                 JOIN configurations AS c ON c.id = x.configuration_id
                 WHERE m.fingerprint = ?1 AND x.threads = ?2 AND x.mode = 'exclusive'
                 GROUP BY c.id, x.kind, x.resolution, x.batch_size",
            )?
            .query_map((fingerprint, threads), |row| {
                let step = Step {
                    configuration: row.get("key")?,
                    kind: row.get("kind")?,
                    resolution: row.get("resolution")?,
                    batch_size: row.get("batch_size")?,
                };
                Ok((step, row.get("rounds")?))
            })?
            .collect()
        })
    }

    /// How fast each configuration trained on the machine of that fingerprint, or on any: of its trials that ended there.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn training_speeds(&self, fingerprint: Option<&str>) -> Result<Vec<TrainingSpeed>, StoreError> {
        self.read("read how fast trials trained", |db| {
            db.prepare_cached(
                "SELECT c.key, c.macs, max(e.images) AS images, sum(e.images) / sum(e.elapsed_s) AS images_per_s
                 FROM machines AS m
                 JOIN trials AS t ON t.machine_id = m.id
                 JOIN configurations AS c ON c.id = t.configuration_id
                 JOIN epochs AS e ON e.trial_id = t.id
                 WHERE ?1 IS NULL OR m.fingerprint = ?1
                 GROUP BY c.id HAVING sum(e.elapsed_s) > 0",
            )?
            .query_map([fingerprint], |row| {
                Ok(TrainingSpeed {
                    configuration: row.get("key")?,
                    macs: row.get::<_, Count>("macs")?.into(),
                    images: row.get("images")?,
                    images_per_s: row.get("images_per_s")?,
                })
            })?
            .collect()
        })
    }

    /// Whether a configuration of the sweep with a finished trial was measured on no machine at all.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn has_unmeasured(&self, sweep: SweepId) -> Result<bool, StoreError> {
        self.read("look for configurations without measurements", |db| {
            db.query_row(
                "SELECT EXISTS (
                     SELECT 1 FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id
                     WHERE m.sweep_id = ?1 AND t.state = 'finished' AND NOT EXISTS (
                         SELECT 1 FROM measurements AS x
                         WHERE x.configuration_id = t.configuration_id AND x.mode = 'exclusive'))",
                [sweep],
                |row| row.get(0),
            )
        })
    }

    /// The sweep's trials whose weights are kept and that no other sweep asks for.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn kept_weights(&self, sweep: SweepId) -> Result<Vec<(TrialId, Key)>, StoreError> {
        self.read("list the kept weights", |db| {
            db.prepare_cached(
                "SELECT t.id, t.key
                 FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id
                 WHERE m.sweep_id = ?1 AND t.weights_path IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM sweep_trials AS o WHERE o.trial_id = t.id AND o.sweep_id <> ?1)",
            )?
            .query_map([sweep], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
    }

    /// Plans the sweep's failed trials again. Returns how many.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn replan_failed(&mut self, sweep: SweepId) -> Result<usize, StoreError> {
        self.write("plan failed trials again", |tx| {
            tx.execute(
                "UPDATE trials SET state = 'planned', ended_at = NULL, program_version = NULL, git_commit = NULL,
                     git_dirty = NULL, machine_id = NULL
                 WHERE state = 'failed' AND id IN (SELECT trial_id FROM sweep_trials WHERE sweep_id = ?1)",
                [sweep],
            )
        })
    }
}
