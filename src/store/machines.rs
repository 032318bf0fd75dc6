//! The table `machines`: where trials ran and throughput was measured.

use rusqlite::named_params;

use super::column::Count;
use super::{MachineId, Store, StoreError};

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
    /// The vector instruction set that kernels use (`avx512f`).
    pub simd: String,
}

impl Store {
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
