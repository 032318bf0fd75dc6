//! `effsweep plan`: what a sweep file asks for, and what of that is still to be done. Starts and writes nothing.

use std::collections::HashMap;
use std::path::PathBuf;

use super::costs::{Costs, Totals};
use super::exit::Failure;
use super::look::Format;
use super::summary::{short, told, whole};
use super::{Context, network};
use crate::data;
use crate::report::{Column, Kind, Rows, Value, number};
use crate::sweep::settings::{Data, Setting};
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
    #[arg(long, value_name = "N")]
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
    let mut counted = Counted::default();
    if arguments.model {
        let configuration = network::configuration(&sweep, arguments.at.as_deref())?;
        let classes = counted.classes(&configuration.settings.data)?;
        return network::show(&configuration, classes, arguments.format, context);
    }
    let limit = match (arguments.limit, arguments.format) {
        (Some(0), _) | (None, Format::Csv | Format::Json) => usize::MAX,
        (Some(limit), _) => limit,
        (None, Format::Table) => TABLE_ROWS,
    };
    if arguments.format == Format::Table {
        context.look.print(&headline(&sweep, &mut counted)?)?;
    }
    let rows = rows(&sweep, limit, &mut counted)?;
    context.look.write(&rows, arguments.format, None)?;
    if rows.len() < sweep.len() {
        context.look.say(&format!("… and {} more; `--limit 0` shows all", sweep.len() - rows.len()));
    }
    Ok(())
}

/// Costs and image sets that were looked at already.
#[derive(Default)]
struct Counted {
    costs: Costs,
    classes: HashMap<String, usize>,
}

impl Counted {
    /// Number of classes of an image set.
    fn classes(&mut self, data: &Data) -> Result<usize, Failure> {
        let set = format!("{:?} {:?}", data.set, data.path);
        if let Some(classes) = self.classes.get(&set) {
            return Ok(*classes);
        }
        let classes = data::open(data)?.classes().len();
        self.classes.insert(set, classes);
        Ok(classes)
    }

    /// Costs at the train resolution.
    fn totals(&mut self, configuration: &Configuration) -> Result<Totals, Failure> {
        let settings = &configuration.settings;
        let classes = self.classes(&settings.data)?;
        Ok(self.costs.of(&settings.model, classes, settings.train.resolution)?)
    }
}

/// What the sweep is and how large, in a few lines.
fn headline(sweep: &Sweep, counted: &mut Counted) -> Result<String, Failure> {
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
    for (name, values) in sweep.axes() {
        text += &format!("  {name}: {}\n", abridged(&values));
    }
    let networks = sweep.networks().into_iter().filter_map(|index| sweep.configuration(index));
    let totals =
        networks.map(|configuration| counted.totals(&configuration)).collect::<Result<Vec<_>, _>>()?;
    let range = |cost: fn(&Totals) -> u64| {
        let costs = || totals.iter().map(cost);
        let [least, most] =
            [costs().min(), costs().max()].map(|cost| number::count(cost.unwrap_or(0) as f64));
        if least == most { least } else { format!("{least} to {most}") }
    };
    text += &format!("  parameters: {}\n", range(|totals| totals.parameters));
    text += &format!("  multiply-accumulates of an image: {}\n\n", range(|totals| totals.macs));
    Ok(text)
}

/// The values of an axis on one line.
fn abridged(values: &[&str]) -> String {
    const SHOWN: usize = 12;
    let shown = values.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if values.len() > SHOWN { format!("{shown}, … ({} values)", values.len()) } else { shown }
}

/// The first configurations, one a row.
fn rows(sweep: &Sweep, limit: usize, counted: &mut Counted) -> Result<Rows, Failure> {
    let extra: Vec<Setting> = extra_axes(sweep);
    let mut columns: Vec<Column> =
        ["key", "norm", "group_size", "batch_size", "train_resolution", "test_resolutions"]
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
    for configuration in sweep.configurations().take(limit) {
        let totals = counted.totals(&configuration)?;
        let settings = &configuration.settings;
        let tests = configuration.test_resolutions.iter();
        let tests: Vec<String> =
            tests.map(|test| format!("{}{}", test.side, if test.aliased { "*" } else { "" })).collect();
        let mut row: Vec<Value> = vec![
            short(&configuration.key.to_string()).into(),
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
