//! The average of the weights that is evaluated.

use crate::kernels::blend;
use crate::model::Parameters;
use crate::ops::{view, view_mut};
use crate::sweep::settings::{Average, Train};

/// A network's averaged parameters, running statistics among them.
#[derive(Debug, Clone)]
pub struct Averages {
    kind: Average,
    decay: f64,
    updates: u64,
    parameters: Parameters,
}

impl Averages {
    /// The averages of `train` at the start of training.
    pub fn new(train: &Train, parameters: &Parameters) -> Self {
        Self { kind: train.average, decay: train.average_decay, updates: 0, parameters: parameters.clone() }
    }

    /// Takes in the parameters after a step.
    pub fn after_step(&mut self, parameters: &Parameters) {
        if self.kind == Average::Step {
            // TensorFlow's warm-up of the decay: early averages must not remember the initial weights.
            let warm = (1.0 + self.updates as f64) / (10.0 + self.updates as f64);
            self.update(parameters, self.decay.min(warm));
        }
    }

    /// Takes in the parameters at the end of an epoch.
    pub fn after_epoch(&mut self, parameters: &Parameters) {
        if self.kind == Average::Epoch {
            // The average starts with the first epoch's weights, not with the initial ones.
            self.update(parameters, if self.updates == 0 { 0.0 } else { self.decay });
        }
    }

    fn update(&mut self, parameters: &Parameters, decay: f64) {
        self.updates += 1;
        for ((_, average), (_, parameter)) in self.parameters.iter_mut().zip(parameters.iter()) {
            blend(view_mut(&mut average.value), view(&parameter.value), decay as f32);
        }
    }

    /// What is evaluated: the averages, or the parameters themselves without averaging.
    pub fn evaluated<'a>(&'a self, parameters: &'a Parameters) -> &'a Parameters {
        if self.kind == Average::None { parameters } else { &self.parameters }
    }

    pub(super) fn state(&self) -> (u64, &Parameters) {
        (self.updates, &self.parameters)
    }

    pub(super) fn restore(&mut self, updates: u64, values: impl Iterator<Item = Vec<f32>>) {
        self.updates = updates;
        self.parameters.restore(values);
    }
}
