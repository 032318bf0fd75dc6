//! The table `runs`: who takes trials, and what happens to those of a run that died.

use rusqlite::{Transaction, named_params};

use super::column::Count;
use super::time::now;
use super::{MachineId, RunId, RunLock, Store, StoreError, SweepId};

/// One `effsweep run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// The sweep that it runs.
    pub sweep_id: SweepId,
    /// The machine.
    pub machine_id: MachineId,
    /// Its lock's lease.
    pub lease: String,
    /// Its process id.
    pub pid: u32,
    /// Trials at a time.
    pub workers: u32,
    /// Memory that all its workers may use together.
    pub memory_bytes: Option<u64>,
    /// Version of the program.
    pub program_version: String,
}

impl Store {
    /// Notes that a run begins.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn begin_run(&mut self, run: &RunRow) -> Result<RunId, StoreError> {
        self.write("note the run", |tx| {
            tx.prepare_cached(
                "INSERT INTO runs (sweep_id, machine_id, lease, pid, workers, memory_bytes, program_version, started_at)
                 VALUES (:sweep, :machine, :lease, :pid, :workers, :memory_bytes, :program_version, :now)",
            )?
            .insert(named_params! {
                ":sweep": run.sweep_id,
                ":machine": run.machine_id,
                ":lease": run.lease,
                ":pid": run.pid,
                ":workers": run.workers,
                ":memory_bytes": run.memory_bytes.map(Count),
                ":program_version": run.program_version,
                ":now": now(),
            })
            .map(RunId)
        })
    }

    /// Notes that a run has ended.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn end_run(&mut self, run: RunId) -> Result<(), StoreError> {
        self.write("note the run's end", |tx| {
            tx.prepare_cached("UPDATE runs SET ended_at = ?2 WHERE id = ?1")?.execute((run, now())).map(drop)
        })
    }

    /// Gives back what dead runs held: their attempts are stopped, and the trials they trained planned again. What
    /// runs that live hold stays theirs. Returns the number of attempts.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn release_dead(&mut self) -> Result<usize, StoreError> {
        let path = self.path().to_owned();
        self.write("release a dead run's trials", |tx| {
            let dead: Vec<Option<RunId>> = holding(tx)?
                .into_iter()
                .filter(|(_, lease)| lease.as_ref().is_none_or(|lease| !RunLock::is_alive(&path, lease)))
                .map(|(run, _)| run)
                .collect();
            dead.into_iter().map(|run| release(tx, run)).sum()
        })
    }
}

/// Runs with running attempts, with their leases; none for attempts of versions before runs were noted.
fn holding(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(Option<RunId>, Option<String>)>> {
    tx.prepare(
        "SELECT DISTINCT a.run_id, r.lease FROM attempts AS a LEFT JOIN runs AS r ON r.id = a.run_id
         WHERE a.state = 'running'",
    )?
    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

fn release(tx: &Transaction<'_>, run: Option<RunId>) -> rusqlite::Result<usize> {
    tx.execute(
        "UPDATE trials SET state = 'planned'
         WHERE state = 'running' AND id IN (
             SELECT trial_id FROM attempts WHERE state = 'running' AND run_id IS ?1)",
        [run],
    )?;
    tx.execute(
        "UPDATE attempts SET state = 'stopped', message = 'the runner died' WHERE state = 'running' AND run_id IS ?1",
        [run],
    )
}
