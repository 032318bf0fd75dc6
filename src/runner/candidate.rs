//! What a sweep has to choose from: configurations at test resolutions, seeds averaged.
//!
//! A seed without an accuracy (still to come, diverged or failed) has no part in the averages; how many have one
//! is told beside them. A candidate without a value for an objective cannot be compared and is never on a front.

use std::collections::HashMap;

use super::register::Register;
use crate::analysis::interval::{Interval, mean, student, wilson};
use crate::store::{
    ConfigurationId, ConfigurationRow, Key, MeasureKind, RateRow, Rates, ResultRow, Store, StoreError,
    UNTUNED,
};
use crate::sweep::settings::Train;
use crate::sweep::{Metric, Settings};

/// A configuration at a test resolution, after a fine-tuning or none.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Key of the configuration.
    pub configuration: Key,
    /// Its settings.
    pub settings: Settings,
    /// Side of the test images, pixels.
    pub test_resolution: u32,
    /// Name of the fine-tuning before the test; [`UNTUNED`] is none.
    pub fine_tuning: String,
    /// Whether the test resolution breaks the alignment rule.
    pub aliased: bool,
    /// Its trials, whatever their states.
    pub trials: Vec<Key>,
    /// What those came to that have an accuracy here.
    pub seeds: Vec<OfSeed>,
    /// Mean accuracy.
    pub top1: Option<f64>,
    /// 95 %: Student's over seeds, or Wilson's over the test images of a single one.
    pub top1_interval: Option<Interval>,
    /// Mean share of test images whose class is among the first five guesses.
    pub top5: Option<f64>,
    /// Mean over seeds of the mean cross-entropy.
    pub test_loss: Option<f64>,
    /// Training steps, measured alone, less the share of time that fine-tuning took.
    pub train_images_per_s: Option<RateRow>,
    /// Inference at the test resolution, measured alone.
    pub inference_images_per_s: Option<RateRow>,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-accumulates of one image at the test resolution.
    pub macs: Option<u64>,
    /// Mean training time, fine-tuning counted, seconds.
    pub train_time_s: Option<f64>,
    /// Largest resident size of a worker, MiB.
    pub peak_memory_mib: Option<f64>,
}

/// What one seed came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfSeed {
    /// The seed.
    pub seed: u64,
    /// Its trial.
    pub trial: Key,
    /// Share of test images whose first guess is right.
    pub top1: f64,
    /// Share of test images whose class is among the first five guesses.
    pub top5: Option<f64>,
    /// Mean cross-entropy over the test images.
    pub test_loss: Option<f64>,
    /// Test images.
    pub test_images: Option<u32>,
    /// Training time, seconds.
    pub train_time_s: Option<f64>,
}

impl OfSeed {
    fn of(row: &ResultRow) -> Option<Self> {
        Some(Self {
            seed: row.seed,
            trial: row.trial_key,
            top1: row.top1?,
            top5: row.top5,
            test_loss: row.test_loss,
            test_images: row.test_images,
            train_time_s: row.train_time_s,
        })
    }

    /// Its value in that metric; `None` of one that does not depend on the seed.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Top1 => Some(self.top1),
            Metric::Top5 => self.top5,
            Metric::TestLoss => self.test_loss,
            Metric::TrainTimeS => self.train_time_s,
            Metric::TrainImagesPerS
            | Metric::InferenceImagesPerS
            | Metric::Parameters
            | Metric::Macs
            | Metric::PeakMemoryMib => None,
        }
    }
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
            fine_tuning: first.map_or_else(|| UNTUNED.to_owned(), |row| row.fine_tuning.clone()),
            aliased: first.is_some_and(|row| row.aliased),
            trials: rows.iter().map(|row| row.trial_key).collect(),
            seeds: rows.iter().filter_map(OfSeed::of).collect(),
            top1: mean(&top1),
            top1_interval: interval(rows, &top1),
            top5: mean(&each(|row| row.top5)),
            test_loss: mean(&each(|row| row.test_loss)),
            train_images_per_s: rate(rows),
            inference_images_per_s: first.and_then(|row| row.inference_images_per_s),
            parameters: configuration.parameters,
            macs,
            train_time_s: mean(&each(|row| row.train_time_s)),
            peak_memory_mib: each(|row| row.peak_memory_mib).into_iter().reduce(f64::max),
        }
    }
}

/// Everything that the sweep of that name asks for, in its order. Throughputs are those of one machine, the one that measured
/// the most of its configurations ([`Store::measuring_machines`]).
///
/// # Errors
/// [`StoreError::UnknownSweep`], or if the database cannot be read.
pub fn candidates(store: &Store, sweep: &str) -> Result<Vec<Candidate>, StoreError> {
    let (id, _) = store.sweep(sweep)?;
    let configurations = store.sweep_configurations(id)?;
    let mut groups: Vec<Vec<ResultRow>> = Vec::new();
    let mut group_of: HashMap<(ConfigurationId, u32, String), usize> = HashMap::new();
    let machines = store.measuring_machines(id)?;
    let rates = match machines.as_slice() {
        [most, _, ..] => Some(store.rates_on(most.id, id)?),
        _ => None,
    };
    for mut row in store.sweep_results(sweep)? {
        if let Some(rates) = &rates {
            on_one_machine(&mut row, &configurations, rates);
        }
        let key = (row.configuration_id, row.test_resolution, row.fine_tuning.clone());
        let group = *group_of.entry(key).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(rows) => rows.push(row),
            None => groups.push(vec![row]),
        }
    }
    let mut register = Register::default();
    let candidate = |rows: Vec<ResultRow>| {
        let first = rows.first()?;
        let configuration = configurations.get(&first.configuration_id)?;
        // Settings that a later version wrote are still shown, as far as this one knows them.
        let settings: Settings = serde_json::from_str(&configuration.settings).unwrap_or_default();
        let tested = Settings {
            train: Train { resolution: first.test_resolution as usize, ..settings.train.clone() },
            ..settings.clone()
        };
        let cost = register.count(&tested, configuration.classes as usize);
        let macs = cost.ok().map(|cost| cost.macs);
        Some(Candidate::of(&rows, configuration, settings, macs))
    };
    Ok(groups.into_iter().filter_map(candidate).collect())
}

/// A candidate for tests: those seeds' accuracies over a thousand images, and speeds known to 2 % either way.
#[cfg(test)]
pub(crate) fn fixture(key: u128, settings: Settings, top1: &[f64], images_per_s: Option<f64>) -> Candidate {
    let seeds = top1.iter().enumerate().map(|(seed, top1)| OfSeed {
        seed: seed as u64,
        trial: Key(key + seed as u128),
        top1: *top1,
        top5: None,
        test_loss: None,
        test_images: Some(1000),
        train_time_s: None,
    });
    let rate = images_per_s.map(|median| RateRow { median, low: 0.98 * median, high: 1.02 * median });
    Candidate {
        configuration: Key(key << 96),
        test_resolution: settings.train.resolution as u32,
        settings,
        fine_tuning: UNTUNED.to_owned(),
        aliased: false,
        trials: (0..top1.len()).map(|seed| Key(key + seed as u128)).collect(),
        seeds: seeds.collect(),
        top1: mean(top1),
        top1_interval: student(top1),
        top5: None,
        test_loss: None,
        train_images_per_s: rate,
        inference_images_per_s: rate,
        parameters: 1_000_000,
        macs: Some(5_000_000),
        train_time_s: None,
        peak_memory_mib: None,
    }
}

/// Puts the rates of one machine in place of those measured last on any.
fn on_one_machine(
    row: &mut ResultRow,
    configurations: &HashMap<ConfigurationId, ConfigurationRow>,
    rates: &Rates,
) {
    let of = |kind, resolution| rates.get(&(row.configuration_id, kind, resolution)).copied();
    let trained_at = configurations.get(&row.configuration_id).map_or(0, |one| one.train_resolution);
    let share = match (row.train_time_s, row.fine_tune_time_s) {
        (Some(all), Some(tuning)) if all > 0.0 => 1.0 - tuning / all,
        _ => 1.0,
    };
    row.train_images_per_s = of(MeasureKind::Train, trained_at).map(|rate| RateRow {
        median: rate.median * share,
        low: rate.low * share,
        high: rate.high * share,
    });
    row.inference_images_per_s = of(MeasureKind::Inference, row.test_resolution);
}

/// The configuration's training rate; the mean over seeds where fine-tuning lowered each by its own share.
fn rate(rows: &[ResultRow]) -> Option<RateRow> {
    let is_tuned = |row: &&ResultRow| row.fine_tuning != UNTUNED && row.top1.is_some();
    // Before there is an accuracy nobody knows the share.
    if !rows.iter().any(|row| is_tuned(&row)) {
        return rows.first().and_then(|row| row.train_images_per_s);
    }
    let tuned: Vec<RateRow> = rows.iter().filter(is_tuned).filter_map(|row| row.train_images_per_s).collect();
    let of = |end: fn(&RateRow) -> f64| mean(&tuned.iter().map(end).collect::<Vec<_>>());
    Some(RateRow { median: of(|rate| rate.median)?, low: of(|rate| rate.low)?, high: of(|rate| rate.high)? })
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
