//! `effsweep submit slurm`: what is left of a sweep, to a cluster.

use std::path::PathBuf;

use clap::Subcommand;

use super::Context;
use super::collect::tell;
use super::exit::Failure;
use super::run::at_least_one;
use crate::cluster::{ClusterError, Resources, Slurm, Submission, plan, submit};
use crate::report::number;
use crate::sweep::Sweep;

/// Hand what is left of a sweep to a cluster.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep submit slurm sweeps/quickstart.toml --partition cpu --time 2:00:00 --cpus 4 --mem 8G\n  \
    effsweep submit slurm --help")]
pub(super) struct Arguments {
    #[command(subcommand)]
    cluster: Cluster,
}

#[derive(Debug, Subcommand)]
enum Cluster {
    Slurm(Box<SlurmArguments>),
}

/// Submit what is left of a sweep as a Slurm job array.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep submit slurm sweeps/quickstart.toml --partition cpu --time 2:00:00 --cpus 4 --mem 8G\n  \
    effsweep submit slurm sweeps/quickstart.toml --dry-run\n  \
    effsweep submit slurm sweeps/quickstart.toml --sbatch=--constraint=avx512 --array-limit 20\n\n\
    Run it on a login node, in the folder that the sweep file's paths start from; database and images must lie where the\n\
    nodes see them. Earlier jobs are collected first. What is finished, or in Slurm's queue already, is not submitted:\n\
    the same command again submits what is missing. `effsweep collect` brings results home, docs/cluster.md tells the rest.")]
struct SlurmArguments {
    /// The sweep file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The partition; the cluster's default if absent.
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Longest time of a task, as Slurm writes it; a task that needs longer goes on in another one.
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Processors of a task; as many trials run at a time as have all their threads.
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    cpus: Option<usize>,
    /// Memory of a task, as Slurm writes it.
    #[arg(long, value_name = "SIZE")]
    mem: Option<String>,
    /// Generic resources of a task.
    #[arg(long, value_name = "LIST")]
    gres: Option<String>,
    /// Whom to charge.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Quality of service.
    #[arg(long, value_name = "NAME")]
    qos: Option<String>,
    /// Tasks at a time.
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    array_limit: Option<usize>,
    /// A further option of sbatch's, as it stands behind `#SBATCH`; may be given several times.
    #[arg(long = "sbatch", value_name = "OPTION", allow_hyphen_values = true)]
    further: Vec<String>,
    /// Submit no job that measures throughput.
    #[arg(long)]
    no_measure: bool,
    /// Try again what was given up.
    #[arg(long)]
    retry_failed: bool,
    /// Show the script and how trials are shared out, and submit nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let Cluster::Slurm(arguments) = &arguments.cluster;
    let sweep = Sweep::load(&arguments.file)?;
    let resources = Resources {
        partition: arguments.partition.clone(),
        time: arguments.time.clone(),
        cpus: arguments.cpus,
        mem: arguments.mem.clone(),
        gres: arguments.gres.clone(),
        account: arguments.account.clone(),
        qos: arguments.qos.clone(),
        array_limit: arguments.array_limit,
        further: arguments.further.clone(),
    };
    let wishes = (!arguments.no_measure, arguments.retry_failed);
    if arguments.dry_run {
        let planned = match plan(&sweep, &context.db, &resources, wishes, Some(Slurm)) {
            Err(ClusterError::NoSlurm { .. }) => plan(&sweep, &context.db, &resources, wishes, None)?,
            planned => planned?,
        };
        context.look.print(&planned.script)?;
        context.look.say(&format!("\n{}", told(&planned)));
        return Ok(());
    }
    let program = std::env::current_exe()?;
    let (collected, submission, folder) = submit(&sweep, &context.db, &resources, wishes, &program)?;
    if collected.shards > 0 {
        tell(&collected, context);
    }
    match folder {
        None => context.look.say(&format!("nothing to submit: {}", told(&submission))),
        Some(folder) => {
            let ids = folder.slurm_ids()?;
            context.look.say(&format!("{}\njob folder: {}", told(&submission), folder.path().display()));
            for (what, id) in [("array", ids.array), ("measuring", ids.measure)] {
                if let Some(id) = id {
                    context.look.say(&format!("Slurm's number of the {what}: {id}"));
                }
            }
        }
    }
    Ok(())
}

/// What a submission comes to, on a line.
fn told(submission: &Submission) -> String {
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut text = format!(
        "{} in {}",
        plural(submission.trials(), "trial"),
        plural(submission.tasks.len(), "array task")
    );
    if let Some(seconds) = submission.longest_s.filter(|seconds| *seconds > 0.0) {
        text += &format!(", the longest of about {}", number::duration(seconds));
    }
    if submission.queued > 0 {
        text += &format!("; {} in Slurm's queue already", plural(submission.queued, "trial"));
    }
    text
}
