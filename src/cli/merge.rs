//! `effsweep merge`: what other databases know, into this one.

use std::path::PathBuf;

use super::Context;
use super::collect::exceptions;
use super::exit::Failure;
use crate::runner::{Files, merge};
use crate::store::{Access, Store};

/// Bring the trials of other databases into this one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  effsweep merge other/results/effsweep.db\n  \
    effsweep merge laptop.db workstation.db --db results/all.db\n\n\
    Trials with one key are one trial: doing so again changes nothing, and what is here already stays. Measurements keep their\n\
    machines; throughputs of different machines are not compared.")]
pub(super) struct Arguments {
    /// The other databases.
    #[arg(value_name = "OTHER", required = true)]
    others: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    for other in &arguments.others {
        if other.canonicalize().ok().is_some_and(|path| context.db.canonicalize().ok() == Some(path)) {
            return Err(Failure::user(format_args!("{} is this database itself", other.display())));
        }
        drop(Store::open(other, Access::Read)?);
    }
    let mut store = Store::open(&context.db, Access::Write)?;
    for other in &arguments.others {
        let merged = merge(&mut store, other, &Files::of(other))?;
        context.look.say(&format!(
            "from {}: {} trials, {} further accuracies, {} measurements, {} files of weights",
            other.display(),
            merged.copied.trials,
            merged.copied.accuracies,
            merged.copied.measurements,
            merged.weights
        ));
        exceptions(merged.without_weights, &merged.copied.conflicts, context);
    }
    Ok(())
}
