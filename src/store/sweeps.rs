//! The tables `sweeps`, `sweep_trials` and `sweep_tests`: what each sweep asks for, and how far it is.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::column::Count;
use super::configurations::{self, ConfigurationRow};
use super::time::now;
use super::{ConfigurationId, Key, Store, StoreError, SweepId, Test, TrialId};
use super::{settling, trials};

/// A sweep file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRow {
    /// Its name, the same for every edition of the file.
    pub name: String,
    /// What it asks, for people.
    pub description: Option<String>,
    /// Where the file was.
    pub path: Option<String>,
    /// The file, byte for byte.
    pub text: String,
    /// What a Pareto front of it weighs; JSON array.
    pub objectives: String,
}

/// One point of a sweep's grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The configuration.
    pub configuration: Asked,
    /// Its trials, one a seed.
    pub trials: Vec<PointTrial>,
    /// The accuracies asked of it.
    pub tests: Vec<Test>,
}

/// A configuration that a sweep asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// One of [`Store::configuration_keys`], which needs no row any more.
    Known(Key),
    /// One that may not be there.
    New(Box<ConfigurationRow>),
}

/// One seed of a [`Point`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointTrial {
    /// The trial's key.
    pub key: Key,
    /// The seed.
    pub seed: u64,
    /// Place in the order in which the sweep wants its trials, from 0; each once in a sweep.
    pub position: u64,
}

/// What registering a sweep changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// The sweep.
    pub sweep: SweepId,
    /// Trials that no sweep had asked for before.
    pub new: u64,
    /// Trials that were known, whatever their state.
    pub kept: u64,
    /// Trials that this sweep asked for before and no sweep does now. Their results stay.
    pub orphaned: u64,
}

/// How far a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Trials to run.
    pub planned: u64,
    /// Trials that run.
    pub running: u64,
    /// Trials with weights.
    pub finished: u64,
    /// Trials whose loss became NaN or infinite.
    pub diverged: u64,
    /// Trials given up.
    pub failed: u64,
    /// Accuracies asked for of finished trials.
    pub evaluations_asked: u64,
    /// Of those, how many are there.
    pub evaluations_done: u64,
    /// Mean training time of its finished trials, seconds.
    pub mean_train_s: Option<f64>,
}

impl Store {
    /// Makes `points` what the sweep of that name asks for. Configurations and trials that are known by
    /// their keys stay as they are. One transaction; memory does not grow with the number of points.
    ///
    /// # Errors
    /// If the database cannot be written, or a position or trial occurs twice.
    pub fn register_sweep(
        &mut self,
        sweep: &SweepRow,
        points: impl IntoIterator<Item = Point>,
    ) -> Result<Registered, StoreError> {
        self.write("register the sweep", |tx| {
            let id = upsert(tx, sweep)?;
            // A private list of the former members: deleting them first lets positions move freely.
            tx.execute_batch("CREATE TEMP TABLE former (trial_id INTEGER PRIMARY KEY)")?;
            tx.execute("INSERT INTO former SELECT trial_id FROM sweep_trials WHERE sweep_id = ?1", [id])?;
            tx.execute("DELETE FROM sweep_trials WHERE sweep_id = ?1", [id])?;
            tx.execute("DELETE FROM sweep_tests WHERE sweep_id = ?1", [id])?;
            let mut registered = Registered { sweep: id, new: 0, kept: 0, orphaned: 0 };
            for point in points {
                add(tx, &mut registered, &point)?;
            }
            settling::join_sweep(tx, id)?;
            count_anew(tx, id)?;
            registered.orphaned = tx
                .query_row(
                    "SELECT count(*) FROM former WHERE trial_id NOT IN (SELECT trial_id FROM sweep_trials)",
                    [],
                    |row| row.get::<_, Count>(0),
                )?
                .into();
            tx.execute_batch("DROP TABLE former")?;
            Ok(registered)
        })
    }

    /// The sweep of that name.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`], or if the database cannot be read.
    pub fn sweep(&self, name: &str) -> Result<(SweepId, SweepRow), StoreError> {
        let found = self.read("read a sweep", |db| {
            db.prepare_cached(
                "SELECT id, name, description, path, text, objectives FROM sweeps WHERE name = ?1",
            )?
            .query_row([name], |row| {
                Ok((
                    row.get("id")?,
                    SweepRow {
                        name: row.get("name")?,
                        description: row.get("description")?,
                        path: row.get("path")?,
                        text: row.get("text")?,
                        objectives: row.get("objectives")?,
                    },
                ))
            })
            .optional()
        })?;
        match found {
            Some(sweep) => Ok(sweep),
            None => Err(StoreError::UnknownSweep {
                path: self.path().to_owned(),
                name: name.to_owned(),
                known: self.sweep_names()?,
            }),
        }
    }

    /// Names of all sweeps, the one registered last first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn sweep_names(&self) -> Result<Vec<String>, StoreError> {
        self.read("list the sweeps", |db| {
            db.prepare_cached("SELECT name FROM sweeps ORDER BY updated_at DESC, id DESC")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// Keys of the trials that the sweep asks for.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn each_sweep_key(&self, sweep: SweepId, mut each: impl FnMut(Key)) -> Result<(), StoreError> {
        self.read("list the sweep's trials", |db| {
            let mut keys = db.prepare_cached(
                "SELECT t.key FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id
                 WHERE m.sweep_id = ?1
                     AND m.trial_id NOT IN (SELECT trial_id FROM settling_trials WHERE sweep_id = ?1)",
            )?;
            let mut rows = keys.query([sweep])?;
            while let Some(row) = rows.next()? {
                each(row.get(0)?);
            }
            Ok(())
        })
    }

    /// How far the sweep is.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn progress(&self, sweep: SweepId) -> Result<Progress, StoreError> {
        self.read("count the sweep's trials", |db| {
            let mut progress = count_states(db, sweep)?;
            (progress.evaluations_asked, progress.evaluations_done) = count_evaluations(db, sweep)?;
            Ok(progress)
        })
    }
}

/// Brings `sweep_counts` up to date where a sweep's trials are others than before. Changes of their states do so by
/// themselves.
pub(super) fn count_anew(db: &Connection, sweep: SweepId) -> rusqlite::Result<()> {
    db.execute("DELETE FROM sweep_counts WHERE sweep_id = ?1", [sweep])?;
    db.execute(
        "INSERT INTO sweep_counts (sweep_id, state, trials)
         SELECT m.sweep_id, t.state, count(*)
         FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id
         WHERE m.sweep_id = ?1 GROUP BY t.state",
        [sweep],
    )
    .map(drop)
}

fn count_states(db: &Connection, sweep: SweepId) -> rusqlite::Result<Progress> {
    db.prepare_cached(
        "SELECT count(*) FILTER (WHERE t.state = 'planned') AS planned,
                count(*) FILTER (WHERE t.state = 'running') AS running,
                count(*) FILTER (WHERE t.state = 'finished') AS finished,
                count(*) FILTER (WHERE t.state = 'diverged') AS diverged,
                count(*) FILTER (WHERE t.state = 'failed') AS failed,
                avg(t.train_s) AS mean_train_s
         FROM sweep_trials AS m JOIN trials AS t ON t.id = m.trial_id
         WHERE m.sweep_id = ?1",
    )?
    .query_row([sweep], |row| {
        Ok(Progress {
            planned: row.get::<_, Count>("planned")?.into(),
            running: row.get::<_, Count>("running")?.into(),
            finished: row.get::<_, Count>("finished")?.into(),
            diverged: row.get::<_, Count>("diverged")?.into(),
            failed: row.get::<_, Count>("failed")?.into(),
            mean_train_s: row.get("mean_train_s")?,
            ..Progress::default()
        })
    })
}

fn count_evaluations(db: &Connection, sweep: SweepId) -> rusqlite::Result<(u64, u64)> {
    db.prepare_cached(
        "SELECT count(*) AS asked, count(e.id) AS done
         FROM sweep_trials AS m
         JOIN trials AS t ON t.id = m.trial_id
         JOIN sweep_tests AS q ON q.sweep_id = m.sweep_id AND q.configuration_id = t.configuration_id
         LEFT JOIN evaluations AS e
             ON e.trial_id = t.id AND e.test_resolution = q.test_resolution
                 AND e.fine_tuning = q.fine_tuning
         WHERE m.sweep_id = ?1 AND t.state = 'finished'",
    )?
    .query_row([sweep], |row| Ok((row.get::<_, Count>("asked")?.into(), row.get::<_, Count>("done")?.into())))
}

fn upsert(db: &Connection, sweep: &SweepRow) -> rusqlite::Result<SweepId> {
    db.prepare_cached(
        "INSERT INTO sweeps (name, description, path, text, objectives, created_at, updated_at)
         VALUES (:name, :description, :path, :text, :objectives, :now, :now)
         ON CONFLICT (name) DO UPDATE SET
             description = excluded.description, path = excluded.path, text = excluded.text,
             objectives = excluded.objectives, updated_at = excluded.updated_at
         RETURNING id",
    )?
    .query_row(
        named_params! {
            ":name": sweep.name,
            ":description": sweep.description,
            ":path": sweep.path,
            ":text": sweep.text,
            ":objectives": sweep.objectives,
            ":now": now(),
        },
        |row| row.get("id"),
    )
}

fn add(db: &Connection, registered: &mut Registered, point: &Point) -> rusqlite::Result<()> {
    let sweep = registered.sweep;
    let configuration = match &point.configuration {
        Asked::Known(key) => configurations::find(db, *key)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        Asked::New(row) => configurations::find_or_insert(db, row)?,
    };
    for asked in &point.trials {
        let (trial, new) = trials::find_or_insert(db, configuration, asked)?;
        if new {
            registered.new += 1
        } else {
            registered.kept += 1
        }
        add_trial(db, sweep, trial, asked.position)?;
    }
    point.tests.iter().try_for_each(|test| add_test(db, sweep, configuration, test))
}

fn add_trial(db: &Connection, sweep: SweepId, trial: TrialId, position: u64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO sweep_trials (sweep_id, position, trial_id) VALUES (?1, ?2, ?3)")?
        .execute((sweep, Count(position), trial))
        .map(drop)
}

fn add_test(
    db: &Connection,
    sweep: SweepId,
    configuration: ConfigurationId,
    test: &Test,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO sweep_tests (sweep_id, configuration_id, test_resolution, fine_tuning, aliased)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((sweep, configuration, test.resolution, &test.fine_tuning, test.aliased))
    .map(drop)
}
