//! `effsweep cancel`: ends a cluster's jobs.

use std::path::PathBuf;

use super::Context;
use super::collect::chosen;
use super::exit::Failure;
use crate::cluster::Slurm;

/// Cancel submitted jobs; what they came to stays and can be collected.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  effsweep cancel\n  effsweep cancel results/effsweep.jobs/quickstart-1")]
pub(super) struct Arguments {
    /// Job folders; all of the database's if there are none.
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut cancelled = 0;
    for folder in chosen(&arguments.folders, context)? {
        let ids = folder.slurm_ids()?;
        for id in [ids.measure, ids.array].into_iter().flatten() {
            let tasks = Slurm.queued(&id)?.len();
            if tasks > 0 {
                Slurm.cancel(&id)?;
                cancelled += tasks;
            }
        }
    }
    context.look.say(&match cancelled {
        0 => "nothing waits or runs".to_owned(),
        1 => "1 task cancelled".to_owned(),
        count => format!("{count} tasks cancelled"),
    });
    Ok(())
}
