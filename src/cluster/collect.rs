//! Results home: every shard of a job into the database.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::ClusterError;
use super::folder::JobFolder;
use super::work::Scratch;
use crate::runner::{Merged, Phases, Run, RunOptions, merge};
use crate::store::{Access, Key, Store, StoreError};
use crate::sweep::Sweep;

/// What came home.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// Shards that were looked at.
    pub shards: usize,
    /// Trials that are new here, or have a result only now.
    pub trials: usize,
    /// Accuracies of trials that had a result already.
    pub accuracies: usize,
    /// Measurements.
    pub measurements: usize,
    /// Files of weights.
    pub weights: usize,
    /// Trials that came without the weights they should have.
    pub without_weights: usize,
    /// Trials that came out otherwise here: these results stay.
    pub conflicts: Vec<Key>,
    /// Shards that are no database of this program's.
    pub unreadable: Vec<PathBuf>,
}

impl Collected {
    /// Adds what else came.
    pub fn add(&mut self, other: Self) {
        self.shards += other.shards;
        self.trials += other.trials;
        self.accuracies += other.accuracies;
        self.measurements += other.measurements;
        self.weights += other.weights;
        self.without_weights += other.without_weights;
        self.conflicts.extend(other.conflicts);
        self.unreadable.extend(other.unreadable);
    }

    fn take(&mut self, merged: Merged) {
        let Merged { copied, weights, without_weights } = merged;
        self.shards += 1;
        self.trials += copied.trials;
        self.accuracies += copied.accuracies;
        self.measurements += copied.measurements;
        self.weights += weights;
        self.without_weights += without_weights;
        self.conflicts.extend(copied.conflicts);
    }
}

/// Merges what the tasks of a job have put into its folder so far into the database. Once or often, while the job runs or
/// after: what is here already stays as it is.
///
/// # Errors
/// If the database or the folder cannot be read or written. A shard that cannot be read is passed over and named.
pub fn collect(database: &Path, folder: &JobFolder) -> Result<Collected, ClusterError> {
    let job = folder.job()?;
    let mut store = Store::open(database, Access::Write)?;
    if matches!(store.sweep(&job.sweep), Err(StoreError::UnknownSweep { .. })) {
        let sweep = Sweep::load(&folder.sweep_file(&job))?;
        drop(Run::prepare(&sweep, database, RunOptions { phases: Phases::Train, ..RunOptions::default() })?);
    }
    let mut collected = Collected::default();
    let scratch = Scratch::new()?;
    let copy = scratch.file("shard.db");
    for shard in folder.shards()? {
        // The folder may lie on a network file system, and SQLite is better off without one.
        fs::copy(&shard, &copy).map_err(|source| ClusterError::File {
            doing: "copy",
            path: shard.clone(),
            source,
        })?;
        match merge(&mut store, &copy, &folder.files()) {
            Ok(merged) => collected.take(merged),
            Err(crate::runner::RunError::Store(
                StoreError::NotADatabase { .. } | StoreError::Damaged { .. } | StoreError::Foreign { .. },
            )) => collected.unreadable.push(shard),
            Err(error) => return Err(error.into()),
        }
    }
    collected.conflicts.sort_unstable();
    collected.conflicts.dedup();
    Ok(collected)
}
