//! `effsweep retry`: plans again what was given up.

use super::Context;
use super::choice::{Choosing, confirm, open};
use super::exit::Failure;
use crate::store::TrialState;

/// Plan trials again that failed, and measurements of a sweep that were given up.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    effsweep retry\n  \
    effsweep retry --sweep quickstart --cause oom --yes\n  \
    effsweep retry --state diverged 3f9c21ab\n\n\
    Without conditions, every failed trial is meant. The next `effsweep run` of a sweep that asks for them does them, one\n\
    that is at work when it is through with the rest.")]
pub(super) struct Arguments {
    #[command(flatten)]
    choosing: Choosing,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut store = open(context)?;
    let mut chosen = arguments.choosing.trials(&store, &[TrialState::Failed])?;
    chosen.retain(|trial| matches!(trial.state, TrialState::Failed | TrialState::Diverged));
    let mut said = Vec::new();
    if !chosen.is_empty() {
        if !confirm("plan again", &chosen, arguments.yes, context)? {
            return Ok(());
        }
        let ids: Vec<_> = chosen.iter().map(|trial| trial.id).collect();
        said.push(format!("{} trials are planned again", store.replan(&ids)?));
    }
    if let Some(name) = &arguments.choosing.sweep {
        let (sweep, _) = store.sweep(name)?;
        let measurements = store.replan_measurements(sweep)?;
        if measurements > 0 {
            said.push(format!("{measurements} configurations will be measured again"));
        }
    }
    if said.is_empty() {
        said.push("no such trial failed".to_owned());
    }
    context.look.say(&said.join("; "));
    Ok(())
}
