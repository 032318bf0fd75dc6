//! `effsweep status`: how far each sweep is.

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::pareto::named_sweep;
use super::query::{Database, Numbers};
use crate::store::RunLock;

/// Show how far each sweep is, what runs and what failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  effsweep status\n  effsweep status quickstart\n  \
                        effsweep status --format json")]
pub(super) struct Arguments {
    /// Only this sweep, with its running and failed trials.
    sweep: Option<String>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

const SWEEPS: &str = "
    SELECT s.sweep, s.trials, s.planned, s.running, s.finished, s.diverged, s.failed, w.updated_at AS registered_at
    FROM trial_status AS s JOIN sweeps AS w ON w.name = s.sweep
    WHERE ?1 IN ('', s.sweep) ORDER BY w.updated_at DESC";

const RUNNING: &str = "
    SELECT substr(o.trial_key, 1, 8) AS trial, o.norm, o.group_size, o.batch_size, o.train_resolution, o.seed,
           (SELECT count(*) FROM epochs AS e WHERE e.trial_id = o.trial_id) || '/' || o.epochs AS epochs,
           a.number AS attempt, a.pid, a.started_at
    FROM sweeps AS w
    JOIN sweep_trials AS m ON m.sweep_id = w.id
    JOIN trial_overview AS o ON o.trial_id = m.trial_id
    JOIN attempts AS a ON a.trial_id = o.trial_id AND a.state = 'running'
    WHERE w.name = ?1 ORDER BY a.started_at";

const FAILED: &str = "
    SELECT substr(t.key, 1, 8) AS trial, a.number AS attempts, a.cause, a.message
    FROM sweeps AS w
    JOIN sweep_trials AS m ON m.sweep_id = w.id
    JOIN trials AS t ON t.id = m.trial_id AND t.state = 'failed'
    JOIN attempts AS a ON a.trial_id = t.id
        AND a.number = (SELECT max(number) FROM attempts WHERE trial_id = t.id)
    WHERE w.name = ?1 ORDER BY m.position";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let database = Database::open(&context.db)?;
    let only = match &arguments.sweep {
        Some(name) => named_sweep(context, Some(name))?,
        None => String::new(),
    };
    let sweeps = database.ask(SWEEPS, &[&only], Numbers::ByName)?;
    context.look.write(&sweeps, arguments.format, None)?;
    if arguments.format != Format::Table {
        return Ok(());
    }
    if !only.is_empty() {
        for (title, sql) in [("running", RUNNING), ("failed", FAILED)] {
            let rows = database.ask(sql, &[&only], Numbers::ByName)?;
            if !rows.is_empty() {
                context.look.print(&format!("\n{title}\n"))?;
                context.look.write(&rows, Format::Table, None)?;
            }
        }
    }
    match RunLock::holder(&context.db)? {
        Some(holder) => context.look.say(&format!("a run is going on: {holder}")),
        None => context.look.say("no run is going on"),
    }
    Ok(())
}
