//! `effsweep export`: every result as flat rows, or as another tool's own.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Map, Value as Json};

use super::Context;
use super::account::{Axis, axes};
use super::exit::Failure;
use super::look::Format;
use super::pareto::{named_sweep, objectives_of};
use super::query::{Database, Numbers};
use crate::durable::write_atomically;
use crate::report::optuna::{Study, Trial, journal};
use crate::report::{Rows, Value, csv, json, parquet};
use crate::runner::{Candidate, OfSeed, candidates};
use crate::store::{Access, Store};
use crate::sweep::{Direction, Objective};

/// Write all results as flat rows: one for each trial and test resolution.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep export > results.csv\n  \
    effsweep export quickstart --format json --output quickstart.json\n  \
    effsweep export --format parquet --output results.parquet\n  \
    effsweep export quickstart --format optuna --output quickstart.log\n\n\
    The columns are those of the view `results`; with a sweep, those of `sweep_results`, where what is still to come\n\
    is empty. docs/database.md explains them. Optuna opens its log with JournalStorage(JournalFileBackend(\"FILE\")), as a\n\
    study with the sweep's name and objectives; a trial is a seed at a test resolution.")]
pub(super) struct Arguments {
    /// Only what this sweep asks for.
    sweep: Option<String>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "csv")]
    format: Form,
    /// Write to a file, which is whole or not there.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people: aligned and rounded.
    Table,
    /// Every value as it is stored, under a header.
    Csv,
    /// An array of objects, every value as it is stored.
    Json,
    /// Columns with types, for DuckDB, pandas, Polars and the like.
    Parquet,
    /// A study of Optuna, as its journal storage has it.
    Optuna,
}

/// When each trial of a sweep began and ended, and in which state.
const TIMES: &str = "
    SELECT t.key, t.state, (SELECT min(a.started_at) FROM attempts AS a WHERE a.trial_id = t.id) AS started_at, t.ended_at
    FROM sweep_trials AS m JOIN sweeps AS s ON s.id = m.sweep_id JOIN trials AS t ON t.id = m.trial_id
    WHERE s.name = ?1";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    if arguments.format == Form::Optuna {
        return study(arguments, context);
    }
    let database = Database::open(&context.db)?;
    let rows = match &arguments.sweep {
        Some(name) => {
            let name = named_sweep(context, Some(name))?;
            let of_sweep = "SELECT * FROM sweep_results WHERE sweep = ?1 ORDER BY position, test_resolution, fine_tuning";
            database.ask(of_sweep, &[&name], Numbers::ByName)?
        }
        None => {
            let all = "SELECT * FROM results ORDER BY trial_id, test_resolution, fine_tuning";
            database.ask(all, &[], Numbers::ByName)?
        }
    };
    let format = match arguments.format {
        Form::Table => Format::Table,
        Form::Json => Format::Json,
        _ => Format::Csv,
    };
    if arguments.output.is_none() && arguments.format != Form::Parquet {
        return context.look.write(&rows, format, None);
    }
    let mut bytes = Vec::new();
    match arguments.format {
        Form::Table => bytes.extend(context.look.table(&rows, None).bytes()),
        Form::Json => json::write_array(&rows, &mut bytes)?,
        Form::Parquet => in_columns(&rows, &mut bytes)?,
        Form::Csv | Form::Optuna => csv::write(&rows, &mut bytes)?,
    }
    written(&bytes, &format!("{} rows", rows.len()), arguments, context)
}

/// The rows as Parquet.
pub(super) fn in_columns(rows: &Rows, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    parquet::write(rows, bytes).map_err(|error| Failure::failed(&error))
}

fn written(bytes: &[u8], what: &str, arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let Some(path) = &arguments.output else {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        return Ok(out.flush()?);
    };
    write_atomically(path, bytes)?;
    context.look.say(&format!("{what} in {}", path.display()));
    Ok(())
}

/// The sweep as a study of Optuna.
fn study(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let store = Store::open(&context.db, Access::Read)?;
    let sweep = named_sweep(context, arguments.sweep.as_deref())?;
    let objectives = objectives_of(&store, &sweep)?;
    let (_, row) = store.sweep(&sweep)?;
    let candidates = candidates(&store, &sweep)?;
    let axes = axes(&candidates);
    let times = Database::open(&context.db)?.ask(TIMES, &[&sweep], Numbers::AsStored)?;
    let times: HashMap<String, [Option<String>; 3]> = times
        .iter()
        .filter_map(|row| match row {
            [Value::Text(key), state, started, ended] => {
                Some((key.clone(), [state, started, ended].map(text)))
            }
            _ => None,
        })
        .collect();
    let trials: Vec<Trial> =
        candidates.iter().flat_map(|candidate| trials(candidate, &axes, &objectives, &times)).collect();
    let attributes = [("effsweep", env!("CARGO_PKG_VERSION").into()), ("sweep_file", row.text.into())];
    let study = Study {
        name: sweep,
        objectives: objectives
            .iter()
            .map(|one| (one.metric.name().to_owned(), one.direction == Direction::Max))
            .collect(),
        axes: axes.iter().map(|axis| (axis.name.clone(), axis.values.clone())).collect(),
        attributes: attributes
            .map(|(key, value): (&str, Json)| (key.to_owned(), value))
            .into_iter()
            .collect(),
        trials,
    };
    let complete = study.trials.iter().filter(|trial| trial.values.is_some()).count();
    let what = format!("{complete} complete trials of {}", study.trials.len());
    written(journal(&study).as_bytes(), &what, arguments, context)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The trials of a candidate that ended and have every objective, or failed.
fn trials(
    candidate: &Candidate,
    axes: &[Axis],
    objectives: &[Objective],
    times: &HashMap<String, [Option<String>; 3]>,
) -> Vec<Trial> {
    let places: Vec<Json> = axes.iter().map(|axis| axis.of(candidate)).collect();
    let of = |key: String, seed: Option<&OfSeed>| {
        let [state, started_at, ended_at] = times.get(&key)?.clone();
        let value = |objective: &Objective| {
            seed?.metric(objective.metric).or_else(|| candidate.metric(objective.metric))
        };
        let values: Option<Vec<f64>> = objectives.iter().map(value).collect();
        let failed = matches!(state.as_deref(), Some("failed" | "diverged"));
        if values.is_none() && !failed {
            return None;
        }
        let mut attributes = Map::from_iter([
            ("trial".to_owned(), key.into()),
            ("configuration".to_owned(), candidate.configuration.to_string().into()),
            ("state".to_owned(), state.into()),
        ]);
        attributes.extend(seed.map(|seed| ("seed".to_owned(), seed.seed.into())));
        Some(Trial { places: places.clone(), values, attributes, started_at, ended_at })
    };
    let with = |key: &crate::store::Key| candidate.seeds.iter().find(|seed| seed.trial == *key);
    candidate.trials.iter().filter_map(|key| of(key.to_string(), with(key))).collect()
}
