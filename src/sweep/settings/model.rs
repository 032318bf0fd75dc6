//! `[model]`: which network.

use serde::{Deserialize, Serialize};

use super::limit::{Limit, limit, rate};
use super::{Section, forms};
use crate::arch::{
    ArchError, CHANNEL_DIVISOR, ChannelRounding, Compensation, Expansion, Network, NetworkSpec, Norm,
    NormGroups, Padding, Preset, compensated,
};

/// The `[model]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Member of the family.
    #[serde(with = "forms::preset")]
    pub preset: Preset,
    /// Width multiplier; the preset's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    /// Depth multiplier; the preset's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<f64>,
    /// What widths are rounded to multiples of: 8 in EfficientNet, 16 in some of timm's.
    pub channel_divisor: usize,
    /// Channels per group of the spatial convolutions; 1 is depthwise. Usually a grid axis.
    pub group_size: usize,
    /// Normalization. Usually a grid axis.
    #[serde(with = "forms::norm")]
    pub norm: Norm,
    /// Expansion ratio of the MBConv blocks: `"auto"` or a number.
    #[serde(with = "forms::expand")]
    pub expand: Expand,
    /// What `expand = "auto"` keeps equal to the depthwise network of ratio 6.
    pub compensate: Compensate,
    /// With a number for `expand`: whether channels are rounded to multiples of the group size and of 8 where they
    /// do not divide, rather than refused.
    pub round_to_group: bool,
    /// Stride of the stem; the preset's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stem_stride: Option<usize>,
    /// Strides of the seven stages; the preset's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_strides: Option<[usize; 7]>,
    /// Whether blocks have squeeze-excite.
    pub squeeze_excite: bool,
    /// Dropout rate before the classifier; the preset's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Stochastic depth: drop rate of the last block, growing linearly from 0 at the first (0.2 in the
    /// paper; small networks on short runs are better without).
    pub stochastic_depth: f64,
    /// Border of convolutions: TensorFlow's `same` (the paper's) or PyTorch's `symmetric` (timm's).
    #[serde(with = "forms::padding")]
    pub padding: Padding,
    /// Epsilon of every norm.
    pub norm_epsilon: f64,
    /// Decay of batch norm's running statistics per step.
    pub batch_norm_decay: f64,
    /// Epsilon of proxy norm's scale (0.03 in the paper).
    pub proxy_epsilon: f64,
    /// Where proxy norm's scale is applied around squeeze-excite and the top.
    pub proxy_placement: ProxyPlacement,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            preset: Preset::Nano,
            width: None,
            depth: None,
            channel_divisor: CHANNEL_DIVISOR,
            group_size: 1,
            norm: Norm::Batch,
            expand: Expand::Auto,
            compensate: Compensate::Macs,
            round_to_group: false,
            stem_stride: None,
            stage_strides: None,
            squeeze_excite: true,
            dropout: None,
            stochastic_depth: 0.0,
            padding: Padding::Same,
            norm_epsilon: 1e-3,
            batch_norm_decay: 0.97,
            proxy_epsilon: 0.03,
            proxy_placement: ProxyPlacement::Published,
        }
    }
}

impl Section for Model {
    const NAME: &'static str = "model";

    fn limits(&self) -> Vec<Limit> {
        let multiplier = |value: Option<f64>| value.is_none_or(|value| value > 0.0 && value <= 16.0);
        let stride = |stride: usize| stride == 1 || stride == 2;
        let groups = match self.norm {
            Norm::Group { groups: NormGroups::Count(number) | NormGroups::Size(number), .. } => {
                (1..=4096).contains(&number)
            }
            _ => true,
        };
        let ratio = match self.expand {
            Expand::Auto => true,
            Expand::Ratio(ratio) => ratio > 0.0 && ratio <= 16.0,
        };
        vec![
            limit("width", multiplier(self.width), "above 0, at most 16"),
            limit("depth", multiplier(self.depth), "above 0, at most 16"),
            limit("channel_divisor", (1..=256).contains(&self.channel_divisor), "1 to 256"),
            limit("group_size", (1..=4096).contains(&self.group_size), "1 to 4096"),
            limit("norm", groups, "1 to 4096 groups, or channels a group"),
            limit("expand", ratio, "\"auto\", or a ratio above 0 and at most 16"),
            limit("stem_stride", self.stem_stride.is_none_or(stride), "1 or 2"),
            limit(
                "stage_strides",
                self.stage_strides.is_none_or(|strides| strides.into_iter().all(stride)),
                "each 1 or 2",
            ),
            limit("dropout", self.dropout.is_none_or(rate), "at least 0 and below 1"),
            limit("stochastic_depth", rate(self.stochastic_depth), "at least 0 and below 1"),
            limit("norm_epsilon", self.norm_epsilon > 0.0, "above 0"),
            limit("batch_norm_decay", rate(self.batch_norm_decay), "at least 0 and below 1"),
            limit("proxy_epsilon", self.proxy_epsilon > 0.0, "above 0"),
        ]
    }
}

impl Model {
    /// The settings that change no channel, stride or group: all networks that differ in these alone have one
    /// shape.
    pub const SHAPELESS: [&'static str; 7] = [
        "norm",
        "dropout",
        "stochastic_depth",
        "norm_epsilon",
        "batch_norm_decay",
        "proxy_epsilon",
        "proxy_placement",
    ];

    /// The network of these settings, resolved for `classes` classes.
    ///
    /// # Errors
    /// Where channels do not divide into groups, of the convolutions or of the norm.
    pub fn network(&self, classes: usize) -> Result<Network, ArchError> {
        let network = self.shape(classes)?;
        if let Norm::Group { groups, .. } = self.norm {
            network.check_norm_groups(groups)?;
        }
        Ok(network)
    }

    /// As [`Model::network`], whatever the norm.
    ///
    /// # Errors
    /// Where channels do not divide into groups of the convolutions.
    pub fn shape(&self, classes: usize) -> Result<Network, ArchError> {
        let (stem_stride, stage_strides) = self.preset.strides();
        let rounding = if self.round_to_group { ChannelRounding::ToGroup } else { ChannelRounding::Exact };
        let ratio = match self.expand {
            Expand::Auto => 6.0,
            Expand::Ratio(ratio) => ratio,
        };
        let spec = NetworkSpec {
            width: self.width.unwrap_or(self.preset.width()),
            depth: self.depth.unwrap_or(self.preset.depth()),
            channel_divisor: self.channel_divisor,
            group_size: self.group_size,
            expansion: Expansion { ratio, rounding },
            stem_stride: self.stem_stride.unwrap_or(stem_stride),
            stage_strides: self.stage_strides.unwrap_or(stage_strides),
            squeeze_excite: self.squeeze_excite,
            classes,
            padding: self.padding,
        };
        match self.expand {
            Expand::Auto => Network::resolve(&compensated(&spec, self.compensate.into())?),
            Expand::Ratio(_) => Network::resolve(&spec),
        }
    }

    /// Dropout rate before the classifier.
    pub fn dropout_rate(&self) -> f64 {
        self.dropout.unwrap_or(self.preset.dropout())
    }
}

/// Expansion ratio of the MBConv blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expand {
    /// The ratio that pays for the group size.
    Auto,
    /// This ratio.
    Ratio(f64),
}

/// What `expand = "auto"` keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compensate {
    /// Multiply-accumulates.
    Macs,
    /// Parameters.
    Params,
}

impl From<Compensate> for Compensation {
    fn from(compensate: Compensate) -> Self {
        match compensate {
            Compensate::Macs => Self::Macs,
            Compensate::Params => Self::Parameters,
        }
    }
}

/// Where proxy norm's scale is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyPlacement {
    /// As in the papers' code: after the spatial convolution the scale waits until squeeze-excite's gate,
    /// and the top is centred only.
    Published,
    /// Centre and scale right after every activation.
    Plain,
}
