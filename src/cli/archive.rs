//! `effsweep archive`: trials from this database into another.

use std::path::PathBuf;

use super::Context;
use super::choice::{Choosing, agreed, open};
use super::exit::Failure;
use crate::runner::archive;
use crate::store::{Company, RunLock};

/// Move trials, or a whole sweep, to another database, with their weights.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep archive results/2026.db --sweep quickstart\n  \
    effsweep archive results/2026.db --orphaned --yes\n\n\
    The other database is made if it is not there; what it has already stays. With `--sweep` the sweep itself moves, too.\n\
    Trials that a sweep which stays asks for are copied and stay.")]
pub(super) struct Arguments {
    /// The database to move them to.
    #[arg(value_name = "TO")]
    target: PathBuf,
    #[command(flatten)]
    choosing: Choosing,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    if arguments.choosing.is_empty() {
        let failure = Failure::user("say which trials: all of them would be meant");
        return Err(failure.hint("`--sweep NAME` means a whole sweep, `--orphaned` what no sweep asks for"));
    }
    let mut store = open(context)?;
    if store.path().canonicalize().ok() == arguments.target.canonicalize().ok() {
        return Err(Failure::user(format_args!("{} is this database itself", arguments.target.display())));
    }
    let _lock = RunLock::acquire(&context.db, Company::Alone)?;
    let chosen = agreed("archive", &arguments.choosing, arguments.yes, &store, context)?;
    if chosen.is_empty() {
        return Ok(());
    }
    let sweep = arguments.choosing.sweep.as_deref().map(|name| store.sweep(name)).transpose()?;
    let archived = archive(&mut store, &chosen, sweep.map(|(id, _)| id), &arguments.target)?;
    let target = arguments.target.display();
    context.look.say(&format!(
        "{} trials, {} files of weights and {} measurements are in {target}; {} trials are gone from {}",
        archived.copied.trials,
        archived.weights,
        archived.copied.measurements,
        archived.forgotten.removed,
        context.db.display(),
    ));
    let exceptions = [
        (archived.copied.kept, "had a result there already, which stays"),
        (archived.copied.conflicts.len(), "came out otherwise there than here"),
        (archived.without_weights, "went without weights: those are not there, or damaged"),
    ];
    for (count, what) in exceptions.into_iter().filter(|(count, _)| *count > 0) {
        context.look.say(&format!("{count} trials {what}"));
    }
    Ok(())
}
