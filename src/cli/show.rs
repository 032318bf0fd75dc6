//! `effsweep show`: all that is known of one trial, or of one configuration; or the signals of several.

use serde_json::Value as Json;

use super::exit::Failure;
use super::look::Format;
use super::query::{Database, Numbers};
use super::summary::told;
use super::{Context, signals};
use crate::report::table::shown;
use crate::report::{Column, Rows, Value};
use crate::sweep::Settings;
use crate::sweep::settings::Setting;

/// Show a trial or a configuration: settings, attempts, epochs, accuracies, throughput.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  effsweep show 3f9c21ab\n  effsweep show 3f9c21ab --log\n  \
                        effsweep show 3f9c21ab 8be01f77 --signals\n  \
                        effsweep show 3f9c21ab 8be01f77 --signals --format csv > signals.csv\n\n\
                        Keys stand in `effsweep pareto`, `status` and `plan`; any unique beginning will do.")]
pub(super) struct Arguments {
    /// The beginning of a trial's or a configuration's key; with `--signals`, of several.
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
    /// Print the log of each attempt whole, not just its end.
    #[arg(long, conflicts_with = "signals")]
    log: bool,
    /// Compare what the layers send on, trial by trial: whether channels collapse, whether images still differ.
    #[arg(long)]
    signals: bool,
    /// Signals after so many epochs [default: in a table the last that all trials have, else all].
    #[arg(long, value_name = "N", requires = "signals")]
    epoch: Option<u32>,
    /// How to write the signals; CSV and JSON have all of them, the rows of the view `signals`.
    #[arg(long, value_enum, default_value = "table", requires = "signals")]
    format: Format,
}

/// Lines of a log that are shown unless all of it is asked for.
const LOG_LINES: usize = 20;

/// Keys of trials and configurations that begin so; `g` follows the last hexadecimal digit.
const FOUND: &str = "
    SELECT 'trial' AS kind, key FROM trials WHERE key >= ?1 AND key < ?1 || 'g'
    UNION ALL SELECT 'configuration', key FROM configurations WHERE key >= ?1 AND key < ?1 || 'g' LIMIT 5";

const CONFIGURATION: &str = "
    SELECT key, preset, norm, norm_groups, group_size, expand_ratio, batch_size, train_resolution, image_set, classes,
           parameters, macs, activation_bytes, macs_deviation, parameters_deviation, deviating_blocks
    FROM configurations WHERE key = ?1";

const TRIALS: &str = "
    SELECT t.key, t.seed, t.state, t.train_s, t.diverged_epoch, t.ended_at, t.git_commit, t.weights_checksum
    FROM trials AS t JOIN configurations AS c ON c.id = t.configuration_id
    WHERE ?1 IN (c.key, t.key) ORDER BY t.seed";

const SWEEPS: &str = "
    SELECT DISTINCT w.name AS sweep
    FROM trials AS t JOIN configurations AS c ON c.id = t.configuration_id
    JOIN sweep_trials AS m ON m.trial_id = t.id JOIN sweeps AS w ON w.id = m.sweep_id
    WHERE ?1 IN (c.key, t.key) ORDER BY w.name";

const ATTEMPTS: &str = "
    SELECT t.seed, a.number, a.job, a.state, a.cause, a.exit_status, a.signal, a.message, a.started_at, a.ended_at,
           a.threads, a.peak_rss_bytes
    FROM attempts AS a JOIN trials AS t ON t.id = a.trial_id JOIN configurations AS c ON c.id = t.configuration_id
    WHERE ?1 IN (c.key, t.key) ORDER BY t.seed, a.number";

const EPOCHS: &str = "
    SELECT t.seed, e.epoch, e.train_loss, e.train_top1, e.learning_rate, e.elapsed_s
    FROM epochs AS e JOIN trials AS t ON t.id = e.trial_id JOIN configurations AS c ON c.id = t.configuration_id
    WHERE ?1 IN (c.key, t.key) ORDER BY t.seed, e.epoch";

const EVALUATIONS: &str = "
    SELECT t.seed, e.test_resolution, e.fine_tuning, e.fine_tune_s AS fine_tune_time_s, e.aliased, e.top1, e.top5, e.loss AS test_loss, e.images
    FROM evaluations AS e JOIN trials AS t ON t.id = e.trial_id JOIN configurations AS c ON c.id = t.configuration_id
    WHERE ?1 IN (c.key, t.key) ORDER BY t.seed, e.test_resolution, e.fine_tuning <> 'none', e.fine_tuning";

const MEASUREMENTS: &str = "
    SELECT x.kind, x.resolution, x.batch_size, x.threads, x.round, x.images_per_s, x.images_per_s_low,
           x.images_per_s_high, x.quiet, x.foreign_load, x.taken_at
    FROM measurements AS x JOIN configurations AS c ON c.id = x.configuration_id
    WHERE c.key = ?1 ORDER BY x.kind, x.resolution, x.round, x.taken_at";

const LOGS: &str = "
    SELECT t.seed, a.number, a.log_tail
    FROM attempts AS a JOIN trials AS t ON t.id = a.trial_id JOIN configurations AS c ON c.id = t.configuration_id
    WHERE ?1 IN (c.key, t.key) AND trim(coalesce(a.log_tail, '')) <> '' ORDER BY t.seed, a.number";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let database = Database::open(&context.db)?;
    let keys =
        arguments.keys.iter().map(|key| one(&database, key, context)).collect::<Result<Vec<_>, _>>()?;
    if arguments.signals {
        return signals::show(&database, &keys, arguments.epoch, arguments.format, context);
    }
    let [key] = <[String; 1]>::try_from(keys).map_err(|keys| {
        Failure::user(format_args!("{} keys, and one is shown at a time", keys.len()))
            .hint("`--signals` compares the signals of several trials")
    })?;
    let configuration = database
        .text(
            "SELECT c.key FROM configurations AS c JOIN trials AS t ON t.configuration_id = c.id
             WHERE ?1 IN (c.key, t.key)",
            &[&key],
        )?
        .unwrap_or_else(|| key.clone());

    let listed = |title: &str, sql: &str, key: &str| {
        let rows = database.ask(sql, &[key], Numbers::ByName)?;
        if rows.is_empty() {
            return Ok(());
        }
        context.look.print(&format!("{title}\n{}\n", context.look.table(&rows, None)))
    };
    context.look.print(&format!("configuration\n{}\n", facts(&database, &configuration, context)?))?;
    context.look.print(&format!(
        "settings not at their defaults\n{}\n",
        settings(&database, &configuration, context)?
    ))?;
    listed("sweeps", SWEEPS, &key)?;
    listed("trials", TRIALS, &key)?;
    listed("attempts", ATTEMPTS, &key)?;
    listed("epochs", EPOCHS, &key)?;
    listed("accuracies", EVALUATIONS, &key)?;
    listed("throughput, each round alone on the machine", MEASUREMENTS, &configuration)?;
    logs(&database, &key, arguments.log, context)
}

/// The one key that begins so.
fn one(database: &Database, prefix: &str, context: &Context) -> Result<String, Failure> {
    let prefix = prefix.to_ascii_lowercase();
    let digits = (4..=32).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits {
        return Err(Failure::user(format_args!("`{prefix}` is no beginning of a key"))
            .hint("a key has 32 hexadecimal digits; 4 or more of them, from the first, will do"));
    }
    let found = database.ask(FOUND, &[&prefix], Numbers::AsStored)?;
    let keys: Vec<(&str, &str)> = found.iter().filter_map(kind_and_key).collect();
    match keys.as_slice() {
        [(_, key)] => Ok((*key).to_owned()),
        [] => {
            let path = context.db.display();
            Err(Failure::user(format_args!(
                "no trial or configuration in {path} has a key that begins `{prefix}`"
            ))
            .hint("`effsweep pareto --all` and `effsweep status` show keys"))
        }
        several => {
            let listed: Vec<String> = several.iter().map(|(kind, key)| format!("{kind} {key}")).collect();
            Err(Failure::user(format_args!("several keys begin `{prefix}`: {}", listed.join(", "))))
        }
    }
}

fn kind_and_key(row: &[Value]) -> Option<(&str, &str)> {
    match row {
        [Value::Text(kind), Value::Text(key)] => Some((kind, key)),
        _ => None,
    }
}

/// A configuration's facts, one below the other.
fn facts(database: &Database, key: &str, context: &Context) -> Result<String, Failure> {
    let wide = database.ask(CONFIGURATION, &[key], Numbers::ByName)?;
    let mut rows = Rows::new(["fact", "value"].map(Column::plain).to_vec());
    for (column, value) in wide.columns().iter().zip(wide.iter().next().unwrap_or_default()) {
        rows.push([column.name.as_str().into(), shown(column.kind, value).into()]);
    }
    Ok(context.look.table(&rows, None))
}

/// The settings that make the configuration's key.
fn settings(database: &Database, key: &str, context: &Context) -> Result<String, Failure> {
    let text = database.text("SELECT settings FROM configurations WHERE key = ?1", &[key])?;
    let tree: Json = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
    let mut rows = Rows::new(["setting", "value", "default"].map(Column::plain).to_vec());
    for setting in Setting::all().iter().filter(|setting| setting.makes_a_trial()) {
        let (value, default) = (setting.of(&tree), setting.of(Settings::defaults()));
        if value != default {
            let default = setting.absent().map_or_else(|| told(default), Into::into);
            rows.push([setting.to_string().into(), told(value), default]);
        }
    }
    Ok(context.look.table(&rows, None))
}

fn logs(database: &Database, key: &str, whole: bool, context: &Context) -> Result<(), Failure> {
    let rows = database.ask(LOGS, &[key], Numbers::AsStored)?;
    for row in rows.iter() {
        let [Value::Integer(seed), Value::Integer(number), Value::Text(log)] = row else {
            continue;
        };
        let lines: Vec<&str> = log.trim_end().lines().collect();
        let skipped = if whole { 0 } else { lines.len().saturating_sub(LOG_LINES) };
        let cut =
            if skipped > 0 { format!(" ({skipped} lines above; `--log` shows them)") } else { String::new() };
        let visible = |c: char| if c.is_control() && c != '\t' { '\u{FFFD}' } else { c };
        let text: Vec<String> = lines
            .iter()
            .skip(skipped)
            .map(|line| format!("  {}", line.chars().map(visible).collect::<String>()))
            .collect();
        context.look.print(&format!("log of seed {seed}, attempt {number}{cut}\n{}\n\n", text.join("\n")))?;
    }
    Ok(())
}
