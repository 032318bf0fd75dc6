//! `[train]`: how a network is trained, with the recipe of Masters et al. 2021 as far as it suits short runs.

use serde::{Deserialize, Serialize};

use super::limit::{Limit, limit, rate, share};
use super::{RESOLUTIONS, Section};

/// The `[train]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step. Usually a grid axis.
    pub batch_size: usize,
    /// Side of training images, pixels. The `train` half of the grid's `resolution`.
    pub resolution: usize,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Learning rate; `lr_per_image × batch_size` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Learning rate per image of the batch (2⁻¹⁴ in the paper).
    pub lr_per_image: f64,
    /// Momentum.
    pub momentum: f64,
    /// RMSProp's decay of the mean square; `1 − batch_size × 2⁻¹⁴` if absent, as in the paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmsprop_decay: Option<f64>,
    /// Epsilon of RMSProp (inside the square root, as in TensorFlow) or Adam.
    pub epsilon: f64,
    /// L2 in the gradient, but for affine vectors of norms.
    pub weight_decay: f64,
    /// Linear warm-up, epochs; may be a fraction.
    pub warmup_epochs: f64,
    /// How the rate falls after warm-up.
    pub schedule: Schedule,
    /// Factor of the exponential schedule (0.97 in the paper) every `decay_epochs`.
    pub decay_factor: f64,
    /// Epochs between two steps of the exponential schedule (2.4 in the paper).
    pub decay_epochs: f64,
    /// Which average of the weights is evaluated.
    pub average: Average,
    /// Decay of that average, per step or per epoch.
    pub average_decay: f64,
    /// Label smoothing; the off-value is `label_smoothing / (classes − 1)`.
    pub label_smoothing: f64,
    /// Mixup's Beta parameter; 0 is off.
    pub mixup: f64,
    /// Whether images grow, or change size, while it trains.
    pub resizing: Resizing,
    /// Smallest side of a training with `resizing`, pixels; half of `resolution` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_from: Option<usize>,
    /// Share of the batches that CutMix cuts (none for B0 in the paper, 0.49 for B1, 0.565 for B2 and B3).
    pub cutmix: f64,
    /// How the expanded activations of blocks are kept from the way through to the way back.
    pub activations: Activations,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 64,
            resolution: 32,
            optimizer: Optimizer::RmsProp,
            lr: None,
            lr_per_image: PAPER_RATE_PER_IMAGE,
            momentum: 0.9,
            rmsprop_decay: None,
            epsilon: 1e-3,
            weight_decay: 1e-5,
            warmup_epochs: 0.5,
            schedule: Schedule::Cosine,
            decay_factor: 0.97,
            decay_epochs: 2.4,
            average: Average::Step,
            average_decay: 0.995,
            label_smoothing: 0.1,
            mixup: 0.0,
            cutmix: 0.0,
            resizing: Resizing::None,
            resize_from: None,
            activations: Activations::F32,
        }
    }
}

impl Section for Train {
    const NAME: &'static str = "train";

    fn limits(&self) -> Vec<Limit> {
        vec![
            limit("epochs", self.epochs >= 1, "at least 1"),
            limit("batch_size", self.batch_size >= 1, "at least 1"),
            limit("resolution", RESOLUTIONS.contains(&self.resolution), "8 to 4096 pixels"),
            limit("lr", self.lr.is_none_or(|lr| lr > 0.0), "above 0"),
            limit("lr_per_image", self.lr_per_image > 0.0, "above 0"),
            limit("momentum", rate(self.momentum), "at least 0 and below 1"),
            limit("rmsprop_decay", self.rmsprop_decay.is_none_or(rate), "at least 0 and below 1"),
            limit("epsilon", self.epsilon > 0.0, "above 0"),
            limit("weight_decay", self.weight_decay >= 0.0, "at least 0"),
            limit("warmup_epochs", self.warmup_epochs >= 0.0, "at least 0"),
            limit("decay_factor", share(self.decay_factor) || self.decay_factor == 1.0, "above 0, at most 1"),
            limit("decay_epochs", self.decay_epochs > 0.0, "above 0"),
            limit("average_decay", rate(self.average_decay), "at least 0 and below 1"),
            limit("label_smoothing", rate(self.label_smoothing), "at least 0 and below 1"),
            limit("mixup", self.mixup >= 0.0, "at least 0"),
            limit(
                "resize_from",
                self.resize_from.is_none_or(|side| RESOLUTIONS.contains(&side)),
                "8 to 4096 pixels",
            ),
            limit("cutmix", (0.0..=1.0).contains(&self.cutmix), "0 to 1"),
        ]
    }
}

/// The paper's rate and RMSProp decay per image of the batch, 2⁻¹⁴.
const PAPER_RATE_PER_IMAGE: f64 = 1.0 / 16384.0;

impl Train {
    /// The peak learning rate.
    pub fn peak_rate(&self) -> f64 {
        self.lr.unwrap_or(self.lr_per_image * self.batch_size as f64)
    }

    /// Sides of its images in ascending order, for a network with that many stride-2 layers: `resolution`, and with
    /// `resizing` the smaller ones that keep its sampling grids.
    pub fn sides(&self, halvings: u32) -> Vec<usize> {
        let step = 1usize << halvings;
        let least = self.resize_from.unwrap_or(self.resolution.div_ceil(2)).max(step + 1);
        let smaller = match self.resizing {
            Resizing::None => 0,
            Resizing::Progressive | Resizing::Mixed => self.resolution.saturating_sub(least) / step,
        };
        (0..=smaller).rev().map(|steps| self.resolution - steps * step).collect()
    }

    /// RMSProp's decay of the mean square.
    pub fn mean_square_decay(&self) -> f64 {
        self.rmsprop_decay.unwrap_or((1.0 - self.batch_size as f64 * PAPER_RATE_PER_IMAGE).max(0.0))
    }
}

/// Optimizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// RMSProp with momentum, in TensorFlow's form.
    RmsProp,
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam.
    Adam,
}

/// Learning-rate schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Staircase of `decay_factor` every `decay_epochs`.
    Exponential,
    /// Half a cosine to zero.
    Cosine,
    /// No fall.
    Constant,
}

/// How images change size in the course of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resizing {
    /// Not at all.
    None,
    /// From the smallest side to `resolution`, as many epochs at each (Howard 2018).
    Progressive,
    /// Every step at a side of its own, drawn evenly (Hoffer et al. 2019).
    Mixed,
}

/// How the expanded activations of blocks, most of what a training step holds, are kept for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activations {
    /// As they are.
    F32,
    /// Rounded to bfloat16: half the memory, and gradients that know of them to 8 bits.
    Bf16,
    /// Not kept but computed again: the least memory, more time, the same results.
    Recomputed,
}

/// Weight averages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// The last weights.
    None,
    /// Exponential average over steps, its decay warmed up as in TensorFlow: `min(decay, (1 + t) / (10 + t))`.
    Step,
    /// Exponential average over epoch ends (the paper's, with 0.97).
    Epoch,
}
