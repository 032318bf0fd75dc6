//! The table `measurement_failures`: rounds of measurements that have no result and are not tried again by themselves.

use std::collections::HashSet;

use rusqlite::named_params;

use super::column::Count;
use super::time::now;
use super::{ConfigurationId, Key, MachineId, Store, StoreError, SweepId};

/// A round that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasurementFailureRow {
    /// What was to be measured.
    pub configuration_id: ConfigurationId,
    /// Where.
    pub machine_id: MachineId,
    /// With how many threads.
    pub threads: u32,
    /// Round over the sweep's configurations, from 0.
    pub round: u32,
    /// Kind of failure, in the protocol's word.
    pub cause: String,
    /// Exit status of the worker, if it exited.
    pub exit_status: Option<i32>,
    /// Signal that ended the worker, if one did.
    pub signal: Option<i32>,
    /// What went wrong, in one line.
    pub message: String,
    /// End of the worker's standard error.
    pub log_tail: Option<String>,
    /// Largest resident size, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Version of the program.
    pub program_version: String,
}

impl Store {
    /// Keeps the failure; runs leave the configuration alone from then on.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn record_measurement_failure(&mut self, row: &MeasurementFailureRow) -> Result<(), StoreError> {
        self.write("record a failed measurement", |tx| {
            tx.prepare_cached(
                "INSERT INTO measurement_failures
                     (configuration_id, machine_id, threads, round, cause, exit_status, signal, message, log_tail,
                      peak_rss_bytes, failed_at, program_version)
                 VALUES
                     (:configuration_id, :machine_id, :threads, :round, :cause, :exit_status, :signal, :message,
                      :log_tail, :peak_rss_bytes, :now, :program_version)",
            )?
            .execute(named_params! {
                ":configuration_id": row.configuration_id,
                ":machine_id": row.machine_id,
                ":threads": row.threads,
                ":round": row.round,
                ":cause": row.cause,
                ":exit_status": row.exit_status,
                ":signal": row.signal,
                ":message": row.message,
                ":log_tail": row.log_tail,
                ":peak_rss_bytes": row.peak_rss_bytes.map(Count),
                ":now": now(),
                ":program_version": row.program_version,
            })
            .map(drop)
        })
    }

    /// Configurations that cannot be measured on the machine of that fingerprint with so many threads.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unmeasurable(&self, fingerprint: &str, threads: u32) -> Result<HashSet<Key>, StoreError> {
        self.read("list the failed measurements", |db| {
            db.prepare_cached(
                "SELECT DISTINCT c.key
                 FROM measurement_failures AS f
                 JOIN configurations AS c ON c.id = f.configuration_id
                 JOIN machines AS m ON m.id = f.machine_id
                 WHERE m.fingerprint = ?1 AND f.threads = ?2",
            )?
            .query_map((fingerprint, threads), |row| row.get(0))?
            .collect()
        })
    }

    /// Forgets the failed measurements of the sweep's configurations, so that they are tried again. Returns of how
    /// many configurations.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn replan_measurements(&mut self, sweep: SweepId) -> Result<usize, StoreError> {
        self.write("plan failed measurements again", |tx| {
            tx.prepare_cached(
                "DELETE FROM measurement_failures WHERE configuration_id IN (
                     SELECT t.configuration_id FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id
                     WHERE m.sweep_id = ?1)
                 RETURNING configuration_id",
            )?
            .query_map([sweep], |row| row.get::<_, ConfigurationId>(0))?
            .collect::<rusqlite::Result<HashSet<_>>>()
            .map(|configurations| configurations.len())
        })
    }
}
