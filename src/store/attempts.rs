//! The table `attempts`: one worker process at work on one trial, and how it ended.
//!
//! How an attempt ended and where that leaves its trial are one transaction, always.

use rusqlite::{Connection, Row, Transaction, named_params};

use super::column::{Count, words};
use super::open::one;
use super::time::now;
use super::{AttemptId, MachineId, Store, StoreError, TrialId};

words! {
    /// How an attempt stands.
    pub enum AttemptState {
        /// Its worker is at it.
        Running = "running",
        /// It did its job.
        Finished = "finished",
        /// The loss became NaN or infinite.
        Diverged = "diverged",
        /// It was told to stop, or its runner died; it says nothing about the trial.
        Stopped = "stopped",
        /// It ended without a result.
        Failed = "failed",
    }
}

words! {
    /// What an attempt is to do.
    pub enum Job {
        /// Train, from the start or a checkpoint, and evaluate.
        Train = "train",
        /// Evaluate a finished trial at further resolutions.
        Evaluate = "evaluate",
    }
}

/// What a worker says when it has read its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptStart {
    /// Fingerprint of the images.
    pub data_fingerprint: String,
    /// Finished epochs of the checkpoint that it goes on from; 0 at the start.
    pub resumed_epochs: u32,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEnd {
    /// With what.
    pub outcome: Outcome,
    /// Exit status of the worker, if it exited.
    pub exit_status: Option<i32>,
    /// Signal that ended the worker, if one did.
    pub signal: Option<i32>,
    /// What went wrong, in one line.
    pub message: Option<String>,
    /// End of the worker's standard error.
    pub log_tail: Option<String>,
    /// Largest resident size, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Processor time in user mode, seconds.
    pub user_cpu_s: Option<f64>,
    /// Processor time in the kernel, seconds.
    pub system_cpu_s: Option<f64>,
}

/// With what an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The trial is trained and evaluated.
    Trained {
        /// Time of all its training, earlier attempts included, seconds.
        train_s: f64,
        /// Final weights, if they are kept.
        weights_path: Option<String>,
        /// BLAKE3 of the final weights.
        weights_checksum: Option<String>,
    },
    /// The finished trial has the further accuracies.
    Evaluated,
    /// The loss became NaN or infinite: the trial's result.
    Diverged {
        /// Epoch, from 0.
        epoch: u32,
        /// Step of that epoch.
        step: u32,
    },
    /// It was told to stop: the trial is planned again.
    Stopped,
    /// It ended without a result.
    Failed {
        /// Kind of failure, in the protocol's word (`oom`, `panic`).
        cause: String,
        /// What becomes of the trial.
        next: Next,
    },
}

/// What becomes of a trial whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is planned again.
    Retry,
    /// It is failed.
    GiveUp,
}

impl Outcome {
    fn attempt_state(&self) -> AttemptState {
        match self {
            Self::Trained { .. } | Self::Evaluated => AttemptState::Finished,
            Self::Diverged { .. } => AttemptState::Diverged,
            Self::Stopped => AttemptState::Stopped,
            Self::Failed { .. } => AttemptState::Failed,
        }
    }

    fn cause(&self) -> Option<&str> {
        match self {
            Self::Failed { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// An attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    /// Its row.
    pub id: AttemptId,
    /// Its trial.
    pub trial_id: TrialId,
    /// Number among the trial's attempts, from 1.
    pub number: u32,
    /// What it was to do.
    pub job: Job,
    /// How it stands.
    pub state: AttemptState,
    /// Kind of failure, of a failed one.
    pub cause: Option<String>,
    /// Exit status, if its worker exited.
    pub exit_status: Option<i32>,
    /// Signal, if one ended its worker.
    pub signal: Option<i32>,
    /// What went wrong.
    pub message: Option<String>,
    /// End of its worker's standard error.
    pub log_tail: Option<String>,
    /// When it was claimed.
    pub started_at: String,
    /// When it ended, if somebody saw that.
    pub ended_at: Option<String>,
    /// Finished epochs that it went on from.
    pub resumed_epochs: Option<u32>,
    /// Largest resident size, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Processor time in user mode, seconds.
    pub user_cpu_s: Option<f64>,
    /// Processor time in the kernel, seconds.
    pub system_cpu_s: Option<f64>,
    /// Process id of its worker.
    pub pid: Option<u32>,
    /// Threads of its worker.
    pub threads: u32,
    /// Its machine.
    pub machine_id: MachineId,
    /// Version of the program.
    pub program_version: String,
    /// Commit that program was built from.
    pub git_commit: Option<String>,
    /// Whether there were changes on top of that commit.
    pub git_dirty: Option<bool>,
}

impl Store {
    /// Notes the worker's process id.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if the attempt is over, or if the database cannot be written.
    pub fn set_worker(&mut self, attempt: AttemptId, pid: u32) -> Result<(), StoreError> {
        self.write("note a worker", |tx| {
            one(tx
                .prepare_cached("UPDATE attempts SET pid = ?2 WHERE id = ?1 AND state = 'running'")?
                .execute((attempt, pid))?)
        })
    }

    /// Notes what the worker found when it began.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if the attempt is over, or if the database cannot be written.
    pub fn start_attempt(&mut self, attempt: AttemptId, start: &AttemptStart) -> Result<(), StoreError> {
        self.write("note an attempt's start", |tx| {
            one(tx
                .prepare_cached(
                    "UPDATE attempts SET resumed_epochs = ?2 WHERE id = ?1 AND state = 'running'",
                )?
                .execute((attempt, start.resumed_epochs))?)?;
            one(tx
                .prepare_cached(
                    "UPDATE trials SET data_fingerprint = ?2
                     WHERE id = (SELECT trial_id FROM attempts WHERE id = ?1)",
                )?
                .execute((attempt, &start.data_fingerprint))?)
        })
    }

    /// Ends the attempt, and takes its trial where that leads, in one transaction. The end of an attempt to
    /// evaluate leaves its trial finished, whatever it was.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if the attempt is over already or had another job, or if the database cannot
    /// be written.
    pub fn end_attempt(&mut self, attempt: AttemptId, end: &AttemptEnd) -> Result<(), StoreError> {
        self.write("note an attempt's end", |tx| {
            let now = now();
            let (trial, job) = close(tx, attempt, end, &now)?;
            match (job, &end.outcome) {
                (Job::Train, Outcome::Evaluated) | (Job::Evaluate, Outcome::Trained { .. }) => one(0),
                (Job::Train, outcome) => one(move_trial(tx, trial, attempt, outcome, &now)?),
                (Job::Evaluate, _) => Ok(()),
            }
        })
    }

    /// The trial's attempts, the first first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn attempts(&self, trial: TrialId) -> Result<Vec<AttemptRow>, StoreError> {
        self.read("read a trial's attempts", |db| {
            db.prepare_cached(
                "SELECT id, trial_id, number, job, state, cause, exit_status, signal, message, log_tail, started_at,
                        ended_at, resumed_epochs, peak_rss_bytes, user_cpu_s, system_cpu_s, pid, threads, machine_id,
                        program_version, git_commit, git_dirty
                 FROM attempts WHERE trial_id = ?1 ORDER BY number",
            )?
            .query_map([trial], from_row)?
            .collect()
        })
    }
}

fn close(
    db: &Connection,
    attempt: AttemptId,
    end: &AttemptEnd,
    now: &str,
) -> rusqlite::Result<(TrialId, Job)> {
    let changed = db
        .prepare_cached(
            "UPDATE attempts SET
                 state = :state, cause = :cause, exit_status = :exit_status, signal = :signal, message = :message,
                 log_tail = :log_tail, ended_at = :now, peak_rss_bytes = :peak_rss_bytes,
                 user_cpu_s = :user_cpu_s, system_cpu_s = :system_cpu_s
             WHERE id = :id AND state = 'running'",
        )?
        .execute(named_params! {
            ":id": attempt,
            ":state": end.outcome.attempt_state(),
            ":cause": end.outcome.cause(),
            ":exit_status": end.exit_status,
            ":signal": end.signal,
            ":message": end.message,
            ":log_tail": end.log_tail,
            ":now": now,
            ":peak_rss_bytes": end.peak_rss_bytes.map(Count),
            ":user_cpu_s": end.user_cpu_s,
            ":system_cpu_s": end.system_cpu_s,
        })?;
    one(changed)?;
    db.prepare_cached("SELECT trial_id, job FROM attempts WHERE id = ?1")?
        .query_row([attempt], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Takes a running trial where the end of its attempt leads. Returns the number of rows changed.
fn move_trial(
    tx: &Transaction<'_>,
    trial: TrialId,
    attempt: AttemptId,
    outcome: &Outcome,
    now: &str,
) -> rusqlite::Result<usize> {
    let changed = match outcome {
        Outcome::Stopped | Outcome::Failed { next: Next::Retry, .. } => {
            return tx
                .prepare_cached("UPDATE trials SET state = 'planned' WHERE id = ?1 AND state = 'running'")?
                .execute([trial]);
        }
        Outcome::Failed { next: Next::GiveUp, .. } => tx
            .prepare_cached(
                "UPDATE trials SET state = 'failed', ended_at = ?2 WHERE id = ?1 AND state = 'running'",
            )?
            .execute((trial, now))?,
        Outcome::Diverged { epoch, step } => tx
            .prepare_cached(
                "UPDATE trials SET state = 'diverged', diverged_epoch = ?3, diverged_step = ?4, ended_at = ?2
                 WHERE id = ?1 AND state = 'running'",
            )?
            .execute((trial, now, epoch, step))?,
        Outcome::Trained { train_s, weights_path, weights_checksum } => tx
            .prepare_cached(
                "UPDATE trials SET state = 'finished', train_s = ?3, weights_path = ?4, weights_checksum = ?5,
                     ended_at = ?2
                 WHERE id = ?1 AND state = 'running'",
            )?
            .execute((trial, now, train_s, weights_path, weights_checksum))?,
        Outcome::Evaluated => 0,
    };
    sign(tx, trial, attempt)?;
    Ok(changed)
}

/// Signs the trial with the code and machine of the attempt that ended it.
fn sign(db: &Connection, trial: TrialId, attempt: AttemptId) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "UPDATE trials SET (program_version, git_commit, git_dirty, machine_id) =
             (SELECT program_version, git_commit, git_dirty, machine_id FROM attempts WHERE id = ?2)
         WHERE id = ?1",
    )?
    .execute((trial, attempt))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    Ok(AttemptRow {
        id: row.get("id")?,
        trial_id: row.get("trial_id")?,
        number: row.get("number")?,
        job: row.get("job")?,
        state: row.get("state")?,
        cause: row.get("cause")?,
        exit_status: row.get("exit_status")?,
        signal: row.get("signal")?,
        message: row.get("message")?,
        log_tail: row.get("log_tail")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        resumed_epochs: row.get("resumed_epochs")?,
        peak_rss_bytes: row.get::<_, Option<Count>>("peak_rss_bytes")?.map(u64::from),
        user_cpu_s: row.get("user_cpu_s")?,
        system_cpu_s: row.get("system_cpu_s")?,
        pid: row.get("pid")?,
        threads: row.get("threads")?,
        machine_id: row.get("machine_id")?,
        program_version: row.get("program_version")?,
        git_commit: row.get("git_commit")?,
        git_dirty: row.get("git_dirty")?,
    })
}
