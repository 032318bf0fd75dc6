//! Which weights stay when a run has ended: `run.keep`.

use std::collections::HashSet;

use super::error::RunError;
use super::files::Files;
use crate::analysis::pareto::{Direction, front};
use crate::store::{ConfigurationId, Store, SweepId};
use crate::sweep::{self, Objective, Sweep};

/// Removes the weights of the sweep's trials that are not on its Pareto front. Returns how many. Where no
/// configuration has all objectives, nobody knows the front and all weights stay; so do those that another sweep
/// asks for.
pub(super) fn keep_front(
    store: &mut Store,
    id: SweepId,
    sweep: &Sweep,
    files: &Files,
) -> Result<usize, RunError> {
    let members = members(store, id, sweep.objectives())?;
    if members.is_empty() {
        return Ok(0);
    }
    let mut removed = 0;
    for (trial, key, configuration) in store.kept_weights(id)? {
        if !members.contains(&configuration) {
            // First the row: a path to nothing would be a lie, a file that nobody names is not.
            store.forget_weights(trial)?;
            files.remove_weights(key).map_err(|source| RunError::File {
                doing: "remove the weights",
                path: files.weights(key),
                source,
            })?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Configurations that are on the front at one of their test resolutions.
fn members(
    store: &Store,
    id: SweepId,
    objectives: &[Objective],
) -> Result<HashSet<ConfigurationId>, RunError> {
    let columns: Vec<&str> = objectives.iter().map(|objective| objective.metric.name()).collect();
    let directions: Vec<Direction> = objectives.iter().map(direction).collect();
    let (configurations, values): (Vec<_>, Vec<_>) = store.mean_results(id, &columns)?.into_iter().unzip();
    let on_front = front(&values, &directions);
    Ok(configurations.into_iter().zip(on_front).filter(|(_, on)| *on).map(|(id, _)| id).collect())
}

fn direction(objective: &Objective) -> Direction {
    match objective.direction {
        sweep::Direction::Max => Direction::Maximize,
        sweep::Direction::Min => Direction::Minimize,
    }
}
