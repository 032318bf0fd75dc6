//! `run --settle`: makes the observations that decide most of what the front leaves undecided, one after another.

use super::candidate::candidates;
use super::error::RunError;
use super::judging::{Advice, judge};
use crate::store::{Key, Store};
use crate::sweep::{Metric, Objective, Sweep};

/// What is to be observed next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Of which configuration.
    pub configuration: Key,
    /// What.
    pub observation: Observation,
    /// The share of what is undecided that it is expected to settle.
    pub share: f64,
}

/// Something that a run can observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Observation {
    /// The accuracy of another seed.
    Seed,
    /// Another round of measurements.
    Round,
}

impl Observation {
    /// What tells more of that metric.
    pub fn of(metric: Metric) -> Self {
        match metric {
            Metric::TrainImagesPerS | Metric::InferenceImagesPerS => Self::Round,
            _ => Self::Seed,
        }
    }
}

/// What would settle most; `None` where nothing is undecided.
pub(super) fn next(store: &Store, sweep: &Sweep, objectives: &[Objective]) -> Result<Option<Step>, RunError> {
    let candidates = candidates(store, sweep.name())?;
    let judgement = judge(&candidates, objectives);
    let step = |advice: &Advice| {
        let candidate = candidates.get(advice.candidate)?;
        Some(Step {
            configuration: candidate.configuration,
            observation: Observation::of(advice.metric),
            share: advice.share,
        })
    };
    Ok(judgement.advice.first().and_then(step))
}
