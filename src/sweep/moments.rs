//! The moments at which signals are recorded, against the epochs that trials have.

use super::error::Fault;
use super::file::Fixed;
use super::grid::{Choice, Grid};
use super::rules::Include;
use super::settings::Setting;

/// The most epochs that a trial of the sweep may have; rules may leave fewer.
pub(super) fn most_epochs(grid: &Grid, fixed: &Fixed, includes: &[Include]) -> usize {
    let epochs = |choices: &[&Choice]| fixed.with(choices.iter().copied()).train.epochs;
    let axis = grid.axis_of(Setting::EPOCHS).map(|axis| grid.axes[axis].choices.as_slice());
    let of_axis = axis.unwrap_or_default().iter().map(|choice| epochs(&[choice]));
    let of_includes = includes.iter().map(|include| fixed.with(&include.choices).train.epochs);
    of_axis.chain(of_includes).fold(epochs(&[]), usize::max)
}

/// Whether no moment of `run.signals` lies beyond every trial's training.
pub(super) fn within_training(grid: &Grid, fixed: &Fixed, includes: &[Include]) -> Result<(), Fault> {
    let most = most_epochs(grid, fixed, includes);
    let Some(beyond) = fixed.with([]).run.signals.into_iter().find(|epochs| *epochs > most) else {
        return Ok(());
    };
    let fault = Fault::new(format!("signals after {beyond} epochs, and no trial has so many"))
        .allowed(format!("0 to {most}"));
    Err(match fixed.spans.get(&Setting::SIGNALS) {
        Some(span) => fault.at(span, Setting::SIGNALS.to_string()),
        None => fault,
    })
}
