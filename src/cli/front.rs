//! What a sweep has to choose from, and which of it is best: configurations at test resolutions, seeds averaged.
//!
//! A seed without an accuracy (still to come, diverged or failed) has no part in the averages; how many have one
//! is told beside them. A candidate without a value for an objective cannot be compared and is never on a front.

use std::collections::HashMap;

use super::costs::Costs;
use crate::analysis::interval::{Interval, mean, student, wilson};
use crate::analysis::pareto;
use crate::store::{ConfigurationId, ConfigurationRow, Key, RateRow, ResultRow, Store, StoreError};
use crate::sweep::{Direction, Metric, Objective, Settings};

/// A configuration at a test resolution.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Key of the configuration.
    pub configuration: Key,
    /// Its settings.
    pub settings: Settings,
    /// Side of the test images, pixels.
    pub test_resolution: u32,
    /// Whether that breaks the alignment rule.
    pub aliased: bool,
    /// Its trials, whatever their states.
    pub trials: Vec<Key>,
    /// How many of them have an accuracy here.
    pub seeds: usize,
    /// Mean accuracy.
    pub top1: Option<f64>,
    /// 95 %: Student's over seeds, or Wilson's over the test images of a single one.
    pub top1_interval: Option<Interval>,
    /// Mean share of test images whose class is among the first five guesses.
    pub top5: Option<f64>,
    /// Mean over seeds of the mean cross-entropy.
    pub test_loss: Option<f64>,
    /// Training steps, measured alone.
    pub train_images_per_s: Option<RateRow>,
    /// Inference at the test resolution, measured alone.
    pub inference_images_per_s: Option<RateRow>,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-accumulates of one image at the test resolution.
    pub macs: Option<u64>,
    /// Mean training time, seconds.
    pub train_time_s: Option<f64>,
    /// Largest resident size of a worker, MiB.
    pub peak_memory_mib: Option<f64>,
}

impl Candidate {
    /// Its value in that metric.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Top1 => self.top1,
            Metric::Top5 => self.top5,
            Metric::TestLoss => self.test_loss,
            Metric::TrainImagesPerS => self.train_images_per_s.map(|rate| rate.median),
            Metric::InferenceImagesPerS => self.inference_images_per_s.map(|rate| rate.median),
            Metric::Parameters => Some(self.parameters as f64),
            Metric::Macs => self.macs.map(|macs| macs as f64),
            Metric::TrainTimeS => self.train_time_s,
            Metric::PeakMemoryMib => self.peak_memory_mib,
        }
    }

    fn of(
        rows: &[ResultRow],
        configuration: &ConfigurationRow,
        settings: Settings,
        macs: Option<u64>,
    ) -> Self {
        let each = |value: fn(&ResultRow) -> Option<f64>| rows.iter().filter_map(value).collect::<Vec<_>>();
        let top1 = each(|row| row.top1);
        let first = rows.first();
        Self {
            configuration: configuration.key,
            settings,
            test_resolution: first.map_or(0, |row| row.test_resolution),
            aliased: first.is_some_and(|row| row.aliased),
            trials: rows.iter().map(|row| row.trial_key).collect(),
            seeds: top1.len(),
            top1: mean(&top1),
            top1_interval: interval(rows, &top1),
            top5: mean(&each(|row| row.top5)),
            test_loss: mean(&each(|row| row.test_loss)),
            train_images_per_s: first.and_then(|row| row.train_images_per_s),
            inference_images_per_s: first.and_then(|row| row.inference_images_per_s),
            parameters: configuration.parameters,
            macs,
            train_time_s: mean(&each(|row| row.train_time_s)),
            peak_memory_mib: each(|row| row.peak_memory_mib).into_iter().reduce(f64::max),
        }
    }
}

/// Everything that the sweep of that name asks for, in its order.
///
/// # Errors
/// [`StoreError::UnknownSweep`], or if the database cannot be read.
pub fn candidates(store: &Store, sweep: &str) -> Result<Vec<Candidate>, StoreError> {
    let (id, _) = store.sweep(sweep)?;
    let configurations = store.sweep_configurations(id)?;
    let mut groups: Vec<Vec<ResultRow>> = Vec::new();
    let mut group_of: HashMap<(ConfigurationId, u32), usize> = HashMap::new();
    for row in store.sweep_results(sweep)? {
        let group = *group_of.entry((row.configuration_id, row.test_resolution)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(rows) => rows.push(row),
            None => groups.push(vec![row]),
        }
    }
    let mut costs = Costs::default();
    let candidate = |rows: Vec<ResultRow>| {
        let first = rows.first()?;
        let configuration = configurations.get(&first.configuration_id)?;
        // Settings that a later version wrote are still shown, as far as this one knows them.
        let settings: Settings = serde_json::from_str(&configuration.settings).unwrap_or_default();
        let cost = costs.of(&settings.model, configuration.classes as usize, first.test_resolution as usize);
        let macs = cost.ok().map(|cost| cost.macs);
        Some(Candidate::of(&rows, configuration, settings, macs))
    };
    Ok(groups.into_iter().filter_map(candidate).collect())
}

/// Whether each candidate is on the front over `objectives`.
pub fn front(candidates: &[Candidate], objectives: &[Objective]) -> Vec<bool> {
    let directions: Vec<_> = objectives
        .iter()
        .map(|objective| match objective.direction {
            Direction::Max => pareto::Direction::Maximize,
            Direction::Min => pareto::Direction::Minimize,
        })
        .collect();
    let value =
        |candidate: &Candidate, objective: &Objective| candidate.metric(objective.metric).unwrap_or(f64::NAN);
    let points: Vec<Vec<f64>> = candidates
        .iter()
        .map(|candidate| objectives.iter().map(|objective| value(candidate, objective)).collect())
        .collect();
    pareto::front(&points, &directions)
}

/// How sure a mean accuracy is.
fn interval(rows: &[ResultRow], top1: &[f64]) -> Option<Interval> {
    if top1.len() > 1 {
        let Interval { low, high } = student(top1)?;
        return Some(Interval { low: low.max(0.0), high: high.min(1.0) });
    }
    let (top1, images) = rows.iter().find_map(|row| row.top1.zip(row.test_images))?;
    wilson((top1 * f64::from(images)).round() as u64, images.into())
}
