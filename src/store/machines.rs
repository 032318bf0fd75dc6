//! The table `machines`: where trials ran and throughput was measured.

use std::collections::HashMap;

use rusqlite::named_params;

use super::column::Count;
use super::{ConfigurationId, MachineId, MeasureKind, RateRow, Store, StoreError, SweepId};

/// A machine, told apart by what its speed depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRow {
    /// Hash of what speed depends on (processor, count, instruction sets, memory).
    pub fingerprint: String,
    /// Its name when first seen.
    pub hostname: String,
    /// Processor, in its maker's words.
    pub cpu_model: String,
    /// Processors that the system schedules on.
    pub logical_cpus: u32,
    /// Main memory, bytes, where the system says.
    pub memory_bytes: Option<u64>,
    /// Operating system and kernel.
    pub os: String,
    /// Instruction set architecture (`x86_64`).
    pub architecture: String,
    /// The vector instruction set that kernels run on (`avx512`; `amx` with tile registers beside it).
    pub simd: String,
}

/// A machine on which a sweep's configurations were measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuringMachine {
    /// Its row.
    pub id: MachineId,
    /// Processor, in its maker's words.
    pub cpu_model: String,
    /// Processors that the system schedules on.
    pub logical_cpus: u32,
    /// How many of the sweep's configurations it measured.
    pub configurations: u32,
}

/// Throughputs of one machine: by configuration, kind and resolution.
pub type Rates = HashMap<(ConfigurationId, MeasureKind, u32), RateRow>;

impl Store {
    /// The machines on which configurations of the sweep were measured, the one with the most first, and of equals the
    /// one that measured last.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn measuring_machines(&self, sweep: SweepId) -> Result<Vec<MeasuringMachine>, StoreError> {
        self.read("list the machines that measured", |db| {
            db.prepare_cached(
                "SELECT m.id, m.cpu_model, m.logical_cpus, count(DISTINCT x.configuration_id) AS configurations
                 FROM measurements AS x JOIN machines AS m ON m.id = x.machine_id
                 WHERE x.mode = 'exclusive' AND x.configuration_id IN (
                     SELECT configuration_id FROM sweep_tests WHERE sweep_id = ?1)
                 GROUP BY m.id ORDER BY configurations DESC, max(x.taken_at) DESC, m.id",
            )?
            .query_map([sweep], |row| {
                Ok(MeasuringMachine {
                    id: row.get("id")?,
                    cpu_model: row.get("cpu_model")?,
                    logical_cpus: row.get("logical_cpus")?,
                    configurations: row.get("configurations")?,
                })
            })?
            .collect()
        })
    }

    /// What the sweep's configurations did on that machine, measured last.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn rates_on(&self, machine: MachineId, sweep: SweepId) -> Result<Rates, StoreError> {
        self.read("read a machine's throughputs", |db| {
            let mut newest = db.prepare_cached(
                "SELECT configuration_id, kind, resolution, images_per_s, images_per_s_low, images_per_s_high
                 FROM throughput
                 WHERE machine_id = ?1 AND configuration_id IN (
                     SELECT configuration_id FROM sweep_tests WHERE sweep_id = ?2)
                 ORDER BY taken_at",
            )?;
            let rates = newest.query_map((machine, sweep), |row| {
                let rate = RateRow { median: row.get(3)?, low: row.get(4)?, high: row.get(5)? };
                Ok(((row.get(0)?, row.get(1)?, row.get(2)?), rate))
            })?;
            rates.collect()
        })
    }

    /// The row of the machine with this fingerprint, written if it is the first time here.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn register_machine(&mut self, machine: &MachineRow) -> Result<MachineId, StoreError> {
        self.write("register this machine", |tx| {
            tx.prepare_cached(
                "INSERT INTO machines
                     (fingerprint, hostname, cpu_model, logical_cpus, memory_bytes, os, architecture, simd)
                 VALUES
                     (:fingerprint, :hostname, :cpu_model, :logical_cpus, :memory_bytes, :os, :architecture, :simd)
                 ON CONFLICT (fingerprint) DO NOTHING",
            )?
            .execute(named_params! {
                ":fingerprint": machine.fingerprint,
                ":hostname": machine.hostname,
                ":cpu_model": machine.cpu_model,
                ":logical_cpus": machine.logical_cpus,
                ":memory_bytes": machine.memory_bytes.map(Count),
                ":os": machine.os,
                ":architecture": machine.architecture,
                ":simd": machine.simd,
            })?;
            tx.prepare_cached("SELECT id FROM machines WHERE fingerprint = ?1")?
                .query_row([&machine.fingerprint], |row| row.get(0))
        })
    }
}
