//! Taking the next trial: which one, that nobody else has it, and the attempt it begins, in one transaction.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::column::Count;
use super::time::now;
use super::{AttemptId, ConfigurationId, Job, Key, MachineId, RunId, Store, StoreError, SweepId, TrialId};

/// The program that computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its version.
    pub program_version: String,
    /// Commit it was built from, if known.
    pub git_commit: Option<String>,
    /// Whether there were changes on top of that commit.
    pub git_dirty: Option<bool>,
}

/// Who takes trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// The run.
    pub run: RunId,
    /// The machine.
    pub machine_id: MachineId,
    /// Threads of each worker.
    pub threads: u32,
    /// The program.
    pub code: Code,
}

/// An accuracy that a sweep asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Side of the test images, pixels.
    pub resolution: u32,
    /// Name of the fine-tuning before it; [`UNTUNED`] is none.
    pub fine_tuning: String,
    /// Whether it breaks the alignment rule (a labelled control).
    pub aliased: bool,
}

/// The name of no fine-tuning.
pub const UNTUNED: &str = "none";

/// A trial taken, with what its worker needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The attempt that began.
    pub attempt: AttemptId,
    /// Its number, from 1.
    pub number: u32,
    /// What it is to do.
    pub job: Job,
    /// The trial.
    pub trial: TrialId,
    /// Its key.
    pub key: Key,
    /// Its seed.
    pub seed: u64,
    /// Its configuration.
    pub configuration: ConfigurationId,
    /// That configuration's settings; JSON.
    pub settings: String,
    /// Weights of an earlier attempt, if they were kept.
    pub weights_path: Option<String>,
    /// BLAKE3 of those, or of the ones that were not kept.
    pub weights_checksum: Option<String>,
    /// Accuracies that the sweep asks for and that are not there yet.
    pub tests: Vec<Test>,
    /// Earlier attempts that failed.
    pub failed_attempts: u32,
}

impl Store {
    /// Takes the sweep's next planned trial; `None` if there is none left.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn claim_next(&mut self, sweep: SweepId, runner: &Runner) -> Result<Option<Claim>, StoreError> {
        self.write("claim the next trial", |tx| {
            let next = tx
                .prepare_cached(
                    // CROSS JOIN: walk the sweep in its order and stop at the first; SQLite would not reorder
                    // what it knows too little about.
                    "SELECT t.id FROM sweep_trials AS m CROSS JOIN trials AS t ON t.id = m.trial_id
                     WHERE m.sweep_id = ?1 AND t.state = 'planned'
                     ORDER BY m.position LIMIT 1",
                )?
                .query_row([sweep], |row| row.get(0))
                .optional()?;
            next.map(|trial| begin(tx, sweep, trial, Job::Train, runner)).transpose()
        })
    }

    /// Takes this trial to train it; `None` if it is not planned or not there (any more).
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn claim_trial(
        &mut self,
        sweep: SweepId,
        trial: TrialId,
        runner: &Runner,
    ) -> Result<Option<Claim>, StoreError> {
        self.write("claim a trial", |tx| {
            let planned: bool = tx
                .prepare_cached("SELECT state = 'planned' FROM trials WHERE id = ?1")?
                .query_row([trial], |row| row.get(0))
                .optional()?
                .unwrap_or(false);
            planned.then(|| begin(tx, sweep, trial, Job::Train, runner)).transpose()
        })
    }

    /// Takes this finished trial to evaluate it where the sweep asks for more; `None` if it is not finished
    /// or a worker is at it already.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn claim_evaluation(
        &mut self,
        sweep: SweepId,
        trial: TrialId,
        runner: &Runner,
    ) -> Result<Option<Claim>, StoreError> {
        self.write("claim an evaluation", |tx| {
            let free: bool = tx
                .prepare_cached(
                    "SELECT state = 'finished'
                        AND NOT EXISTS (SELECT 1 FROM attempts WHERE trial_id = ?1 AND state = 'running')
                     FROM trials WHERE id = ?1",
                )?
                .query_row([trial], |row| row.get(0))?;
            free.then(|| begin(tx, sweep, trial, Job::Evaluate, runner)).transpose()
        })
    }
}

/// Begins an attempt at a trial that is free for it.
fn begin(
    db: &Connection,
    sweep: SweepId,
    trial: TrialId,
    job: Job,
    runner: &Runner,
) -> rusqlite::Result<Claim> {
    if job == Job::Train {
        db.prepare_cached("UPDATE trials SET state = 'running' WHERE id = ?1")?.execute([trial])?;
    }
    let (attempt, number) = insert_attempt(db, trial, job, runner)?;
    let tests = missing_tests(db, sweep, trial)?;
    db.prepare_cached(
        "SELECT t.key, t.seed, t.configuration_id, t.weights_path, t.weights_checksum, c.settings,
                (SELECT count(*) FROM attempts AS a WHERE a.trial_id = t.id AND a.state = 'failed')
                    AS failed_attempts
         FROM trials AS t JOIN configurations AS c ON c.id = t.configuration_id
         WHERE t.id = ?1",
    )?
    .query_row([trial], |row| {
        Ok(Claim {
            attempt,
            number,
            job,
            trial,
            key: row.get("key")?,
            seed: row.get::<_, Count>("seed")?.into(),
            configuration: row.get("configuration_id")?,
            settings: row.get("settings")?,
            weights_path: row.get("weights_path")?,
            weights_checksum: row.get("weights_checksum")?,
            tests,
            failed_attempts: row.get("failed_attempts")?,
        })
    })
}

fn insert_attempt(
    db: &Connection,
    trial: TrialId,
    job: Job,
    runner: &Runner,
) -> rusqlite::Result<(AttemptId, u32)> {
    db.prepare_cached(
        "INSERT INTO attempts
             (trial_id, number, job, state, started_at, run_id, threads, machine_id, program_version, git_commit,
              git_dirty)
         VALUES
             (:trial, (SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE trial_id = :trial), :job, 'running',
              :now, :run, :threads, :machine, :program_version, :git_commit, :git_dirty)
         RETURNING id, number",
    )?
    .query_row(
        named_params! {
            ":trial": trial,
            ":job": job,
            ":now": now(),
            ":run": runner.run,
            ":threads": runner.threads,
            ":machine": runner.machine_id,
            ":program_version": runner.code.program_version,
            ":git_commit": runner.code.git_commit,
            ":git_dirty": runner.code.git_dirty,
        },
        |row| Ok((row.get("id")?, row.get("number")?)),
    )
}

/// What the sweep asks for of this trial and does not have yet: before fine-tuning first, the smallest resolution first.
fn missing_tests(db: &Connection, sweep: SweepId, trial: TrialId) -> rusqlite::Result<Vec<Test>> {
    db.prepare_cached(
        "SELECT q.test_resolution, q.fine_tuning, q.aliased
         FROM trials AS t
         JOIN sweep_tests AS q ON q.sweep_id = ?1 AND q.configuration_id = t.configuration_id
         WHERE t.id = ?2 AND NOT EXISTS (
             SELECT 1 FROM evaluations AS e
             WHERE e.trial_id = t.id AND e.test_resolution = q.test_resolution
                 AND e.fine_tuning = q.fine_tuning)
         ORDER BY q.fine_tuning <> 'none', q.test_resolution, q.fine_tuning",
    )?
    .query_map((sweep, trial), |row| {
        Ok(Test { resolution: row.get(0)?, fine_tuning: row.get(1)?, aliased: row.get(2)? })
    })?
    .collect()
}
