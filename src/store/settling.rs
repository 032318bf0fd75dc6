//! The table `settling_trials`: seeds beyond those of a sweep file.

use rusqlite::Connection;

use super::column::Count;
use super::configurations;
use super::sweeps::count_anew;
use super::trials;
use super::{Key, PointTrial, Store, StoreError, SweepId};

impl Store {
    /// Makes the sweep ask for one more seed of a configuration than any sweep has asked for, and plans it. `key` is the
    /// key of the trial with a seed. Returns the seed.
    ///
    /// # Errors
    /// If there is no such configuration, or the database cannot be written.
    pub fn ask_for_another_seed(
        &mut self,
        sweep: SweepId,
        configuration: Key,
        key: impl Fn(u64) -> Key,
    ) -> Result<u64, StoreError> {
        self.write("ask for another seed", |tx| {
            let id = configurations::find(tx, configuration)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let seed: Count = tx.query_row(
                "SELECT coalesce(max(seed) + 1, 0) FROM trials WHERE configuration_id = ?1",
                [id],
                |row| row.get(0),
            )?;
            let seed = seed.into();
            let (trial, _) =
                trials::find_or_insert(tx, id, &PointTrial { key: key(seed), seed, position: 0 })?;
            tx.execute(
                "INSERT OR IGNORE INTO settling_trials (sweep_id, trial_id) VALUES (?1, ?2)",
                (sweep, trial),
            )?;
            join_sweep(tx, sweep)?;
            count_anew(tx, sweep)?;
            Ok(seed)
        })
    }
}

/// Makes the sweep's further trials its members again, after those of its file; those whose configuration or seed the
/// file no longer leaves out are forgotten as further ones.
pub(super) fn join_sweep(db: &Connection, sweep: SweepId) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM settling_trials WHERE sweep_id = ?1 AND NOT EXISTS (
             SELECT 1 FROM trials AS t JOIN sweep_tests AS q ON q.configuration_id = t.configuration_id
             WHERE t.id = settling_trials.trial_id AND q.sweep_id = ?1)",
        [sweep],
    )?;
    db.execute(
        "INSERT INTO sweep_trials (sweep_id, position, trial_id)
         SELECT ?1, (SELECT coalesce(max(position), -1) FROM sweep_trials WHERE sweep_id = ?1)
                    + row_number() OVER (ORDER BY trial_id), trial_id
         FROM settling_trials
         WHERE sweep_id = ?1 AND trial_id NOT IN (SELECT trial_id FROM sweep_trials WHERE sweep_id = ?1)",
        [sweep],
    )?;
    Ok(())
}
