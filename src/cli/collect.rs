//! `effsweep collect`: what a cluster's jobs came to, into the database.

use std::path::PathBuf;

use super::Context;
use super::exit::Failure;
use super::summary::short;
use crate::cluster::{Collected, JobFolder, Jobs, collect};
use crate::store::Key;

/// Bring the results of submitted jobs into the database.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  effsweep collect\n  effsweep collect results/effsweep.jobs/quickstart-1\n\n\
    At any time, also while jobs run, and as often as you like: what is there already stays. A trial that came out otherwise\n\
    here and there is told, and the result here stays."
)]
pub(super) struct Arguments {
    /// Job folders; all of the database's if there are none.
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let folders = chosen(&arguments.folders, context)?;
    if folders.is_empty() {
        context.look.say(&format!("{} has no jobs; `effsweep submit` makes some", context.db.display()));
        return Ok(());
    }
    let mut collected = Collected::default();
    for folder in &folders {
        collected.add(collect(&context.db, folder)?);
    }
    tell(&collected, context);
    Ok(())
}

/// The job folders that are named, or all of the database's.
pub(super) fn chosen(named: &[PathBuf], context: &Context) -> Result<Vec<JobFolder>, Failure> {
    if named.is_empty() {
        return Ok(Jobs::of(&context.db).list()?);
    }
    Ok(named.iter().map(|path| JobFolder::at(path)).collect())
}

/// Says what came home.
pub(super) fn tell(collected: &Collected, context: &Context) {
    let Collected { shards, trials, accuracies, measurements, weights, .. } = collected;
    context.look.say(&format!(
        "from {shards} shards: {trials} trials, {accuracies} further accuracies, {measurements} measurements, {weights} files \
         of weights",
    ));
    exceptions(collected.without_weights, &collected.conflicts, context);
    for shard in &collected.unreadable {
        context.look.say(&format!("passed over, as it cannot be read: {}", shard.display()));
    }
}

/// Says which trials did not come as they should have.
pub(super) fn exceptions(without_weights: usize, conflicts: &[Key], context: &Context) {
    if without_weights > 0 {
        context
            .look
            .say(&format!("{without_weights} trials came without weights: those are not there, or damaged"));
    }
    if !conflicts.is_empty() {
        let keys: Vec<String> = conflicts.iter().map(|key| short(&key.to_string())).collect();
        context.look.say(&format!(
            "{} trials came out otherwise than here, and stay as they are here: {}",
            keys.len(),
            keys.join(", ")
        ));
    }
}
