//! The tables `measurements` and `samples`: throughput, with every sample kept.

use rusqlite::{Transaction, named_params};

use super::column::{Count, words};
use super::time::now;
use super::{Code, ConfigurationId, Key, MachineId, MeasurementId, Store, StoreError, SweepId};

words! {
    /// What a throughput is of.
    pub enum MeasureKind {
        /// A whole training step: forward, backward, update.
        Train = "train",
        /// A forward pass for evaluation.
        Inference = "inference",
    }
}

words! {
    /// With whom a measurement shared the machine.
    pub enum Mode {
        /// With nobody of ours: the only kind that results show.
        Exclusive = "exclusive",
        /// With other trials.
        Shared = "shared",
    }
}

/// One round of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementRow {
    /// What was measured.
    pub configuration_id: ConfigurationId,
    /// Where.
    pub machine_id: MachineId,
    /// What was timed.
    pub kind: MeasureKind,
    /// Side of the images, pixels.
    pub resolution: u32,
    /// Images a step.
    pub batch_size: u32,
    /// Threads.
    pub threads: u32,
    /// With whom the machine was shared.
    pub mode: Mode,
    /// Round over the sweep's configurations, from 0.
    pub round: u32,
    /// Median over the samples, images per second.
    pub images_per_s: f64,
    /// Lower end of that median's 95 % interval.
    pub images_per_s_low: f64,
    /// Upper end.
    pub images_per_s_high: f64,
    /// Rate of the fixed probe before the samples, work units per second.
    pub probe_before: Option<f64>,
    /// Rate of the same probe after them.
    pub probe_after: Option<f64>,
    /// Share of the machine's processor time that others used meanwhile, 0 to 1.
    pub foreign_load: Option<f64>,
    /// Whether nothing disturbed it.
    pub quiet: bool,
    /// Largest resident size of the process, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Mean clock of the processors right after, MHz.
    pub clock_mhz: Option<f64>,
    /// Time waited for others to leave the machine alone, seconds.
    pub waited_s: Option<f64>,
    /// Time from opening the images to the first batch of them, seconds; of training.
    pub first_batch_s: Option<f64>,
    /// The program.
    pub code: Code,
}

/// How many rounds of which measurements are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// On this machine.
    pub machine_id: MachineId,
    /// With these threads.
    pub threads: u32,
    /// Inference with this batch size.
    pub inference_batch_size: u32,
    /// Rounds.
    pub rounds: u32,
}

/// A configuration with rounds still to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToMeasure {
    /// Its row.
    pub id: ConfigurationId,
    /// Its key.
    pub key: Key,
    /// Its settings; JSON.
    pub settings: String,
    /// Rounds that are there of every kind and resolution.
    pub rounds_done: u32,
    /// Resolutions at which the sweep tests it, the smallest first.
    pub test_resolutions: Vec<u32>,
}

impl Store {
    /// Keeps a measurement and its samples (seconds a step, in order), in one transaction.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn record_measurement(
        &mut self,
        row: &MeasurementRow,
        samples_s: &[f64],
    ) -> Result<MeasurementId, StoreError> {
        self.write("record a measurement", |tx| {
            let id = insert(tx, row)?;
            let mut sample = tx.prepare_cached(
                "INSERT INTO samples (measurement_id, position, elapsed_s) VALUES (?1, ?2, ?3)",
            )?;
            for (position, elapsed_s) in (0_i64..).zip(samples_s) {
                sample.execute((id, position, elapsed_s))?;
            }
            Ok(id)
        })
    }

    /// The sweep's configurations that have a finished trial and fewer exclusive rounds than wanted, of
    /// training or of inference at a resolution that the sweep tests; without those that failed at it here. In the
    /// sweep's order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn configurations_to_measure(
        &self,
        sweep: SweepId,
        wanted: &Wanted,
    ) -> Result<Vec<ToMeasure>, StoreError> {
        self.read("list the configurations to measure", |db| {
            db.prepare_cached(
                "WITH
                     trained AS (
                         SELECT c.id, c.key, c.settings, c.batch_size, c.train_resolution,
                                min(m.position) AS position
                         FROM sweep_trials AS m
                         JOIN trials AS t ON t.id = m.trial_id
                         JOIN configurations AS c ON c.id = t.configuration_id
                         WHERE m.sweep_id = :sweep AND t.state = 'finished'
                             AND NOT EXISTS (
                                 SELECT 1 FROM measurement_failures AS f
                                 WHERE f.configuration_id = c.id AND f.machine_id = :machine
                                     AND f.threads = :threads)
                         GROUP BY c.id
                     ),
                     steps AS (
                         SELECT id, 'train' AS kind, train_resolution AS resolution, batch_size FROM trained
                         UNION ALL
                         SELECT DISTINCT c.id, 'inference', q.test_resolution, :inference_batch_size
                         FROM trained AS c
                         JOIN sweep_tests AS q ON q.sweep_id = :sweep AND q.configuration_id = c.id
                     ),
                     counted AS (
                         SELECT s.id, s.kind, s.resolution, (
                             SELECT count(*) FROM measurements AS x
                             WHERE x.configuration_id = s.id AND x.kind = s.kind AND x.resolution = s.resolution
                                 AND x.batch_size = s.batch_size AND x.threads = :threads
                                 AND x.machine_id = :machine AND x.mode = 'exclusive'
                         ) AS rounds
                         FROM steps AS s
                     )
                 SELECT c.id, c.key, c.settings, min(n.rounds) AS rounds_done,
                        json_group_array(n.resolution) FILTER (WHERE n.kind = 'inference') AS test_resolutions
                 FROM trained AS c JOIN counted AS n ON n.id = c.id
                 GROUP BY c.id
                 HAVING rounds_done < :rounds
                 ORDER BY c.position",
            )?
            .query_map(
                named_params! {
                    ":sweep": sweep,
                    ":inference_batch_size": wanted.inference_batch_size,
                    ":threads": wanted.threads,
                    ":machine": wanted.machine_id,
                    ":rounds": wanted.rounds,
                },
                |row| {
                    Ok(ToMeasure {
                        id: row.get("id")?,
                        key: row.get("key")?,
                        settings: row.get("settings")?,
                        rounds_done: row.get("rounds_done")?,
                        test_resolutions: row.get::<_, Ascending>("test_resolutions")?.0,
                    })
                },
            )?
            .collect()
        })
    }
}

impl Store {
    /// Medians of the quiet exclusive rounds on that machine with so many threads, images per second: one list for each
    /// step of a configuration that has several of one version of the program.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn repeated_rounds(&self, machine: MachineId, threads: u32) -> Result<Vec<Vec<f64>>, StoreError> {
        self.read("compare the rounds", |db| {
            db.prepare_cached(
                "SELECT json_group_array(images_per_s) FROM measurements
                 WHERE machine_id = ?1 AND threads = ?2 AND mode = 'exclusive' AND quiet
                 GROUP BY configuration_id, kind, resolution, batch_size, program_version, git_commit
                 HAVING count(*) > 1",
            )?
            .query_map((machine, threads), |row| {
                let rates: String = row.get(0)?;
                let failure = |error| {
                    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
                };
                serde_json::from_str(&rates).map_err(failure)
            })?
            .collect()
        })
    }

    /// The probe's rates before and after each quiet exclusive round on that machine with so many threads.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn probes(&self, machine: MachineId, threads: u32) -> Result<Vec<[f64; 2]>, StoreError> {
        self.read("compare the probes", |db| {
            db.prepare_cached(
                "SELECT probe_before, probe_after FROM measurements
                 WHERE machine_id = ?1 AND threads = ?2 AND mode = 'exclusive' AND quiet
                     AND probe_before > 0 AND probe_after > 0",
            )?
            .query_map((machine, threads), |row| Ok([row.get(0)?, row.get(1)?]))?
            .collect()
        })
    }

    /// Widens the intervals of that machine's exclusive rounds to at least a factor of `reach` on either side.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn widen_rounds(&mut self, machine: MachineId, threads: u32, reach: f64) -> Result<(), StoreError> {
        self.write("widen the intervals", |tx| {
            tx.prepare_cached(
                "UPDATE measurements SET
                     images_per_s_low = min(images_per_s_low, images_per_s / ?3),
                     images_per_s_high = max(images_per_s_high, images_per_s * ?3)
                 WHERE machine_id = ?1 AND threads = ?2 AND mode = 'exclusive'",
            )?
            .execute((machine, threads, reach))
            .map(drop)
        })
    }
}

fn insert(tx: &Transaction<'_>, row: &MeasurementRow) -> rusqlite::Result<MeasurementId> {
    let id = tx
        .prepare_cached(
            "INSERT INTO measurements
                 (configuration_id, machine_id, kind, resolution, batch_size, threads, mode, round, images_per_s,
                  images_per_s_low, images_per_s_high, probe_before, probe_after, foreign_load, quiet,
                  peak_rss_bytes, clock_mhz, waited_s, first_batch_s, taken_at, program_version, git_commit, git_dirty)
             VALUES
                 (:configuration_id, :machine_id, :kind, :resolution, :batch_size, :threads, :mode, :round,
                  :images_per_s, :images_per_s_low, :images_per_s_high, :probe_before, :probe_after, :foreign_load,
                  :quiet, :peak_rss_bytes, :clock_mhz, :waited_s, :first_batch_s, :now, :program_version, :git_commit, :git_dirty)",
        )?
        .insert(named_params! {
            ":configuration_id": row.configuration_id,
            ":machine_id": row.machine_id,
            ":kind": row.kind,
            ":resolution": row.resolution,
            ":batch_size": row.batch_size,
            ":threads": row.threads,
            ":mode": row.mode,
            ":round": row.round,
            ":images_per_s": row.images_per_s,
            ":images_per_s_low": row.images_per_s_low,
            ":images_per_s_high": row.images_per_s_high,
            ":probe_before": row.probe_before,
            ":probe_after": row.probe_after,
            ":foreign_load": row.foreign_load,
            ":quiet": row.quiet,
            ":peak_rss_bytes": row.peak_rss_bytes.map(Count),
            ":clock_mhz": row.clock_mhz,
            ":waited_s": row.waited_s,
            ":first_batch_s": row.first_batch_s,
            ":now": now(),
            ":program_version": row.code.program_version,
            ":git_commit": row.code.git_commit,
            ":git_dirty": row.code.git_dirty,
        })?;
    Ok(MeasurementId(id))
}

/// A JSON array of numbers, sorted.
struct Ascending(Vec<u32>);

impl rusqlite::types::FromSql for Ascending {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        let mut numbers: Vec<u32> = serde_json::from_str(value.as_str()?)
            .map_err(|error| rusqlite::types::FromSqlError::Other(Box::new(error)))?;
        numbers.sort_unstable();
        Ok(Self(numbers))
    }
}
