//! `effsweep work`: one task of a cluster's job, on the node that runs it.

use std::path::PathBuf;

use super::Context;
use super::exit::{self, Failure};
use super::progress::Progress;
use crate::cluster::{JobFolder, Part, work};

/// Work through one task of a job that `submit` made; the job's own script calls this.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  effsweep work --job results/effsweep.jobs/quickstart-1 --task 3\n\n\
    Results go to the job's folder, a whole database of the task's own; `effsweep collect` merges them.")]
pub(super) struct Arguments {
    /// The job's folder.
    #[arg(long, value_name = "DIR")]
    job: PathBuf,
    /// Number of the array's task.
    #[arg(long, value_name = "N", required_unless_present = "measure")]
    task: Option<usize>,
    /// Measure what the job trained, alone on this node.
    #[arg(long, conflicts_with = "task")]
    measure: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let folder = JobFolder::at(&arguments.job);
    let part = match arguments.task {
        Some(number) => Part::Task(number),
        None => Part::Measure,
    };
    let mut progress = Progress::new(&folder.job()?.sweep, &context.look);
    let worked = work(&folder, part, &std::env::current_exe()?, &mut |event| progress.on(event))?;
    drop(progress);
    if worked.requeued {
        context.look.say("Slurm wants the node back: the task waits for another one");
    }
    match worked.summary {
        ended if ended.stopped => Err(Failure::silent(exit::INTERRUPTED)),
        ended if ended.failed + ended.refused > 0 => Err(Failure::silent(exit::FAILED)),
        _ => Ok(()),
    }
}
