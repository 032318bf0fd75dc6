//! `effsweep measure`: throughput of what is trained, alone on the machine, as often as asked.

use std::path::PathBuf;

use super::Context;
use super::exit::{self, Failure};
use super::progress::Progress;
use crate::runner::{Phases, Run, RunOptions};
use crate::sweep::Sweep;

/// Measure the throughput of what a sweep has trained.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep measure sweeps/quickstart.toml\n  \
    effsweep measure sweeps/quickstart.toml --rounds 5\n\n\
    `effsweep run` does this when training is done. Rounds that are there are not taken again: more of them make\n\
    intervals that say how much the machine changes between one and the next.")]
pub(super) struct Arguments {
    /// The sweep file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Rounds that each configuration is to have; goes before `measure.rounds`.
    #[arg(long, value_name = "N", value_parser = super::run::at_least_one, allow_negative_numbers = true)]
    rounds: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let sweep = Sweep::load(&arguments.file)?;
    let options = RunOptions { rounds: arguments.rounds, phases: Phases::Measure, ..RunOptions::default() };
    let mut progress = Progress::new(sweep.name(), &context.look);
    let run = Run::prepare(&sweep, &context.db, options)?;
    let _caught = run.catch_signals()?;
    let ended = run.go(&mut |event| progress.on(&event))?;
    drop(progress);
    match ended {
        ended if ended.stopped => Err(Failure::silent(exit::INTERRUPTED)),
        ended if ended.unmeasured > 0 => Err(Failure::silent(exit::FAILED)),
        _ => Ok(()),
    }
}
