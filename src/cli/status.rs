//! `effsweep status`: how far each sweep is.

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::pareto::named_sweep;
use super::query::{Database, Numbers};
use crate::cluster::{ClusterError, Jobs, Slurm};
use crate::report::{Column, Rows, Value};
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

// Both begin with the few rows of a state (CROSS JOIN: as written), not with a sweep's million.
const RUNNING: &str = "
    SELECT substr(o.trial_key, 1, 8) AS trial, o.norm, o.group_size, o.batch_size, o.train_resolution, o.seed,
           (SELECT count(*) FROM epochs AS e WHERE e.trial_id = o.trial_id) || '/' || o.epochs AS epochs,
           a.number AS attempt, a.pid, a.started_at
    FROM attempts AS a
    CROSS JOIN sweep_trials AS m ON m.trial_id = a.trial_id
    CROSS JOIN sweeps AS w ON w.id = m.sweep_id
    CROSS JOIN trial_overview AS o ON o.trial_id = m.trial_id
    WHERE a.state = 'running' AND w.name = ?1 ORDER BY a.started_at";

const FAILED: &str = "
    SELECT substr(t.key, 1, 8) AS trial, a.number AS attempts, a.cause, a.message
    FROM trials AS t
    CROSS JOIN sweep_trials AS m ON m.trial_id = t.id
    CROSS JOIN sweeps AS w ON w.id = m.sweep_id
    JOIN attempts AS a ON a.trial_id = t.id
        AND a.number = (SELECT max(number) FROM attempts WHERE trial_id = t.id)
    WHERE t.state = 'failed' AND w.name = ?1 ORDER BY m.position";

/// A cluster's jobs, as Slurm sees them now.
fn jobs(sweep: &str, context: &Context) -> Result<(), Failure> {
    let columns = ["job", "trials", "tasks", "waiting", "running", "ended", "why", "slurm"];
    let mut rows = Rows::new(columns.map(Column::plain).to_vec());
    for folder in Jobs::of(&context.db).list()? {
        let (job, ids) = (folder.job()?, folder.slurm_ids()?);
        if !["", &job.sweep].contains(&sweep) {
            continue;
        }
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parts =
            [(ids.array, job.tasks.len(), ""), (ids.measure, usize::from(job.measures), " measuring")];
        for (id, tasks, what) in parts {
            let Some(id) = id.filter(|_| tasks > 0) else { continue };
            let queued = match Slurm.queued(&id) {
                Err(ClusterError::NoSlurm { .. }) => {
                    context.look.say("jobs are not shown: Slurm's commands are not here");
                    return Ok(());
                }
                queued => queued?,
            };
            let waiting: Vec<_> = queued.iter().filter(|task| task.state == "PENDING").collect();
            let why = waiting.first().map(|task| task.reason.clone());
            let ended = if queued.is_empty() { ended(&Slurm.accounted(&id)) } else { None };
            let trials: usize =
                if what.is_empty() { job.tasks.iter().map(|task| task.trials.len()).sum() } else { 0 };
            let count = |count: usize| Value::from(i64::try_from(count).ok());
            rows.push([
                format!("{name}{what}").into(),
                if what.is_empty() { count(trials) } else { Value::Null },
                count(tasks),
                count(waiting.len()),
                count(queued.len() - waiting.len()),
                count(tasks.saturating_sub(queued.len())),
                why.or(ended).into(),
                id.into(),
            ]);
        }
    }
    if !rows.is_empty() {
        context.look.print("\njobs\n")?;
        context.look.write(&rows, Format::Table, None)?;
    }
    Ok(())
}

/// How tasks ended, where Slurm keeps accounts: `22 COMPLETED, 2 CANCELLED`.
fn ended(accounted: &[(usize, String)]) -> Option<String> {
    let mut counts = std::collections::BTreeMap::new();
    for (_, state) in accounted {
        *counts.entry(state.as_str()).or_insert(0) += 1;
    }
    let told: Vec<String> = counts.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

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
    jobs(&only, context)?;
    let holders = RunLock::holders(&context.db)?;
    for holder in &holders {
        context.look.say(&format!("a run is going on: {holder}"));
    }
    if holders.is_empty() {
        context.look.say("no run is going on");
    }
    Ok(())
}
