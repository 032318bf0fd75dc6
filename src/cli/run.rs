//! `effsweep run`: does what a sweep file asks for and is not done yet, then shows what came out.

use std::path::PathBuf;

use super::exit::{self, Failure};
use super::look::Format;
use super::pareto::objectives_of;
use super::progress::Progress;
use super::summary::{Line, Summary, write_front};
use super::{Context, hand};
use crate::report::table::FRONT_MARK;
use crate::runner::{Phases, Run, RunOptions, candidates, judge};
use crate::store::{Access, Store};
use crate::sweep::settings::{self, Section};
use crate::sweep::{Direction, Metric, Objective, Sweep};

/// Train and measure what a sweep file asks for and is not done yet.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep run sweeps/quickstart.toml\n  \
    effsweep run sweeps/quickstart.toml --workers 1 --threads 4\n  \
    effsweep run sweeps/quickstart.toml --no-measure --db /tmp/try.db\n  \
    effsweep run sweeps/quickstart.toml --settle 10\n\n\
    What is finished is never done again, whichever sweep asked for it. Ctrl-C stops: workers write checkpoints, and\n\
    the same command goes on from there.")]
pub(super) struct Arguments {
    /// The sweep file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Trials at a time; goes before `run.workers`.
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    workers: Option<usize>,
    /// Threads of each trial; goes before `run.threads`.
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    threads: Option<usize>,
    /// Memory of all trials together, MiB; goes before `run.memory_mib`.
    #[arg(long, value_name = "MIB", value_parser = at_least_one, allow_negative_numbers = true)]
    memory: Option<usize>,
    /// Let other runs work on the database at the same time, with their trials each.
    #[arg(long)]
    share: bool,
    /// Record signals after so many epochs, 0 before training: `0,5`; goes before `run.signals`.
    #[arg(long, value_name = "EPOCHS", value_delimiter = ',')]
    signals: Option<Vec<usize>>,
    /// Train and evaluate only.
    #[arg(long)]
    no_measure: bool,
    /// Then make up to this many observations more, another seed or another round of whatever would settle most of what
    /// the front leaves undecided.
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "no_measure", allow_negative_numbers = true)]
    settle: Option<usize>,
    /// Try again what was given up.
    #[arg(long)]
    retry_failed: bool,
    /// Show what would run, as `effsweep plan` does, and stop there.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count >= 1).ok_or_else(|| "a whole number from 1 is allowed".to_owned())
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let sweep = Sweep::load(&arguments.file)?;
    let signals = signals(arguments, &sweep)?;
    if arguments.dry_run {
        return super::plan::dry_run(&sweep, context);
    }
    let options = RunOptions {
        workers: arguments.workers,
        threads: arguments.threads,
        memory: arguments.memory.map(|mib| (mib as u64).saturating_mul(1 << 20)),
        share: arguments.share,
        rounds: None,
        settle: arguments.settle.unwrap_or(0),
        signals,
        retry_failed: arguments.retry_failed,
        phases: if arguments.no_measure { Phases::Train } else { Phases::All },
        ..RunOptions::default()
    };
    let mut progress = Progress::new(sweep.name(), &context.look);
    let run = Run::prepare(&sweep, &context.db, options)?;
    // Until the answers are written: a second Ctrl-C must not cut them off.
    let _caught = run.catch_signals()?;
    let ended = run.go(&mut |event| progress.on(&event))?;
    drop(progress);
    tell(&sweep, context)?;
    match ended {
        ended if ended.stopped => Err(Failure::silent(exit::INTERRUPTED)),
        ended if ended.failed + ended.refused > 0 => Err(Failure::silent(exit::FAILED)),
        _ => Ok(()),
    }
}

/// The moments of `--signals`, within what the sweep file's may be.
fn signals(arguments: &Arguments, sweep: &Sweep) -> Result<Option<Vec<usize>>, Failure> {
    let Some(signals) = arguments.signals.clone() else { return Ok(None) };
    let limits = settings::Run { signals: signals.clone(), ..settings::Run::default() }.limits();
    if let Some(limit) = limits.iter().find(|limit| !limit.holds) {
        return Err(Failure::user(format_args!("`--signals` takes {}", limit.allowed)));
    }
    let most = sweep.most_epochs();
    match signals.iter().find(|epochs| **epochs > most) {
        Some(beyond) => Err(Failure::user(format_args!(
            "`--signals` asks for {beyond} epochs, and no trial has so many; 0 to {most} is allowed"
        ))),
        None => Ok(Some(signals)),
    }
}

/// The table of results, the front's file, and what to try next.
fn tell(sweep: &Sweep, context: &Context) -> Result<(), Failure> {
    let store = Store::open(&context.db, Access::Read)?;
    let candidates = candidates(&store, sweep.name())?;
    let objectives = objectives_of(&store, sweep.name())?;
    let judgement = judge(&candidates, &objectives);
    let top1_first = [Objective { direction: Direction::Max, metric: Metric::Top1 }];
    let summary = Summary::new(Line::all(candidates, judgement.candidates), &top1_first);
    if summary.known() == 0 {
        context.look.say("no accuracy yet");
        return Ok(());
    }
    let metrics = [Metric::TrainImagesPerS, Metric::InferenceImagesPerS, Metric::Parameters, Metric::Macs];
    context.look.write(&summary.rows(&metrics), Format::Table, Some(summary.front()))?;
    let listed: Vec<String> = objectives.iter().map(ToString::to_string).collect();
    context.look.say(&format!(
        "\n{} {} of {} on the front over {}",
        FRONT_MARK,
        summary.members(),
        summary.known(),
        listed.join(", ")
    ));
    if let Some(certainty) = summary.certainty() {
        context.look.say(&certainty);
    }
    summary.say_what_lacks(&objectives, &context.look);
    let best = summary.best().unwrap_or_default();
    let path = write_front(&context.db, sweep.name(), &summary.front_only().exact())?;
    context.look.say(&format!("front: {}\ndatabase: {}", path.display(), context.db.display()));
    context.look.say(&hand::next(sweep.name(), &best, &context.db));
    Ok(())
}
