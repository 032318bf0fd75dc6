//! `[fine_tune]`: the short training at a test resolution before testing there. Never part of a trial's key: it says
//! what is asked of a trained network.
//!
//! The recipe is the one of Graphcore's PyTorch port, the self-consistent one of their two: from the averaged weights,
//! SGD without momentum, a cosine to zero, images as in evaluation, no Mixup.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Section;
use super::limit::{Limit, limit};

/// The `[fine_tune]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FineTune {
    /// Parts that are trained on, one accuracy each at every test resolution: `none`, `head`, `top` (the paper's),
    /// `blocks.N` and what follows, `all`.
    pub trained: Vec<Part>,
    /// Passes over the training images (2 in the paper).
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Learning rate at the start of the cosine; `lr_per_image × batch_size` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Learning rate per image of the batch (2⁻¹¹ in the paper).
    pub lr_per_image: f64,
    /// Memory for what the frozen part makes of the images, MiB: what fits is computed once, the rest in every pass.
    /// Changes no result.
    pub features_mib: usize,
}

impl Default for FineTune {
    fn default() -> Self {
        Self {
            trained: vec![Part::None],
            epochs: 2,
            batch_size: 64,
            lr: None,
            lr_per_image: 1.0 / 2048.0,
            features_mib: 256,
        }
    }
}

impl Section for FineTune {
    const NAME: &'static str = "fine_tune";

    fn limits(&self) -> Vec<Limit> {
        let once = |index: usize, part| !self.trained[..index].contains(part);
        let distinct = self.trained.iter().enumerate().all(|(index, part)| once(index, part));
        vec![
            limit("trained", !self.trained.is_empty() && distinct, "different parts, at least one"),
            limit("epochs", self.epochs >= 1, "at least 1"),
            limit("batch_size", self.batch_size >= 1, "at least 1"),
            limit("lr", self.lr.is_none_or(|lr| lr > 0.0), "above 0"),
            limit("lr_per_image", self.lr_per_image > 0.0, "above 0"),
        ]
    }
}

impl FineTune {
    /// The learning rate at the start.
    pub fn peak_rate(&self) -> f64 {
        self.lr.unwrap_or(self.lr_per_image * self.batch_size as f64)
    }
}

/// What of a trained network is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Part {
    /// Nothing: the network is tested as it is.
    None,
    /// The classifier.
    Head,
    /// The last 1 × 1 convolution with its norm, and the classifier: the paper's choice.
    Top,
    /// This block, counted from 0, and all that follows.
    Block(usize),
    /// The whole network.
    All,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Head => f.write_str("head"),
            Self::Top => f.write_str("top"),
            Self::Block(index) => write!(f, "blocks.{index}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// A text that names no fine-tuning, or no part of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no part of a network: `none`, `head`, `top`, `blocks.N` with N from 0, or `all`")]
pub struct FineTuningError(pub(in super::super) String);

impl FromStr for Part {
    type Err = FineTuningError;

    fn from_str(text: &str) -> Result<Self, FineTuningError> {
        let block = || text.strip_prefix("blocks.").and_then(|index| index.parse().ok().map(Self::Block));
        let part = match text {
            "none" => Some(Self::None),
            "head" => Some(Self::Head),
            "top" => Some(Self::Top),
            "all" => Some(Self::All),
            _ => block(),
        };
        // One name each: `blocks.07` and `blocks.+7` are none.
        part.filter(|part| part.to_string() == text).ok_or_else(|| FineTuningError(text.to_owned()))
    }
}

impl From<Part> for String {
    fn from(named: Part) -> Self {
        named.to_string()
    }
}

impl TryFrom<String> for Part {
    type Error = FineTuningError;

    fn try_from(text: String) -> Result<Self, FineTuningError> {
        text.parse()
    }
}
