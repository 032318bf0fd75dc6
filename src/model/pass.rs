//! One pass through a network: with which numbers, and whether for training.

use std::collections::HashMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::parameters::{ParameterId, Parameters};
use super::signals::Signals;
use crate::ops::{Moments, ProxyMoments, Storage};

/// What a layer needs to know of the pass it is part of.
pub struct Pass<'a> {
    /// The numbers to run with.
    pub parameters: &'a Parameters,
    /// Present in training: randomness in, batch statistics out.
    pub training: Option<&'a mut Training>,
    /// Present where signals are recorded.
    pub(super) signals: Option<&'a mut Signals>,
    /// In evaluation, the proxy moments of the layers passed so far, by their gains: functions of the parameters
    /// alone, and so the same for every batch.
    pub(super) moments: Option<HashMap<ParameterId, ProxyMoments>>,
}

impl<'a> Pass<'a> {
    /// A pass for evaluation: running statistics, nothing dropped. It may take one batch after another.
    pub fn evaluation(parameters: &'a Parameters) -> Self {
        Self { parameters, training: None, signals: None, moments: Some(HashMap::new()) }
    }

    /// A pass for training.
    pub fn training(parameters: &'a Parameters, training: &'a mut Training) -> Self {
        Self { parameters, training: Some(training), signals: None, moments: None }
    }

    /// A pass that records what every norm sends on: batch norm with the statistics of this batch, as in
    /// training, but nothing dropped, and nothing left behind but the signals.
    pub fn recording(parameters: &'a Parameters, signals: &'a mut Signals) -> Self {
        Self { parameters, training: None, signals: Some(signals), moments: None }
    }
}

/// A training pass's randomness, and the batch statistics it leaves behind.
pub struct Training {
    stream: ChaCha8Rng,
    /// How the expanded activations of its blocks wait for the way back.
    pub(super) storage: Storage,
    observed: Vec<Observed>,
}

/// Batch statistics of one batch norm.
struct Observed {
    mean: ParameterId,
    variance: ParameterId,
    moments: Moments,
    /// Values each statistic was taken over.
    count: usize,
}

impl Training {
    /// A pass that draws from `stream`.
    pub fn new(stream: ChaCha8Rng) -> Self {
        Self { stream, storage: Storage::default(), observed: Vec::new() }
    }

    /// The same, with expanded activations kept like that.
    pub fn storing(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// `count` factors that are 0 with probability `rate` and `1 / (1 − rate)` otherwise.
    pub(super) fn drop_factors(&mut self, count: usize, rate: f64) -> Vec<f32> {
        let kept = (1.0 / (1.0 - rate)) as f32;
        (0..count).map(|_| if self.stream.random::<f64>() < rate { 0.0 } else { kept }).collect()
    }

    pub(super) fn observe(
        &mut self,
        mean: ParameterId,
        variance: ParameterId,
        moments: Moments,
        count: usize,
    ) {
        self.observed.push(Observed { mean, variance, moments, count });
    }

    /// Moves running statistics towards this pass's: `running = decay · running + (1 − decay) · batch`, the
    /// variance with Bessel's correction (as PyTorch's and TensorFlow's fused batch norms do).
    pub fn update_running(self, parameters: &mut Parameters, decay: f32) {
        for observed in self.observed {
            let bessel = observed.count as f32 / (observed.count.max(2) - 1) as f32;
            let blend = |running: &[f32], batch: &[f32], scale: f32| -> Vec<f32> {
                running.iter().zip(batch).map(|(r, b)| decay * r + (1.0 - decay) * scale * b).collect()
            };
            let mean = blend(parameters.slice(observed.mean), &observed.moments.mean, 1.0);
            let variance = blend(parameters.slice(observed.variance), &observed.moments.var, bessel);
            parameters.replace(observed.mean, mean);
            parameters.replace(observed.variance, variance);
        }
    }
}
