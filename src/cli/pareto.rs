//! `effsweep pareto`: which configurations no other one beats.

use std::path::PathBuf;

use super::Context;
use super::exit::Failure;
use super::export::in_columns;
use super::look::Format;
use super::summary::{JUDGED, Line, Summary, name, short, tested};
use crate::durable::write_atomically;
use crate::report::{Column, Rows, Value, csv};
use crate::runner::{Advice, Candidate, Judged, candidates, judge};
use crate::store::{self, Access, Store, StoreError, UNTUNED};
use crate::sweep::settings::Setting;
use crate::sweep::{Metric, Objective};

/// Show the Pareto front of a sweep over two or more objectives, and how sure it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep pareto\n  \
    effsweep pareto quickstart --objectives \"max top1, min parameters\"\n  \
    effsweep pareto quickstart --objectives \"max top1, max inference_images_per_s, min macs\" --all\n  \
    effsweep pareto quickstart --where \"peak_memory_mib < 2000 AND norm <> 'bn'\" --by norm\n  \
    effsweep pareto quickstart --baseline 3f9c21ab\n  \
    effsweep pareto quickstart --robust 0.9 --csv front.csv\n\n\
    Metrics: top1, top5, test_loss, train_images_per_s, inference_images_per_s, parameters, macs (at the test\n\
    resolution), train_time_s, peak_memory_mib. Rows are configurations at a test resolution, averaged over the seeds\n\
    that have an accuracy (n_seeds). `on front` is the probability, given how far seeds and measurements lie apart.\n\
    docs/database.md lists the columns, which `--where` and `--by` take, docs/methods.md says how they come about.")]
pub(super) struct Arguments {
    /// The sweep; the one that ran last if absent.
    sweep: Option<String>,
    /// What the front is drawn over; the sweep's own objectives if absent.
    #[arg(long, value_name = "LIST")]
    objectives: Option<String>,
    /// Only rows that meet a condition in SQL over the CSV's columns.
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// A front for each value of these columns.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    by: Vec<String>,
    /// Tell everything relative to this configuration: the beginning of its key, or `KEY@RESOLUTION`.
    #[arg(long, value_name = "KEY")]
    baseline: Option<String>,
    /// Show what is on the front with at least this probability, instead of what is by its best values.
    #[arg(long, value_name = "P", value_parser = probability)]
    robust: Option<f64>,
    /// Write the rows as CSV to a file; `-` is standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    csv: Option<PathBuf>,
    /// Write the rows as Parquet to a file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["csv", "format"])]
    parquet: Option<PathBuf>,
    /// Show what is not on the front, too.
    #[arg(long, conflicts_with = "robust")]
    all: bool,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

fn probability(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    number.ok_or_else(|| "a number from 0 to 1 is allowed".to_owned())
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let asked = arguments.objectives.as_deref().map(objectives).transpose()?;
    let store = Store::open(&context.db, Access::Read)?;
    let sweep = named_sweep(context, arguments.sweep.as_deref())?;
    let objectives = match asked {
        Some(objectives) => objectives,
        None => objectives_of(&store, &sweep)?,
    };
    let all = candidates(&store, &sweep)?;
    let baseline = arguments.baseline.as_deref().map(|key| baseline(&all, key)).transpose()?;
    let chosen = match &arguments.condition {
        Some(condition) => meeting(all, condition)?,
        None => all,
    };
    let groups = groups(&chosen, &arguments.by)?;
    let several = groups.len() > 1;
    let (lines, notes) = judged_by_group(chosen, &groups, &objectives);
    let mut summary = Summary::new(lines, &objectives);
    let (known, total) = (summary.known(), summary.front().len());
    summary.say_what_lacks(&objectives, &context.look);
    let certainty = summary.certainty();
    if let Some(least) = arguments.robust {
        summary = summary.only(|line| line.judged.standing.is_some_and(|one| one.probability >= least));
    } else if !arguments.all {
        summary = summary.front_only();
    }
    if let Some(baseline) = baseline {
        summary = summary.relative_to(baseline);
    }
    if let Some(path) = &arguments.parquet {
        let mut bytes = Vec::new();
        in_columns(&summary.exact(), &mut bytes)?;
        write_atomically(path, &bytes)?;
        context.look.say(&format!("{} rows in {}", summary.front().len(), path.display()));
        return Ok(());
    }
    let to_stdout = arguments.csv.as_ref().is_some_and(|path| path.as_os_str() == "-");
    match (&arguments.csv, arguments.format) {
        (Some(path), _) if !to_stdout => {
            let mut bytes = Vec::new();
            csv::write(&summary.exact(), &mut bytes)?;
            write_atomically(path, &bytes)?;
            context.look.say(&format!("{} rows in {}", summary.front().len(), path.display()));
        }
        (None, Format::Table) => {
            let metrics: Vec<Metric> = objectives.iter().map(|objective| objective.metric).collect();
            context.look.write(&summary.rows(&metrics), Format::Table, Some(summary.front()))?;
            let listed: Vec<String> = objectives.iter().map(ToString::to_string).collect();
            let fronts = if several { format!(" of {} fronts", groups.len()) } else { String::new() };
            let (what, over) = match arguments.robust {
                Some(least) => {
                    (summary.lines().len(), format!("surely enough ({least}) on the front{fronts}"))
                }
                None => (summary.members(), format!("on the front{fronts}")),
            };
            context.look.say(&format!("{sweep}: {what} of {known} {over} over {}", listed.join(", ")));
            if known < total {
                context.look.say(&format!("{} have no accuracy yet", total - known));
            }
            let notes = notes.into_iter().chain(machines(&store, &sweep)?);
            certainty.into_iter().chain(notes).for_each(|note| context.look.say(&note));
        }
        (Some(_), _) => context.look.write(&summary.exact(), Format::Csv, None)?,
        (None, format) => context.look.write(&summary.exact(), format, None)?,
    }
    Ok(())
}

/// Whose throughputs these are, where several machines measured.
fn machines(store: &Store, sweep: &str) -> Result<Option<String>, Failure> {
    let machines = store.measuring_machines(store.sweep(sweep)?.0)?;
    let [most, others @ ..] = machines.as_slice() else { return Ok(None) };
    let others: Vec<String> =
        others.iter().map(|one| format!("{} ({})", one.cpu_model, one.configurations)).collect();
    Ok((!others.is_empty()).then(|| {
        format!(
            "throughputs are those of {} with {} processors ({} configurations); those of other machines are not compared \
             with them: {}",
            most.cpu_model,
            most.logical_cpus,
            most.configurations,
            others.join(", ")
        )
    }))
}

/// Judges each group by itself; and what is to be said of knees, volumes and what would make it surer.
fn judged_by_group(
    candidates: Vec<Candidate>,
    groups: &[Vec<usize>],
    objectives: &[Objective],
) -> (Vec<Line>, Vec<String>) {
    let mut judged = vec![Judged::default(); candidates.len()];
    let mut notes = Vec::new();
    for group in groups {
        let members: Vec<Candidate> =
            group.iter().filter_map(|index| candidates.get(*index)).cloned().collect();
        let judgement = judge(&members, objectives);
        if let [_] = groups {
            let knee =
                judgement.candidates.iter().position(|one| one.knee).and_then(|knee| members.get(knee));
            if let (Some(knee), Some(volume)) = (knee, judgement.hypervolume) {
                notes.push(format!(
                    "knee: {}; hypervolume {volume:.3} of the box of all values",
                    shortly(knee)
                ));
            }
            notes.extend(judgement.advice.first().and_then(|advice| advised(advice, &members)));
        }
        for (mut one, index) in judgement.candidates.into_iter().zip(group) {
            if let Some(standing) = &mut one.standing {
                standing.beaten_by =
                    standing.beaten_by.and_then(|(rival, share)| Some((*group.get(rival)?, share)));
            }
            if let Some(place) = judged.get_mut(*index) {
                *place = one;
            }
        }
    }
    (Line::all(candidates, judged), notes)
}

/// A candidate in a word for people.
fn shortly(candidate: &Candidate) -> String {
    tested(&short(&candidate.configuration.to_string()), candidate)
}

fn advised(advice: &Advice, candidates: &[Candidate]) -> Option<String> {
    let candidate = candidates.get(advice.candidate)?;
    let what = match advice.metric {
        Metric::TrainImagesPerS | Metric::InferenceImagesPerS => "another measurement",
        _ => "another seed",
    };
    Some(format!(
        "{what} of {} would settle most: {:.0} % of what is undecided is expected of it; `effsweep run FILE --settle N` does it",
        shortly(candidate),
        100.0 * advice.share
    ))
}

/// The candidates that meet a condition.
fn meeting(candidates: Vec<Candidate>, condition: &str) -> Result<Vec<Candidate>, Failure> {
    let rows = rows_of(&candidates);
    let columns: Vec<&str> = rows.columns().iter().map(|column| column.name.as_str()).collect();
    let stored = |value: &Value| match value {
        Value::Null => store::Value::Null,
        Value::Integer(integer) => store::Value::Integer(*integer),
        Value::Real(real) => store::Value::Real(*real),
        Value::Text(text) => store::Value::Text(text.clone()),
    };
    let met = store::meeting(&columns, rows.iter().map(|row| row.iter().map(stored).collect()), condition);
    let met = met.map_err(|error| match error {
        StoreError::BadQuery { message } => {
            Failure::user(format_args!("`--where` takes a condition over columns: {message}"))
                .hint(format!("the columns are {}", columns.join(", ")))
        }
        other => other.into(),
    })?;
    Ok(candidates.into_iter().zip(met).filter(|(_, met)| *met).map(|(candidate, _)| candidate).collect())
}

/// Indices of the candidates that agree in all of `columns`, groups in the order of their values.
fn groups(candidates: &[Candidate], columns: &[String]) -> Result<Vec<Vec<usize>>, Failure> {
    let rows = rows_of(candidates);
    let place = |name: &String| {
        let dotted = Setting::all().iter().find(|setting| setting.key == name).map(ToString::to_string);
        let found = rows
            .columns()
            .iter()
            .position(|column| column.name == *name || Some(&column.name) == dotted.as_ref());
        found.ok_or_else(|| {
            let names: Vec<&str> = rows.columns().iter().map(|column| column.name.as_str()).collect();
            Failure::user(format_args!("`--by` knows no column `{name}`"))
                .hint(format!("the columns are {}", names.join(", ")))
        })
    };
    let places = columns.iter().map(place).collect::<Result<Vec<usize>, _>>()?;
    let mut groups: Vec<(Vec<Value>, Vec<usize>)> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let values: Vec<Value> = places.iter().filter_map(|place| row.get(*place)).cloned().collect();
        match groups.iter_mut().find(|(known, _)| *known == values) {
            Some((_, members)) => members.push(index),
            None => groups.push((values, vec![index])),
        }
    }
    Ok(groups.into_iter().map(|(_, members)| members).collect())
}

/// The candidates' columns in their order, without those that say how they stand among each other.
fn rows_of(candidates: &[Candidate]) -> Rows {
    let judged = vec![Judged::default(); candidates.len()];
    let all = Summary::new(Line::all(candidates.to_vec(), judged), &[]).exact();
    let own = |column: &&Column| !JUDGED.contains(&column.name.as_str());
    let mut rows = Rows::new(all.columns().iter().filter(own).cloned().collect());
    for row in all.iter() {
        let values = all.columns().iter().zip(row).filter(|(column, _)| own(column));
        rows.push(values.map(|(_, value)| value.clone()));
    }
    rows
}

/// The candidate that everything is told relative to: at its train resolution, unless another one is named.
fn baseline(candidates: &[Candidate], key: &str) -> Result<Candidate, Failure> {
    let (key, test) = match key.split_once('@') {
        Some((key, test)) => (key, Some(test)),
        None => (key, None),
    };
    let mut found: Vec<&Candidate> =
        candidates.iter().filter(|candidate| candidate.configuration.to_string().starts_with(key)).collect();
    if found.iter().any(|one| Some(one.configuration) != found.first().map(|first| first.configuration)) {
        return Err(Failure::user(format_args!("several configurations of the sweep begin with `{key}`"))
            .hint(found.iter().map(|one| name(one)).collect::<Vec<_>>().join(", ")));
    }
    found.sort_by_key(|one| {
        (one.fine_tuning != UNTUNED, one.test_resolution as usize != one.settings.train.resolution)
    });
    let at = |one: &&&Candidate| test.is_none_or(|test| tested("", one) == format!("@{test}"));
    found.iter().find(at).map(|one| (*one).clone()).ok_or_else(|| {
        Failure::user(format_args!(
            "the sweep has no configuration `{key}`{}",
            match test {
                Some(test) => format!(" that is tested at {test} pixels"),
                None => String::new(),
            }
        ))
        .hint("keys stand in `effsweep pareto --all`")
    })
}

/// The sweep of that name, or the one registered last.
pub(super) fn named_sweep(context: &Context, name: Option<&str>) -> Result<String, Failure> {
    let store = Store::open(&context.db, Access::Read)?;
    match name {
        Some(name) => Ok(store.sweep(name)?.1.name),
        None => store.sweep_names()?.into_iter().next().ok_or_else(|| {
            Failure::user(format_args!("{} has no sweep yet", context.db.display()))
                .hint("`effsweep run FILE` makes one")
        }),
    }
}

/// The objectives that the sweep was registered with.
pub(super) fn objectives_of(store: &Store, sweep: &str) -> Result<Vec<Objective>, Failure> {
    let (_, row) = store.sweep(sweep)?;
    serde_json::from_str(&row.objectives).map_err(|error| {
        Failure::user_because(format_args!("cannot read the objectives of `{sweep}`"), &error)
            .hint("`--objectives` names others")
    })
}

/// Reads `max top1, min macs`.
pub(super) fn objectives(list: &str) -> Result<Vec<Objective>, Failure> {
    let mut objectives: Vec<Objective> = Vec::new();
    for part in list.split(',') {
        let objective: Objective = part.parse()?;
        if objectives.iter().any(|known| known.metric == objective.metric) {
            return Err(Failure::user(format_args!(
                "`{}` stands twice in `--objectives`",
                objective.metric.name()
            )));
        }
        objectives.push(objective);
    }
    if objectives.len() < 2 {
        return Err(Failure::user("a front needs at least two objectives")
            .hint("such as `--objectives \"max top1, min macs\"`"));
    }
    Ok(objectives)
}
