//! Which weights stay when a run has ended: `run.keep`.

use std::collections::HashSet;

use super::candidate::candidates;
use super::error::RunError;
use super::files::Files;
use super::judging::front;
use crate::store::{Key, Store, SweepId};
use crate::sweep::Sweep;

/// Removes the weights of the sweep's trials that are not on its Pareto front. Returns how many. Where no
/// configuration has all objectives, nobody knows the front and all weights stay; so do those that another sweep
/// asks for.
pub(super) fn keep_front(
    store: &mut Store,
    id: SweepId,
    sweep: &Sweep,
    files: &Files,
) -> Result<usize, RunError> {
    let candidates = candidates(store, sweep.name())?;
    let on_front = front(&candidates, sweep.objectives());
    let members = candidates.iter().zip(on_front).filter(|(_, member)| *member);
    let members: HashSet<Key> = members.flat_map(|(candidate, _)| candidate.trials.iter().copied()).collect();
    if members.is_empty() {
        return Ok(0);
    }
    let mut removed = 0;
    for (trial, key) in store.kept_weights(id)? {
        if !members.contains(&key) {
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
