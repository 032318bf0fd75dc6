//! One training step: forward, backward, update.

use dfdx::losses::cross_entropy_with_logits_loss;
use dfdx::tensor::{AsArray, NoneTape, Trace};
use dfdx::tensor_ops::Backward;
use rand_chacha::ChaCha8Rng;

use super::error::TrainError;
use super::optimizer::Optimizer;
use super::targets::largest;
use crate::model::{Cut, EfficientNet, Parameters, Pass, Recipe, Training};
use crate::ops::{Image, Storage, image, matrix, view};
use crate::sweep::settings::{Activations, Model, ProxyPlacement, Settings, Train};

/// A network that is being trained.
pub struct Trainee {
    /// Its structure.
    pub network: EfficientNet,
    /// Its numbers.
    pub parameters: Parameters,
    /// What moves them.
    pub optimizer: Optimizer,
    /// What comes before it is frozen.
    cut: Cut,
    batch_norm_decay: f32,
    storage: Storage,
    classes: usize,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Mean loss over the batch, before the update.
    pub loss: f32,
    /// Images whose largest target got the largest logit.
    pub top1_correct: usize,
}

/// The part of `[model]` that is not the network's shape.
pub fn recipe(model: &Model) -> Recipe {
    Recipe {
        norm: model.norm,
        norm_epsilon: model.norm_epsilon as f32,
        proxy_epsilon: model.proxy_epsilon as f32,
        delays_proxy_scale: model.proxy_placement == ProxyPlacement::Published,
        dropout: model.dropout_rate(),
        stochastic_depth: model.stochastic_depth,
        padding: model.padding,
    }
}

fn storage(activations: Activations) -> Storage {
    match activations {
        Activations::F32 => Storage::Full,
        Activations::Bf16 => Storage::Rounded,
        Activations::Recomputed => Storage::Recomputed,
    }
}

impl Trainee {
    /// A network of `settings` for that many classes, at its start.
    ///
    /// # Errors
    /// If the settings describe no network.
    pub fn new(settings: &Settings, classes: usize, seed: u64) -> Result<Self, TrainError> {
        let shape = settings.model.network(classes)?;
        let (network, parameters) = EfficientNet::new(&shape, &recipe(&settings.model), seed);
        let optimizer = Optimizer::new(&settings.train, &parameters);
        let batch_norm_decay = settings.model.batch_norm_decay as f32;
        let storage = storage(settings.train.activations);
        Ok(Self { network, parameters, optimizer, cut: Cut::Nothing, batch_norm_decay, storage, classes })
    }

    /// A network of `settings` with these parameters, to be trained as `train` says on what comes after `cut`.
    ///
    /// # Errors
    /// If the settings describe no network.
    pub(super) fn after(
        cut: Cut,
        settings: &Settings,
        train: &Train,
        classes: usize,
        parameters: Parameters,
    ) -> Result<Self, TrainError> {
        let fresh = Self::new(settings, classes, 0)?;
        let optimizer = Optimizer::freezing(EfficientNet::frozen(&parameters, cut), train, &parameters);
        Ok(Self { parameters, optimizer, cut, ..fresh })
    }

    /// Trains on `images (n, side, side, 3)` with `targets (n, classes)` at rate `lr`; what is dropped is drawn
    /// from `stream`. A loss that is not finite leaves the parameters alone.
    ///
    /// # Errors
    /// If the tape fails.
    ///
    /// # Panics
    /// If the vectors do not have these shapes.
    pub fn step(
        &mut self,
        images: Vec<f32>,
        targets: Vec<f32>,
        side: usize,
        lr: f64,
        stream: ChaCha8Rng,
    ) -> Result<Outcome, TrainError> {
        let n = targets.len() / self.classes;
        self.step_on(image(images, (n, side, side, 3)), targets, lr, stream)
    }

    /// As [`Self::step`], on what the frozen part made of the images.
    ///
    /// # Errors
    /// If the tape fails.
    pub(super) fn step_on(
        &mut self,
        features: Image<NoneTape>,
        targets: Vec<f32>,
        lr: f64,
        stream: ChaCha8Rng,
    ) -> Result<Outcome, TrainError> {
        let n = targets.len() / self.classes;
        let mut training = Training::new(stream).storing(self.storage);
        let mut pass = Pass::training(&self.parameters, &mut training);
        let logits = self.network.after(features.leaky_traced(), self.cut, &mut pass);
        let hits = largest(view(&logits), self.classes).zip(largest(&targets, self.classes));
        let top1_correct = hits.filter(|(got, wanted)| got == wanted).count();
        let loss = cross_entropy_with_logits_loss(logits, matrix(targets, (n, self.classes)));
        let outcome = Outcome { loss: loss.array(), top1_correct };
        if outcome.loss.is_finite() {
            let mut gradients = loss.try_backward()?;
            self.optimizer.step(&mut self.parameters, &mut gradients, lr as f32)?;
            training.update_running(&mut self.parameters, self.batch_norm_decay);
        }
        Ok(outcome)
    }
}
