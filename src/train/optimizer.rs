//! The optimizer over a whole network: one pair of state vectors a trained parameter.

use dfdx::tensor::{Cpu, Gradients};

use super::error::TrainError;
use crate::kernels::{Adam, RmsProp, Sgd};
use crate::model::Parameters;
use crate::ops::view_mut;
use crate::sweep::settings::{self, Train};

/// β₂ of Adam.
const ADAM_BETA2: f32 = 0.999;

#[derive(Debug, Clone, Copy)]
enum Rule {
    RmsProp(RmsProp),
    Sgd(Sgd),
    Adam(Adam),
}

/// A rule with its state.
#[derive(Debug, Clone)]
pub struct Optimizer {
    rule: Rule,
    weight_decay: f32,
    steps: u64,
    /// Parameters from the first that are left alone.
    frozen: usize,
    /// For each parameter two vectors, empty for what is not trained.
    state: Vec<[Vec<f32>; 2]>,
}

impl Optimizer {
    /// The optimizer of `train`, at its start.
    pub fn new(train: &Train, parameters: &Parameters) -> Self {
        Self::freezing(0, train, parameters)
    }

    /// As [`Self::new`], leaving so many parameters alone, counted from the first.
    pub(super) fn freezing(frozen: usize, train: &Train, parameters: &Parameters) -> Self {
        let (momentum, epsilon) = (train.momentum as f32, train.epsilon as f32);
        let rule = match train.optimizer {
            settings::Optimizer::RmsProp => {
                Rule::RmsProp(RmsProp { rho: train.mean_square_decay() as f32, momentum, epsilon })
            }
            settings::Optimizer::Sgd => Rule::Sgd(Sgd { momentum }),
            settings::Optimizer::Adam => Rule::Adam(Adam { beta1: momentum, beta2: ADAM_BETA2, epsilon }),
        };
        // TensorFlow's mean square starts at 1, which keeps the first steps small.
        let first = if matches!(rule, Rule::RmsProp(_)) { 1.0 } else { 0.0 };
        let state = parameters.iter().enumerate().map(|(index, (_, parameter))| {
            let length = if index >= frozen && parameter.role.is_trained() {
                parameter.shape.iter().product()
            } else {
                0
            };
            [vec![first; length], vec![0.0; length]]
        });
        Self { rule, weight_decay: train.weight_decay as f32, steps: 0, frozen, state: state.collect() }
    }

    /// Moves every trained parameter by its gradient.
    ///
    /// # Errors
    /// If a gradient that nobody wrote cannot be allocated.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: &mut Gradients<f32, Cpu>,
        lr: f32,
    ) -> Result<(), TrainError> {
        self.steps += 1;
        for ((_, parameter), [first, second]) in parameters.iter_mut().zip(&mut self.state).skip(self.frozen)
        {
            if !parameter.role.is_trained() {
                continue;
            }
            let decay = if parameter.role.is_decayed() { self.weight_decay } else { 0.0 };
            let gradient: &Vec<f32> = gradients.get_or_alloc_mut(&parameter.value)?;
            let p = view_mut(&mut parameter.value);
            match self.rule {
                Rule::RmsProp(rule) => rule.step(p, gradient, [first, second], lr, decay),
                Rule::Sgd(rule) => rule.step(p, gradient, [first, second], lr, decay),
                Rule::Adam(rule) => rule.step(p, gradient, [first, second], self.steps, lr, decay),
            }
        }
        Ok(())
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state vectors, in a fixed order.
    pub(super) fn state(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.state.iter().flatten()
    }

    /// Puts back what [`Self::state`] and [`Self::steps`] gave.
    pub(super) fn restore(&mut self, steps: u64, mut state: impl Iterator<Item = Vec<f32>>) {
        self.steps = steps;
        for vector in self.state.iter_mut().flatten() {
            if let Some(value) = state.next() {
                *vector = value;
            }
        }
    }
}
