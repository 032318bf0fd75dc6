//! Trials from one database into another, with everything that is known of them.
//!
//! Rows of two databases are the same if their keys are: configurations and trials by their hashes, machines by their
//! fingerprints, measurements by what, where and when. Row numbers are each database's own and are translated.

use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::open::open_to_read;
use super::sweeps::count_anew;
use super::{Key, Store, StoreError, SweepId};

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copied {
    /// Trials that are new here, or have a result only now.
    pub trials: usize,
    /// Trials with a result here already, which stays.
    pub kept: usize,
    /// Of those, the ones that came out otherwise there: with other weights, or another end. Trained by other code, from
    /// other images, or on another kind of processor.
    pub conflicts: Vec<Key>,
    /// Accuracies of trials that are the same in both, which only the other had.
    pub accuracies: usize,
    /// Measurements.
    pub measurements: usize,
}

impl Store {
    /// Copies the trials of those keys, or all of them, from the database at `source`, with their configurations,
    /// attempts, epochs, accuracies, signals and measurements, and the sweeps that ask for them; in one transaction.
    /// Running ones are left where they are. A result that is here already stays, and gets the accuracies that only the
    /// other has of the same weights.
    ///
    /// `weights_path` is copied as it is: whoever copies the files says where they lie now.
    ///
    /// # Errors
    /// If `source` is no database of this schema, or either cannot be read or written.
    pub fn copy_from(&mut self, source: &Path, trials: Option<&[Key]>) -> Result<Copied, StoreError> {
        drop(open_to_read(source)?);
        self.read("attach the other database", |db| {
            db.execute("ATTACH ?1 AS source", [source.to_string_lossy()]).map(drop)
        })?;
        let copied = self.write("copy trials from another database", |tx| {
            want(tx, trials)?;
            let copied = copy_all(tx)?;
            tx.execute_batch("DROP TABLE temp.wanted; DROP TABLE temp.asking")?;
            Ok(copied)
        });
        self.read("detach the other database", |db| db.execute_batch("DETACH source"))?;
        copied
    }

    /// Notes where the trial's weights lie.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn set_weights_path(&mut self, trial: Key, path: Option<&str>) -> Result<(), StoreError> {
        self.write("note where weights lie", |tx| {
            tx.prepare_cached("UPDATE trials SET weights_path = ?2 WHERE key = ?1")?
                .execute((trial, path))
                .map(drop)
        })
    }
}

/// `wanted`: trials to copy, by row number there, with whether they are taken over. `asking`: sweeps to make here.
fn want(tx: &Transaction<'_>, trials: Option<&[Key]>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TEMP TABLE named (key TEXT PRIMARY KEY)")?;
    for key in trials.unwrap_or_default() {
        tx.prepare_cached("INSERT OR IGNORE INTO temp.named VALUES (?1)")?.execute([key])?;
    }
    tx.execute_batch("CREATE TEMP TABLE wanted (id INTEGER PRIMARY KEY, key TEXT UNIQUE, taken INTEGER)")?;
    tx.execute(
        "INSERT INTO temp.wanted
         SELECT t.id, t.key, CASE
             WHEN h.id IS NULL THEN 1
             WHEN h.state IN ('finished', 'diverged', 'running') THEN 0
             ELSE t.state IN ('finished', 'diverged') OR (t.state = 'failed' AND h.state <> 'failed') END
         FROM source.trials AS t LEFT JOIN main.trials AS h ON h.key = t.key
         WHERE t.state <> 'running' AND (?1 OR t.key IN (SELECT key FROM temp.named))",
        [trials.is_none()],
    )?;
    tx.execute_batch(
        "DROP TABLE temp.named;
         CREATE TEMP TABLE asking (there INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO temp.asking
         SELECT DISTINCT w.id, w.name FROM source.sweeps AS w
         JOIN source.sweep_trials AS m ON m.sweep_id = w.id JOIN temp.wanted AS t ON t.id = m.trial_id
         WHERE w.name NOT IN (SELECT name FROM main.sweeps)",
    )
}

/// Row numbers here of what a row there refers to.
const MACHINE: &str = "(SELECT h.id FROM main.machines AS h JOIN source.machines AS o USING (fingerprint)
    WHERE o.id = r.machine_id)";
const CONFIGURATION: &str =
    "(SELECT h.id FROM main.configurations AS h JOIN source.configurations AS o USING (key)
    WHERE o.id = r.configuration_id)";
const TRIAL: &str =
    "(SELECT h.id FROM main.trials AS h JOIN temp.wanted AS w USING (key) WHERE w.id = r.trial_id)";
const SWEEP: &str =
    "(SELECT h.id FROM main.sweeps AS h JOIN temp.asking AS a USING (name) WHERE a.there = r.sweep_id)";

const OF_TAKEN: &str = "WHERE r.trial_id IN (SELECT id FROM temp.wanted WHERE taken)";
const OF_WANTED: &str = "r.configuration_id IN (SELECT configuration_id FROM source.trials WHERE id IN (SELECT id FROM temp.wanted))";
const OF_ASKING: &str = "WHERE r.sweep_id IN (SELECT there FROM temp.asking)";

/// Accuracies that are not here of trials that have the same weights here.
const OF_SAME: &str = "
    WHERE r.trial_id IN (
        SELECT w.id FROM temp.wanted AS w JOIN main.trials AS h USING (key) JOIN source.trials AS o USING (key)
        WHERE NOT w.taken AND h.state = 'finished' AND o.state = 'finished'
            AND h.weights_checksum = o.weights_checksum)
      AND NOT EXISTS (
        SELECT 1 FROM main.evaluations AS e JOIN main.trials AS h ON h.id = e.trial_id
        JOIN source.trials AS o USING (key)
        WHERE o.id = r.trial_id AND e.test_resolution = r.test_resolution AND e.fine_tuning = r.fine_tuning)";

/// The same measurement in both.
const SAME_MEASUREMENT: &str =
    "h.kind = r.kind AND h.resolution = r.resolution AND h.batch_size = r.batch_size
    AND h.threads = r.threads AND h.round = r.round AND h.taken_at = r.taken_at";

fn copy_all(tx: &Transaction<'_>) -> rusqlite::Result<Copied> {
    let count = |condition: &str| -> rusqlite::Result<usize> {
        let sql = format!("SELECT count(*) FROM temp.wanted AS w WHERE {condition}");
        let count: i64 = tx.query_row(&sql, [], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    };
    let conflicts = conflicts(tx)?;
    let new = |table: &str, unique: &str| {
        format!("WHERE NOT EXISTS (SELECT 1 FROM main.{table} AS h WHERE h.{unique} = r.{unique})")
    };
    copy(tx, "machines", &[], &new("machines", "fingerprint"))?;
    copy(
        tx,
        "configurations",
        &[],
        &format!(
            "{} AND r.id IN (SELECT configuration_id FROM source.trials WHERE id IN (SELECT id FROM temp.wanted))",
            new("configurations", "key"),
        ),
    )?;
    take_over(tx)?;
    let trial = [("configuration_id", CONFIGURATION), ("machine_id", MACHINE)];
    copy(
        tx,
        "trials",
        &trial,
        &format!("{} AND r.id IN (SELECT id FROM temp.wanted WHERE taken)", new("trials", "key")),
    )?;
    copy(tx, "attempts", &[("trial_id", TRIAL), ("machine_id", MACHINE), ("run_id", "NULL")], OF_TAKEN)?;
    for table in ["epochs", "evaluations", "layer_signals"] {
        copy(tx, table, &[("trial_id", TRIAL)], OF_TAKEN)?;
    }
    let accuracies = copy(tx, "evaluations", &[("trial_id", TRIAL)], OF_SAME)?;
    copy_channels(tx)?;
    let place = [("configuration_id", CONFIGURATION), ("machine_id", MACHINE)];
    let measurements = copy(
        tx,
        "measurements",
        &place,
        &format!(
            "WHERE {OF_WANTED} AND NOT EXISTS (
             SELECT 1 FROM main.measurements AS h
             WHERE h.configuration_id = {CONFIGURATION} AND h.machine_id = {MACHINE} AND {SAME_MEASUREMENT})"
        ),
    )?;
    copy_samples(tx)?;
    copy(
        tx,
        "measurement_failures",
        &place,
        &format!(
            "WHERE {OF_WANTED} AND NOT EXISTS (
             SELECT 1 FROM main.measurement_failures AS h
             WHERE h.configuration_id = {CONFIGURATION} AND h.machine_id = {MACHINE}
                 AND h.round = r.round AND h.failed_at = r.failed_at)"
        ),
    )?;
    copy(tx, "sweeps", &[], "WHERE r.id IN (SELECT there FROM temp.asking)")?;
    copy(
        tx,
        "sweep_trials",
        &[("sweep_id", SWEEP), ("trial_id", TRIAL)],
        &format!("{OF_ASKING} AND r.trial_id IN (SELECT id FROM temp.wanted)"),
    )?;
    copy(
        tx,
        "sweep_tests",
        &[("sweep_id", SWEEP), ("configuration_id", CONFIGURATION)],
        &format!("{OF_ASKING} AND {OF_WANTED}"),
    )?;
    for sweep in copied_sweeps(tx)? {
        count_anew(tx, sweep)?;
    }
    Ok(Copied { trials: count("w.taken")?, kept: count("NOT w.taken")?, conflicts, accuracies, measurements })
}

/// Trials with a result in both that is not the same.
fn conflicts(tx: &Transaction<'_>) -> rusqlite::Result<Vec<Key>> {
    tx.prepare(
        "SELECT w.key FROM temp.wanted AS w JOIN main.trials AS h USING (key) JOIN source.trials AS o USING (key)
         WHERE h.state IN ('finished', 'diverged') AND o.state IN ('finished', 'diverged')
             AND (h.state <> o.state OR h.weights_checksum <> o.weights_checksum)
         ORDER BY w.key",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// The sweeps that were made here.
fn copied_sweeps(tx: &Transaction<'_>) -> rusqlite::Result<Vec<SweepId>> {
    tx.prepare("SELECT id FROM main.sweeps WHERE name IN (SELECT name FROM temp.asking)")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// A result there in place of none here: the trial's row stays, what it did so far goes.
fn take_over(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let here = "(SELECT h.id FROM main.trials AS h JOIN temp.wanted AS w USING (key) WHERE w.taken)";
    for table in ["attempts", "epochs", "evaluations", "layer_signals"] {
        tx.execute(&format!("DELETE FROM main.{table} WHERE trial_id IN {here}"), [])?;
    }
    let columns =
        columns(tx, "trials")?.into_iter().filter(|name| name != "key" && name != "configuration_id");
    let assignments: Vec<String> =
        columns
            .map(|name| {
                if name == "machine_id" {
                    format!("{name} = {MACHINE}")
                } else {
                    format!("{name} = r.{name}")
                }
            })
            .collect();
    tx.execute(
        &format!(
            "UPDATE main.trials SET {} FROM source.trials AS r
             WHERE r.key = main.trials.key AND main.trials.id IN {here}",
            assignments.join(", ")
        ),
        [],
    )
    .map(drop)
}

fn copy_channels(tx: &Transaction<'_>) -> rusqlite::Result<usize> {
    let layer = format!(
        "(SELECT h.id FROM main.layer_signals AS h JOIN source.layer_signals AS r USING (finished_epochs, layer, place)
          WHERE r.id = c.layer_signals_id AND h.trial_id = {TRIAL})"
    );
    let taken =
        "(SELECT l.id FROM source.layer_signals AS l JOIN temp.wanted AS w ON w.id = l.trial_id AND w.taken)";
    let columns = columns(tx, "channel_signals")?.join(", ");
    let values = columns.replace("layer_signals_id", &layer);
    tx.execute(
        &format!(
            "INSERT INTO main.channel_signals ({columns}) SELECT {values} FROM source.channel_signals AS c
             WHERE c.layer_signals_id IN {taken}"
        ),
        [],
    )
}

fn copy_samples(tx: &Transaction<'_>) -> rusqlite::Result<usize> {
    tx.execute(
        &format!(
            "INSERT OR IGNORE INTO main.samples (measurement_id, position, elapsed_s)
             SELECT h.id, s.position, s.elapsed_s
             FROM source.measurements AS r
             JOIN source.samples AS s ON s.measurement_id = r.id
             JOIN main.measurements AS h
                 ON h.configuration_id = {CONFIGURATION} AND h.machine_id = {MACHINE} AND {SAME_MEASUREMENT}
             WHERE {OF_WANTED}"
        ),
        [],
    )
}

/// Copies rows `r` of a table, all columns but the row number, those of `translated` by their expressions.
fn copy(db: &Connection, table: &str, translated: &[(&str, &str)], which: &str) -> rusqlite::Result<usize> {
    let columns = columns(db, table)?;
    let values: Vec<String> = columns
        .iter()
        .map(|name| match translated.iter().find(|(column, _)| column == name) {
            Some((_, expression)) => (*expression).to_owned(),
            None => format!("r.{name}"),
        })
        .collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    db.execute(
        &format!("INSERT INTO main.{table} ({columns}) SELECT {values} FROM source.{table} AS r {which}"),
        [],
    )
}

/// A table's columns but for the row number and what is computed from others.
fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached("SELECT name FROM pragma_table_info(?1, 'main') WHERE name <> 'id' ORDER BY cid")?
        .query_map([table], |row| row.get(0))?
        .collect()
}
