//! The models of timm that are networks of the family, by their names there.

use crate::arch::{Norm, NormGroups, Padding, Preset};
use crate::sweep::settings::{Expand, Model};

/// Epsilon of norms that PyTorch's models have, and so timm's own.
const PYTORCH_EPSILON: f64 = 1e-5;

/// A model of timm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimmModel {
    /// Its name, as `timm.create_model` takes it.
    pub name: &'static str,
    preset: Preset,
    group_size: usize,
    norm: Norm,
    channel_divisor: usize,
    /// Whether it was converted from TensorFlow, with its padding and epsilon.
    from_tensorflow: bool,
}

impl TimmModel {
    /// Its `[model]` settings.
    pub fn model(&self) -> Model {
        let (padding, norm_epsilon) = match self.from_tensorflow {
            true => (Padding::Same, Model::default().norm_epsilon),
            false => (Padding::Symmetric, PYTORCH_EPSILON),
        };
        Model {
            preset: self.preset,
            group_size: self.group_size,
            norm: self.norm,
            expand: Expand::Ratio(6.0),
            channel_divisor: self.channel_divisor,
            padding,
            norm_epsilon,
            ..Model::default()
        }
    }

    /// The side of the images that it was made for, pixels.
    pub fn resolution(&self) -> usize {
        self.preset.resolution()
    }
}

const fn with_batch_norm(name: &'static str, preset: Preset, from_tensorflow: bool) -> TimmModel {
    TimmModel { name, preset, group_size: 1, norm: Norm::Batch, channel_divisor: 8, from_tensorflow }
}

const fn with_group_norm(
    name: &'static str,
    preset: Preset,
    group_size: usize,
    norm_size: usize,
    channel_divisor: usize,
) -> TimmModel {
    let norm = Norm::Group { groups: NormGroups::Size(norm_size), proxy: false };
    TimmModel { name, preset, group_size, norm, channel_divisor, from_tensorflow: false }
}

/// Every one.
pub const TIMM_MODELS: [TimmModel; 16] = [
    with_batch_norm("efficientnet_b0", Preset::B0, false),
    with_batch_norm("efficientnet_b1", Preset::B1, false),
    with_batch_norm("efficientnet_b2", Preset::B2, false),
    with_batch_norm("efficientnet_b3", Preset::B3, false),
    with_batch_norm("efficientnet_b4", Preset::B4, false),
    with_batch_norm("efficientnet_b5", Preset::B5, false),
    with_group_norm("efficientnet_b0_gn", Preset::B0, 1, 8, 8),
    with_group_norm("efficientnet_b0_g8_gn", Preset::B0, 8, 8, 8),
    with_group_norm("efficientnet_b3_gn", Preset::B3, 1, 16, 16),
    with_group_norm("efficientnet_b3_g8_gn", Preset::B3, 8, 16, 16),
    with_batch_norm("tf_efficientnet_b0", Preset::B0, true),
    with_batch_norm("tf_efficientnet_b1", Preset::B1, true),
    with_batch_norm("tf_efficientnet_b2", Preset::B2, true),
    with_batch_norm("tf_efficientnet_b3", Preset::B3, true),
    with_batch_norm("tf_efficientnet_b4", Preset::B4, true),
    with_batch_norm("tf_efficientnet_b5", Preset::B5, true),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Cost;

    #[test]
    fn parameters_are_as_many_as_in_timm() {
        // As timm 1.0 counts them, for 1000 classes.
        for (name, parameters) in [
            ("efficientnet_b0", 5_288_548),
            ("efficientnet_b0_gn", 5_288_548),
            ("efficientnet_b0_g8_gn", 6_562_660),
            ("efficientnet_b3_gn", 11_733_784),
            ("tf_efficientnet_b0", 5_288_548),
        ] {
            let timm = TIMM_MODELS.iter().find(|timm| timm.name == name).unwrap();
            let model = timm.model();
            let network = model.network(1000).unwrap();
            assert_eq!(Cost::of(&network, model.norm, timm.resolution()).parameters(), parameters, "{name}");
        }
    }
}
