//! `effsweep pareto`: which configurations no other one beats.

use std::path::PathBuf;

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::summary::Summary;
use crate::durable::write_atomically;
use crate::report::csv;
use crate::runner::{candidates, front};
use crate::store::{Access, Store};
use crate::sweep::{Metric, Objective};

/// Show the Pareto front of a sweep over two or more objectives.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep pareto\n  \
    effsweep pareto quickstart --objectives \"max top1, min parameters\"\n  \
    effsweep pareto quickstart --objectives \"max top1, max inference_images_per_s, min macs\" --all\n  \
    effsweep pareto quickstart --csv front.csv\n\n\
    Metrics: top1, top5, test_loss, train_images_per_s, inference_images_per_s, parameters, macs (at the test\n\
    resolution), train_time_s, peak_memory_mib. Rows are configurations at a test resolution, averaged over the seeds\n\
    that have an accuracy (n_seeds). docs/database.md lists the columns of the CSV.")]
pub(super) struct Arguments {
    /// The sweep; the one that ran last if absent.
    sweep: Option<String>,
    /// What the front is drawn over; the sweep's own objectives if absent.
    #[arg(long, value_name = "LIST")]
    objectives: Option<String>,
    /// Write the rows as CSV to a file; `-` is standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    csv: Option<PathBuf>,
    /// Show what is not on the front, too.
    #[arg(long)]
    all: bool,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let asked = arguments.objectives.as_deref().map(objectives).transpose()?;
    let store = Store::open(&context.db, Access::Read)?;
    let sweep = named_sweep(context, arguments.sweep.as_deref())?;
    let objectives = match asked {
        Some(objectives) => objectives,
        None => objectives_of(&store, &sweep)?,
    };
    let candidates = candidates(&store, &sweep)?;
    let members = front(&candidates, &objectives);
    let mut summary = Summary::new(candidates, members, &objectives);
    let (known, total) = (summary.known(), summary.front().len());
    summary.say_what_lacks(&objectives, &context.look);
    if !arguments.all {
        summary = summary.front_only();
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
            let said =
                format!("{sweep}: {} of {known} on the front over {}", summary.members(), listed.join(", "));
            context.look.say(&said);
            if known < total {
                context.look.say(&format!("{} have no accuracy yet", total - known));
            }
        }
        (Some(_), _) => context.look.write(&summary.exact(), Format::Csv, None)?,
        (None, format) => context.look.write(&summary.exact(), format, None)?,
    }
    Ok(())
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
fn objectives(list: &str) -> Result<Vec<Objective>, Failure> {
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
