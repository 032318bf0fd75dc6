//! `effsweep plan`: what a sweep file asks for, and what of that is still to be done. Starts and writes nothing.

use std::path::PathBuf;

use super::exit::Failure;
use super::look::Format;
use super::summary::{short, told, whole};
use super::{Context, network};
use crate::measure::machine::Machine;
use crate::report::{Column, Kind, Rows, Value, number};
use crate::runner::{Counted, Known, Plan, Register, estimate, place, workers};
use crate::store::{Access, Store, StoreError};
use crate::sweep::settings::Setting;
use crate::sweep::{Configuration, Sweep};

/// Check a sweep file and show what would run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep plan sweeps/quickstart.toml\n  \
    effsweep plan --resolved sweeps/quickstart.toml\n  \
    effsweep plan --model sweeps/quickstart.toml\n  \
    effsweep plan --format csv sweeps/quickstart.toml > configurations.csv\n\n\
    docs/sweep-file.md explains the file. Parameters and multiply-accumulates are those of the train resolution.")]
pub(super) struct Arguments {
    /// The sweep file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the file with every default filled in.
    #[arg(long, conflicts_with_all = ["model", "limit", "format"])]
    resolved: bool,
    /// Print the layers of one configuration's network: the first, or that of `--at`.
    #[arg(long, conflicts_with = "limit")]
    model: bool,
    /// The beginning of a configuration's key.
    #[arg(long, value_name = "KEY", requires = "model")]
    at: Option<String>,
    /// Show that many configurations; 0 shows all [default: 20 in a table, else all].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    limit: Option<usize>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Configurations that a table shows unless told otherwise.
const TABLE_ROWS: usize = 20;

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let sweep = Sweep::load(&arguments.file)?;
    if arguments.resolved {
        return context.look.print(&sweep.resolved_toml());
    }
    let mut register = Register::default();
    if arguments.model {
        let configuration = network::configuration(&sweep, arguments.at.as_deref())?;
        let classes = register.classes(&configuration.settings.data)?;
        return network::show(&configuration, classes, arguments.format, context);
    }
    match (arguments.format, arguments.limit) {
        (Format::Table, limit) => overview(&sweep, limit.unwrap_or(TABLE_ROWS), &mut register, context),
        (format, limit) => {
            let rows = rows(&sweep, limit.unwrap_or(0), Keys::Whole, &mut register)?;
            context.look.write(&rows, format, None)
        }
    }
}

/// Tells how large the sweep is, what of it is done, and its first configurations; all of them if `limit` is 0.
fn overview(sweep: &Sweep, limit: usize, register: &mut Register, context: &Context) -> Result<(), Failure> {
    context.look.print(&format!("{}{}\n", headline(sweep, register)?, standing(sweep, context)?))?;
    let rows = rows(sweep, limit, Keys::Short, register)?;
    context.look.write(&rows, Format::Table, None)?;
    if rows.len() < sweep.len() {
        context.look.say(&format!("… and {} more; `--limit 0` shows all", sweep.len() - rows.len()));
    }
    Ok(())
}

/// The overview that `effsweep run --dry-run` gives.
pub(super) fn dry_run(sweep: &Sweep, context: &Context) -> Result<(), Failure> {
    overview(sweep, TABLE_ROWS, &mut Register::default(), context)
}

/// What is done already and what is left, by the database; it is not made if it is not there.
fn standing(sweep: &Sweep, context: &Context) -> Result<String, Failure> {
    let (settings, db) = (sweep.settings(), context.db.display());
    let (known, there) = match Store::open(&context.db, Access::Read) {
        Ok(store) => (Known::read(&store, sweep, &place(&Machine::this(), &settings))?, ""),
        Err(StoreError::NotFound { .. }) => (Known::default(), ", which is not there yet"),
        Err(error) => return Err(error.into()),
    };
    let plan = Plan::of(sweep, &known);
    let counts = plan.counts;
    let always = [(counts.kept(), "kept"), (counts.new, "new")];
    let sometimes = [
        (counts.unfinished, "unfinished"),
        (counts.running, "running"),
        (counts.failed, "failed"),
        (counts.unevaluated, "to be evaluated further"),
        (counts.orphaned, "orphaned"),
    ];
    let counted = always.into_iter().chain(sometimes.into_iter().filter(|(count, _)| *count > 0));
    let counted: Vec<String> = counted.map(|(count, what)| format!("{count} {what}")).collect();
    let workers = workers(settings.run.workers, settings.run.threads);
    let time = match estimate(sweep, &plan, &known, workers) {
        Some(time) => format!("about {}, {workers} at a time", number::duration(time.as_secs_f64())),
        None => "not known until a trial has trained on this machine".to_owned(),
    };
    Ok(format!("  trials: {} ({db}{there})\n  time: {time}\n", counted.join(", ")))
}

/// Costs of a configuration at its train resolution.
fn counted<'a>(register: &'a mut Register, configuration: &Configuration) -> Result<&'a Counted, Failure> {
    let classes = register.classes(&configuration.settings.data)?;
    Ok(register.count(&configuration.settings, classes)?)
}

/// What the sweep is and how large, in a few lines.
fn headline(sweep: &Sweep, register: &mut Register) -> Result<String, Failure> {
    let mut text = match sweep.description() {
        Some(description) => format!("{}: {description}\n", sweep.name()),
        None => format!("{}\n", sweep.name()),
    };
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    text += &format!(
        "  {} × {} = {}\n",
        plural(sweep.len(), "configuration"),
        plural(sweep.seeds().len(), "seed"),
        plural(sweep.trial_count(), "trial"),
    );
    text += &accuracies(sweep);
    for (name, values) in sweep.axes() {
        text += &format!("  {name}: {}\n", abridged(&values));
    }
    let networks = sweep.networks().into_iter().filter_map(|index| sweep.configuration(index));
    let totals = networks
        .map(|configuration| counted(register, &configuration).cloned())
        .collect::<Result<Vec<_>, _>>()?;
    let range = |cost: fn(&Counted) -> u64| {
        let costs = || totals.iter().map(cost);
        let [least, most] =
            [costs().min(), costs().max()].map(|cost| number::count(cost.unwrap_or(0) as f64));
        if least == most { least } else { format!("{least} to {most}") }
    };
    text += &format!("  parameters: {}\n", range(|totals| totals.parameters));
    text += &format!("  multiply-accumulates of an image: {}\n", range(|totals| totals.macs));
    Ok(text)
}

/// How many accuracies the trainings give, where each gives more than one.
fn accuracies(sweep: &Sweep) -> String {
    let tunings = sweep.fine_tunings();
    let tests: usize = sweep.keys().map(|(_, tests)| tests.len()).sum();
    let count = tests * tunings.len() * sweep.seeds().len();
    if count == sweep.trial_count() {
        return String::new();
    }
    let tuned: Vec<String> = tunings.iter().filter(|one| one.tunes()).map(ToString::to_string).collect();
    let as_trained = if tunings.len() > tuned.len() { " and as trained" } else { "" };
    let after = match tuned.as_slice() {
        [] => String::new(),
        names => format!(", after fine-tuning {}{as_trained}", names.join(" | ")),
    };
    format!("  {count} accuracies from {} trainings{after}\n", sweep.trial_count())
}

/// The values of an axis on one line.
fn abridged(values: &[&str]) -> String {
    const SHOWN: usize = 12;
    let shown = values.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if values.len() > SHOWN { format!("{shown}, … ({} values)", values.len()) } else { shown }
}

/// How keys are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// As people type them.
    Short,
    /// As the database has them.
    Whole,
}

impl Keys {
    fn column(self) -> &'static str {
        match self {
            Self::Short => "key",
            Self::Whole => "configuration_key",
        }
    }

    fn of(self, configuration: &Configuration) -> String {
        let key = configuration.key.to_string();
        match self {
            Self::Short => short(&key),
            Self::Whole => key,
        }
    }
}

/// The first configurations, one a row; all of them if `limit` is 0.
fn rows(sweep: &Sweep, limit: usize, keys: Keys, register: &mut Register) -> Result<Rows, Failure> {
    let extra: Vec<Setting> = extra_axes(sweep);
    let mut columns: Vec<Column> =
        [keys.column(), "norm", "group_size", "batch_size", "train_resolution", "test_resolutions"]
            .map(Column::plain)
            .to_vec();
    columns.extend(extra.iter().map(|setting| Column::plain(setting.to_string())));
    columns.extend([
        Column::plain("expand_ratio"),
        Column::new("parameters", Kind::Count),
        Column::new("macs", Kind::Count),
        Column::new("activation_bytes", Kind::Bytes),
    ]);
    let mut rows = Rows::new(columns);
    let most = if limit == 0 { usize::MAX } else { limit };
    for configuration in sweep.configurations().take(most) {
        let totals = counted(register, &configuration)?.clone();
        let settings = &configuration.settings;
        let tests = configuration.test_resolutions.iter();
        let tests: Vec<String> =
            tests.map(|test| format!("{}{}", test.side, if test.aliased { "*" } else { "" })).collect();
        let mut row: Vec<Value> = vec![
            keys.of(&configuration).into(),
            settings.model.norm.to_string().into(),
            whole(settings.model.group_size),
            whole(settings.train.batch_size),
            whole(settings.train.resolution),
            tests.join(",").into(),
        ];
        let tree = settings.to_json();
        row.extend(extra.iter().map(|setting| told(setting.of(&tree))));
        row.push(totals.expand_ratio.into());
        row.extend(
            [totals.parameters, totals.macs, totals.activation_bytes]
                .map(|cost| i64::try_from(cost).ok().into()),
        );
        rows.push(row);
    }
    Ok(rows)
}

/// The settings that vary without a column of their own.
fn extra_axes(sweep: &Sweep) -> Vec<Setting> {
    let own = [Setting::NORM, Setting::GROUP_SIZE, Setting::BATCH_SIZE, Setting::TRAIN_RESOLUTION];
    let axes = sweep.axes().filter_map(|(name, _)| name.split_once('.'));
    let settings = axes.filter_map(|(section, key)| Setting::find(section, key));
    settings.filter(|setting| !own.contains(setting)).collect()
}
