//! `effsweep forget`: trials as if they had never been tried.

use super::Context;
use super::choice::{Choosing, agreed, open};
use super::exit::Failure;
use crate::runner::forget;
use crate::store::{Company, RunLock};

/// Remove trials' results, weights and checkpoints.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep forget --orphaned\n  \
    effsweep forget 3f9c21ab 51d0\n  \
    effsweep forget --sweep quickstart --state finished --yes\n\n\
    Trials that a sweep asks for are planned again; others are gone, and their configurations and measurements with the\n\
    last of them. `effsweep archive` keeps a copy.")]
pub(super) struct Arguments {
    #[command(flatten)]
    choosing: Choosing,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    if arguments.choosing.is_empty() {
        let failure = Failure::user("say which trials: all of them would be meant");
        return Err(failure.hint("`effsweep forget --orphaned` means those that no sweep asks for"));
    }
    let mut store = open(context)?;
    let _lock = RunLock::acquire(&context.db, Company::Alone)?;
    let chosen = agreed("forget", &arguments.choosing, arguments.yes, &store, context)?;
    if chosen.is_empty() {
        return Ok(());
    }
    let forgotten = forget(&mut store, &chosen)?;
    context.look.say(&format!(
        "{} trials are planned again without results; {} are gone, and {} configurations with them",
        forgotten.planned, forgotten.removed, forgotten.configurations
    ));
    Ok(())
}
